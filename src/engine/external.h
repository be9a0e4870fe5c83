/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes that somebody made by SQL: honoured within two seconds and at the next start, and never
 * undone. A status that ends a job ends it; whatever else was written into a live job's row becomes
 * "queued" again, so that no job is left that nobody runs.
 */
#pragma once

#include "state.h"

/** Compare one live job with its row and follow the row. Any thread, no lock held. */
void external_settle(struct engine *engine, struct job *job);
/**
 * The same of a job by its id, live or ended: nobody has to wait for the next look. Failures are left to
 * that. What is found of an ended job is removed when this returns, or another thread is at it (engine_wait_let_go()).
 */
void external_settle_id(struct engine *engine, const char *job_id);
/** Compare all live jobs, and complete ended ones that were changed by hand. @return 0 or a
 * negative errno */
int external_check(struct engine *engine);
/** The thread: looks whether anybody else has written. */
void *external_run(void *arg);
