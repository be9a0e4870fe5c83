/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an attempt or a job leaves on the disk, and how it goes away. No lock held; blocks on the
 * disk. */
#pragma once

#include "state.h"

#define ATTEMPT_NAME_SIZE (JOB_ID_SIZE + 32)

/** work/<id>.<attempt> */
void attempt_work_name(const char *job_id, unsigned int attempt, char out[ATTEMPT_NAME_SIZE]);
/** OUTPUT_ROOT/.<id>.<attempt>.tmp, the publisher's */
void attempt_tmp_name(const char *job_id, unsigned int attempt, char out[ATTEMPT_NAME_SIZE]);

/** Remove what the attempt made under its own number: its work directory, the publisher's copy. */
void cleanup_attempt(struct engine *engine, const char *job_id, unsigned int attempt);
/**
 * Remove OUTPUT_ROOT/<id> if that was about to appear, or was there, and the job is not done. Only for who has
 * the job to himself: its slot, who puts it away (struct leaving), who has just taken it up again.
 */
void cleanup_half_published(struct engine *engine, const char *job_id);
/** The job has ended without a slot on it: give its upload's bytes up. */
void cleanup_ended(struct engine *engine, const char *job_id);
/**
 * The names of a removed job: its clips become `trash` (NULL: it has none), its log goes. The bytes
 * are the sweeper's.
 *
 * @return 0, or an error of the rename: OUTPUT_ROOT/<id> is still there
 */
int cleanup_to_trash(struct engine *engine, const char *job_id, const char *trash);
