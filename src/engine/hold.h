/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job holds its upload's bytes: a second name, <hold directory>/<job id>, that nobody else sees.
 * Whatever happens to the upload's own name, the job can be done, today or after a restart.
 */
#pragma once

#include "state.h"

/** Make the link and sync the directory. @return 0, -EEXIST (the name is taken), another errno */
int hold_take(struct engine *engine, const char *job_id, const struct job_source *source);
/** Open the held bytes. @return 0, -ENOENT, another errno */
int hold_open(struct engine *engine, const char *job_id, int *ret_fd);
/** Give them up. A missing one is well. */
void hold_drop(struct engine *engine, const char *job_id);
/** Drop every hold whose job is not live: what a crash has left. */
int hold_sweep(struct engine *engine);
