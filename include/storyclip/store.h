/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must survive: jobs and uploads as rows of one SQLite database (WAL). The only folder that
 * knows SQL. Plain structs in and out; SQLite's codes become negative errnos at this border:
 * -EIO (cannot be written or read), -EBUSY (somebody holds the lock longer than we wait), -ENOSPC.
 *
 * Two connections: one does all writes and all checkpoints (lock: store.writer), one only reads
 * (lock: store.reader), so that a look-up never waits for a commit. All calls may block on the disk;
 * any thread. Changes of state commit with synchronous=FULL; progress does not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "storyclip/error.h"
#include "storyclip/job.h"

struct store;

/**
 * Open or create the database: application_id checked (a non-empty foreign one is refused, the
 * message names the file), schema migrated forward, integrity of the header checked.
 * @param busy_ms  how long a write waits for somebody else's lock
 */
int store_open(const char *path, unsigned int busy_ms, struct error *e, struct store **ret);
/** Checkpoint and close. Accepts NULL. */
void store_close(struct store *store);
SC_DEFINE_AUTO(store, store_close)

/** Whether the last write failed, and why ("" when not): for health. */
void store_status(struct store *store, char message[ERROR_MESSAGE_SIZE]);

/* ---- small facts of the mount (table meta) ---- */

/** @return 0, -ENOENT */
int store_meta_get(struct store *store, const char *key, char *value, size_t size);
int store_meta_set(struct store *store, const char *key, const char *value);

/* ---- jobs ---- */

/** Insert a new queued job with all of its snapshot's fields. One transaction, synced.
 *  @return 0, -EEXIST (job_id taken), -EIO, -EBUSY, -ENOSPC */
int store_job_insert(struct store *store, const struct job_snapshot *job);

/** Read one job whole. @return 0, -ENOENT */
int store_job_get(struct store *store, const char *job_id, struct job_snapshot *ret);

/** One transition: what the row must be before, and what it is afterwards. */
struct job_transition {
	const char *job_id;
	enum job_state from;         /* the row must be in this state … */
	unsigned int from_attempt;   /* … and of this attempt (the fencing number), else nothing changes */
	const struct job_snapshot *to; /* state, progress, message, attempt, failures, times, error, warnings,
					  total_clips; artifacts and outputs when done */
	const char *output_urls;     /* JSON array; NULL: "[]" */
	int64_t not_before_ms;       /* wall time before which a re-queued job does not run (0: now) */
};

/**
 * Make one transition in one synced transaction.
 * @return 0, -ESTALE (the row is not, or no longer, as `from` says: a person or another attempt was
 * faster), -ENOENT, -EIO, -EBUSY, -ENOSPC
 */
int store_job_transition(struct store *store, const struct job_transition *t);

/** Note progress of a running attempt: not synced, does nothing when the row has moved on, and gives
 *  up at once (-EBUSY) when somebody holds the database. */
int store_job_progress(struct store *store, const char *job_id, unsigned int attempt, int progress,
		       const char *message, int64_t updated_at);

/** Mark that the attempt's directory is about to be renamed to OUTPUT_ROOT/<id> (synced): from then on
 *  a directory of that name is ours to remove when the job does not end done. */
int store_job_publishing(struct store *store, const char *job_id, unsigned int attempt);
/** Whether that mark was ever set for this job. */
int store_job_was_publishing(struct store *store, const char *job_id, bool *ret);

/** Mark one clip of a done job as deleted (in its artifact and outputs). Synced. */
int store_job_clip_deleted(struct store *store, const char *job_id, unsigned int number,
			   const char *output_urls);

/** Remove a job's row. Synced. @return 0, -ENOENT */
int store_job_delete(struct store *store, const char *job_id);

/** All jobs that have not ended, oldest first. The callback owns the snapshot (moves it out or not). */
int store_jobs_live(struct store *store, int (*each)(void *context, struct job_snapshot *job),
		    void *context);

struct job_list_row {
	char id[JOB_ID_SIZE];
	int64_t cookie; /* rowid: stable for the job's life, rises with age of insertion, never reused */
	enum job_state state;
};
/** Up to n rows with cookie > after, in order of cookie. @return how many, or a negative errno */
int store_jobs_page(struct store *store, int64_t after, struct job_list_row *rows, size_t n);

/** The newest job of an uploadId. @return 0, -ENOENT */
int store_job_newest_of_upload(struct store *store, const char *upload_id, char ret[JOB_ID_SIZE]);
/** Pages of distinct uploadIds, in order of their first job's cookie; free(rows[i].upload_id). */
struct upload_id_row {
	int64_t cookie;
	char *upload_id;
};
int store_upload_ids_page(struct store *store, int64_t after, struct upload_id_row *rows, size_t n);

/* ---- changes made by other connections (a person's sqlite3 shell) ---- */

/** A number that changes when another connection has committed (PRAGMA data_version of the reader). */
int store_data_version(struct store *store, int64_t *ret);

struct job_state_row {
	char id[JOB_ID_SIZE];
	char status[32]; /* as written, e.g. "error" */
	unsigned int attempt;
};
/** State of the given jobs as the database has it now. @return how many rows were found or an errno */
int store_job_states(struct store *store, const char *const *ids, size_t n,
		     int (*each)(void *context, const struct job_state_row *row), void *context);
/** Rows that a person left half changed: status not one of ours ("error"), or ended without
 *  finished_at. For the start and for the external thread. */
int store_jobs_external(struct store *store,
			int (*each)(void *context, const struct job_state_row *row), void *context);
/** Complete such a row: the state written out, code MANUAL, message, finished_at. Synced.
 *  @return 0, -ESTALE when status is not `was` any more */
int store_job_complete_external(struct store *store, const char *job_id, const char *was,
				const struct job_snapshot *to);

/* ---- uploads ---- */

enum upload_state { UPLOAD_OPEN, UPLOAD_COMPLETE, UPLOAD_INCOMPLETE_STATE };

struct upload_row {
	const char *path; /* below incoming/, raw bytes; the key */
	int64_t size;
	int64_t mtime_ns;
	enum upload_state state;
	int64_t created_at; /* ms; kept when the row exists already */
};

/** Change several rows in one transaction (group commit): puts, deletes, renames. */
enum upload_change_kind { UPLOAD_PUT, UPLOAD_DELETE, UPLOAD_RENAME };
struct upload_change {
	enum upload_change_kind kind;
	struct upload_row row;  /* PUT; for the others only path */
	const char *new_path;   /* RENAME: the path, and every path below it when it is a directory */
};
int store_uploads_apply(struct store *store, const struct upload_change *changes, size_t n,
			bool is_synced);
/** @return 0, -ENOENT; *ret's path is not set */
int store_upload_get(struct store *store, const char *path, struct upload_row *ret);
/** Every row; row->path is borrowed for the call. */
int store_uploads_each(struct store *store, int (*each)(void *context, const struct upload_row *row),
		       void *context);
