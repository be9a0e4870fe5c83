/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs as the mount's files tell of them: jobs/<id>/status, and the directory of all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "storyclip/common/macros.h"
#include "storyclip/job.h"

/** What a status says, as far as a person is told. */
struct job_status {
	char id[JOB_ID_SIZE];
	enum job_state state;
	int progress;
	char *message; /* owned, as all texts; never NULL */
	char *upload_id;
	char *error_code; /* "" without error */
	char *error_message;
	int total_clips; /* -1: not planned yet */
	int clips_ready;
	int attempt;
	size_t n_warnings;
	int64_t created_ms, started_ms, finished_ms; /* 0: not yet */
	int64_t processing_ms;                       /* -1: not known */
};
void job_status_finish(struct job_status *status);
#define auto_status __attribute__((cleanup(job_status_finish)))

/** Pure. @return 0, -EBADMSG (no status of a job, or of a state that this program does not know),
 * -ENOMEM */
int job_status_parse(const char *text, struct job_status *ret);

/** Names of a done job's clips, in order, in its status: those that were not deleted. */
struct clip_names {
	char (*names)[24]; /* owned */
	size_t n;
};
int clip_names_parse(const char *text, struct clip_names *ret);

/**
 * Read one file of a job, "status" or (blocking until the end) "wait".
 * @param dir_fd   the mount's root
 * @param ret_text may be NULL; the JSON, to free
 * @param ret_mtime may be NULL; the version's time
 * @return 0, -ENOENT (no such job), -EINTR (a signal was caught), -ENOTCONN, another negative errno
 */
int job_read(int dir_fd, const char *id, const char *file, struct job_status *ret, char **ret_text,
	     struct timespec *ret_mtime);

/** All jobs, kept over several looks: what has not changed is not read again. */
struct job_row {
	struct job_status status;
	struct timespec mtime;
};
struct job_list {
	struct job_row *rows; /* owned; sorted by id */
	size_t n;
};
void job_list_finish(struct job_list *list);
#define auto_job_list __attribute__((cleanup(job_list_finish)))

/**
 * Look again; starts with {0}. Statuses that cannot be read are left out.
 * @return 0 or a negative errno; after that the list can only be finished
 */
int job_list_refresh(struct job_list *list, int dir_fd);

/** Pointers to the rows in an order of qsort(3). @return NULL without memory; to free */
const struct job_status **job_list_sorted(const struct job_list *list,
					  int (*compare)(const struct job_status *a,
							 const struct job_status *b));
/** Newest first. */
int job_compare_newest(const struct job_status *a, const struct job_status *b);
/** Running, then queued in their order, then the ended ones, the last first. */
int job_compare_active(const struct job_status *a, const struct job_status *b);

/** "3/12", "12", "-": the clips column. */
#define JOB_CLIPS_SIZE 32
void job_format_clips(const struct job_status *status, char out[JOB_CLIPS_SIZE]);
