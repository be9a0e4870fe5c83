/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job holds its upload's bytes: a second name, <hold directory>/<job id>, that nobody else sees.
 * Whatever happens to the upload's own name, the job can be done, today or after a restart.
 */
#pragma once

#include "state.h"

/** Make the link and sync the directory. @return 0, -EEXIST (the name is taken), another errno */
int hold_take(struct engine *engine, const char *job_id, const struct job_source *source);
/** Whether a failed hold_take() says that there are no hard links here: a copy is to hold the bytes. */
bool hold_needs_copy(int err);
/** Name of the unfinished copy in the hold directory. */
void hold_copy_name(const char *job_id, char out[JOB_ID_SIZE + 8]);
/** The copy is complete: give it the source's time and its name, whole and synced. */
int hold_copied(struct engine *engine, const char *job_id, int64_t mtime_ns);
/** Whether the bytes are held. */
bool hold_is_there(struct engine *engine, const char *job_id);
/** Open the held bytes. @return 0, -ENOENT, another errno */
int hold_open(struct engine *engine, const char *job_id, int *ret_fd);
/** Give them up. A missing one is well. */
void hold_drop(struct engine *engine, const char *job_id);
/** Drop every hold whose job is not live: what a crash has left. */
int hold_sweep(struct engine *engine);
