/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What more than one command is refused with: each fills *e and gives its errno. Any thread. */
#pragma once

#include "state.h"

int refuse_stopping(struct error *e);
/** @return 0 for the owner and root, else FORBIDDEN */
int refuse_stranger(const char *job_id, uid_t owner, const struct caller *caller, struct error *e);
int refuse_unknown(const char *job_id, struct error *e);
/** It was waited for, long enough (engine_wait_let_go()). */
int refuse_held(const char *job_id, struct error *e);
/** @param r  what the store returned */
int refuse_database(struct engine *engine, int r, struct error *e);
