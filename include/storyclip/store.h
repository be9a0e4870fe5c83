/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must survive: jobs and uploads as rows of one SQLite database (WAL). The only folder that
 * knows SQL. Plain structs in and out; SQLite's codes become negative errnos at this border:
 * -EIO (cannot be written or read), -EBUSY (somebody holds the lock longer than we wait), -ENOSPC.
 *
 * Two connections (and a third while a copy is made, which only reads): one does all writes and all checkpoints (lock: store.writer), one only reads
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
 * message names the file), schema migrated forward, all pages checked for damage (-EUCLEAN).
 * @param busy_ms  how long a write waits for somebody else's lock
 */
int store_open(const char *path, unsigned int busy_ms, struct error *e, struct store **ret);
/**
 * The same for a start that should not take longer with a long history: after a clean store_close()
 * the pages are not checked here but by store_backups_start().
 */
int store_open_fast(const char *path, unsigned int busy_ms, struct error *e, struct store **ret);
/**
 * Look for damage now: what store_open() would have said of it. For a start after store_open_fast()
 * that has met some. @return 0 (none found), -EUCLEAN, -EIO, …
 */
int store_check(struct store *store, struct error *e);
/** Checkpoint, note that this was a clean end, and close. Accepts NULL. */
void store_close(struct store *store);
SC_DEFINE_AUTO(store, store_close)

/**
 * Start the thread `backup`: a look for damage, unless store_open() has looked, a copy of the database in backup/ beside it, unless one is younger than an
 * hour, then one a day; the last three are kept. No write waits for it. It ends with store_close().
 */
int store_backups_start(struct store *store);

/** The newest of these copies. @param ret  its path, to free(). @return 0, -ENOENT */
int store_backup_newest(const char *database, char **ret);

/**
 * Copy a database that may be in use to a new file, as it is at one moment; nothing about the
 * original changes. The copy is neither checked nor synced.
 * @return 0, -EUCLEAN (it is damaged), -ENOENT, -EIO, …
 */
int store_copy(const char *database, const char *to, struct error *e);

/**
 * Everything that PRAGMA integrity_check finds, a line each. The callback must not call the store.
 * @return 0 or what the callback or the reading gave
 */
int store_integrity_each(struct store *store, int (*each)(void *context, const char *line),
			 void *context);

/** Whether the last write failed, and why, or where the database was found damaged ("" when neither): for health. Waits for nothing. */
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
/** What a listing needs of it: one small read. @return 0, -ENOENT */
struct job_brief {
	enum job_state state;
	uint64_t version;
	uid_t owner_uid;
	gid_t owner_gid;
	unsigned int attempt;
	int64_t created_at, updated_at;
};
int store_job_brief(struct store *store, const char *job_id, struct job_brief *ret);
/** The highest version that a row has, 0 when there is none: versions go on from there. */
int store_job_max_version(struct store *store, uint64_t *ret);

/** One transition: what the row must be before, and what it is afterwards. */
struct job_transition {
	const char *job_id;
	enum job_state from;         /* the row must be in this state … */
	unsigned int from_attempt;   /* … and of this attempt (the fencing number), else nothing changes */
	const struct job_snapshot *to; /* version, state, progress, message, attempt, failures, times, error,
					  warnings, clip counts, not_before; artifacts when done */
	const char *output_urls;     /* JSON array; NULL: "[]" */
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

/** What became of the source of a queued job (source_state, size and mtime, message, version,
 *  updated_at of *to). Not synced: the registry of uploads knows it too. @return 0, -ESTALE */
int store_job_source(struct store *store, const struct job_snapshot *to);

/** The source's times were set through the mount: what UPLOAD_CHANGED compares with. Not synced. */
int store_job_touched(struct store *store, const char *job_id, int64_t source_mtime_ns);

/** Mark that the attempt's directory is about to be renamed to OUTPUT_ROOT/<id> (synced): from then on
 *  a directory of that name is ours to remove when the job does not end done.
 *  @return 0, -ESTALE (the attempt is not running any more) */
int store_job_publishing(struct store *store, const char *job_id, unsigned int attempt);
/** Whether that mark is set for a job that is not done. @return 0, -ENOENT */
int store_job_was_publishing(struct store *store, const char *job_id, bool *ret);
/** The directory is gone again: take the mark back. Not synced. */
int store_job_unpublished(struct store *store, const char *job_id);

/**
 * Queue an ended job again: *to is what its row says then. Synced.
 * @param was  the state that it must be in, with to->attempt
 * @return 0, -ESTALE, -EIO, -EBUSY, -ENOSPC
 */
int store_job_retry(struct store *store, const struct job_snapshot *to, enum job_state was);

/** Mark one clip of a job as deleted: *to has its artifacts, version and updated_at. Synced.
 *  @return 0, -ESTALE (the job is not done) */
int store_job_clip_deleted(struct store *store, const struct job_snapshot *to,
			   const char *output_urls);

/**
 * Remove an ended job's row and note, in the same synced transaction, that its log and, when the job
 * has clips, OUTPUT_ROOT/<id> are to go, the latter by way of the name `trash`.
 * @return 0, -ENOENT (no such job, or it has not ended)
 */
int store_job_remove(struct store *store, const char *job_id, const char *trash,
		     bool *ret_has_clips);
/** Every such note. The callback must not call the store. */
struct removal_row {
	const char *trash; /* both borrowed for the call */
	const char *job_id;
	bool has_clips;   /* OUTPUT_ROOT/<id> was the job's */
	bool is_id_taken; /* a newer job has this id: OUTPUT_ROOT/<id> is not the removed one's */
};
int store_removals_each(struct store *store,
			int (*each)(void *context, const struct removal_row *row), void *context);
/** All bytes are gone: forget the note. Not synced. */
int store_removal_done(struct store *store, const char *trash);

/** All jobs that have not ended, oldest first. The callback may move the snapshot out, else it is freed. */
int store_jobs_live(struct store *store, int (*each)(void *context, struct job_snapshot *job),
		    void *context);
/** Done jobs whose upload is still to be removed. The callback must not call the store. */
int store_jobs_deleting_upload(struct store *store, int (*each)(void *context, const char *job_id),
			       void *context);
/** That was seen to. Not synced. @return 0, -ENOENT */
int store_job_upload_deleted(struct store *store, const char *job_id);
/** Jobs that are not done, but whose OUTPUT_ROOT/<id> may exist (store_job_publishing()). */
int store_jobs_half_published(struct store *store,
			      int (*each)(void *context, const char *job_id, unsigned int attempt),
			      void *context);

struct job_list_row {
	char id[JOB_ID_SIZE];
	int64_t cookie; /* rowid: stable for the job's life, rises with age of insertion, never reused */
	enum job_state state;
};
/** Up to n rows with cookie > after, in order of cookie. @return how many, or a negative errno */
int store_jobs_page(struct store *store, int64_t after, struct job_list_row *rows, size_t n);

/** A job that has ended, and when. */
struct ended_row {
	int64_t finished_at;
	int64_t cookie;
	char id[JOB_ID_SIZE];
};
/** Up to n jobs that ended behind `after` (by time and cookie) and at or before a wall time, those first that
 *  ended first. @return how many, or a negative errno */
int store_jobs_ended(struct store *store, const struct ended_row *after, int64_t until,
		     struct ended_row *rows, size_t n);

/** What a listing shows of a job: read from small indexes, never from its wide row. */
struct job_name_row {
	int64_t cookie; /* as in struct job_list_row */
	int64_t created_at;
	uid_t owner_uid;
	gid_t owner_gid;
	char id[JOB_ID_SIZE];
};
/** Pages of all jobs, as store_jobs_page(). */
int store_job_names(struct store *store, int64_t after, struct job_name_row *rows, size_t n);
/** The same of the jobs in one state; only cookie and id are filled in. */
int store_job_names_of(struct store *store, enum job_state state, int64_t after,
		       struct job_name_row *rows, size_t n);

/**
 * The job that a request of this uid with this idempotencyKey made.
 * @param ret_input_json  that request; to free()
 * @return 0, -ENOENT
 */
int store_job_of_key(struct store *store, uid_t uid, const char *key, char ret_id[JOB_ID_SIZE],
		     char **ret_input_json);

/** The newest job of an uploadId. @return 0, -ENOENT */
int store_job_newest_of_upload(struct store *store, const char *upload_id, char ret[JOB_ID_SIZE]);
/** Pages of distinct uploadIds, in order of their first job's cookie; free(rows[i].upload_id). */
struct upload_id_row {
	int64_t cookie;
	char *upload_id;
};
int store_upload_ids_page(struct store *store, int64_t after, struct upload_id_row *rows, size_t n);

/* ---- changes made by other connections (a person's sqlite3 shell) ---- */

/** A number that changes when another connection than the writer has committed (PRAGMA data_version). */
int store_data_version(struct store *store, int64_t *ret);

struct job_state_row {
	char id[JOB_ID_SIZE];
	char status[32]; /* as written, e.g. "error" */
	unsigned int attempt;
};
/** State of one job as the database has it now. @return 0, -ENOENT */
int store_job_state(struct store *store, const char *job_id, struct job_state_row *ret);
/** Rows that a person left half changed: status not one of ours ("error"), or failed or cancelled
 *  without what we write at such an end. For the start and for the external thread. */
int store_jobs_external(struct store *store,
			int (*each)(void *context, const struct job_state_row *row), void *context);
/**
 * Complete such a row: the state (of *to) written out, code MANUAL, the message unless the person gave
 * one, finished_at, version and updated_at; progress stays. Clips of a job that was done are not listed
 * any more and its directory counts as half published. Synced.
 * @return 0, -ESTALE when status is not `was` any more
 */
int store_job_complete_external(struct store *store, const char *job_id, const char *was,
				const struct job_snapshot *to);

/* ---- uploads ---- */

enum upload_state { UPLOAD_OPEN, UPLOAD_COMPLETE, UPLOAD_INCOMPLETE_STATE, UPLOAD_STATE_COUNT };

/** "open", "complete", "incomplete". Static. */
static inline const char *upload_state_name(enum upload_state state)
{
	static const char *const names[] = {
		[UPLOAD_OPEN] = "open",
		[UPLOAD_COMPLETE] = "complete",
		[UPLOAD_INCOMPLETE_STATE] = "incomplete",
	};

	return names[state];
}

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
/** An upload's row as a candidate for removal. */
struct upload_age_row {
	int64_t created_at;
	char *path; /* owned */
};
/** Up to n uploads that are not open, with created_at at most until, oldest first, behind a place in that
 *  order (0 and "": the first); free(rows[i].path). @return how many, or a negative errno */
int store_uploads_older(struct store *store, int64_t after_at, const char *after_path, int64_t until,
			struct upload_age_row *rows, size_t n);
/** Every row; row->path is borrowed for the call. The callback must not call the store. */
int store_uploads_each(struct store *store, int (*each)(void *context, const struct upload_row *row),
		       void *context);

/* ---- what jobs.json, uploads.json and metrics show: each a bounded number of small reads ---- */

/** How many there are, as of the last commit; kept by triggers, so their number costs nothing. */
struct store_counts {
	uint64_t jobs[JOB_STATE_COUNT];
	uint64_t uploads[UPLOAD_STATE_COUNT];
	int64_t upload_bytes[UPLOAD_STATE_COUNT];
};
int store_counts(struct store *store, struct store_counts *ret);
/**
 * The newest n jobs, newest first, without their artifacts.
 * @param jobs  room for n; what they own is the caller's, job_snapshot_finish() each
 * @return how many, or a negative errno
 */
int store_jobs_newest(struct store *store, struct job_snapshot *jobs, size_t n);

/** One upload, as its row says, with the newest job that was made of it. */
struct upload_summary {
	char *path; /* owned */
	int64_t size, mtime_ns;
	enum upload_state state;
	int64_t created_at;
	char job_id[JOB_ID_SIZE]; /* "": none */
	enum job_state job_state;
};
/** The newest n uploads (requests beside them left out), newest first; free(uploads[i].path). @return how many, or a negative errno */
int store_uploads_newest(struct store *store, struct upload_summary *uploads, size_t n);
/* ---- sidecars: which request beside which upload has started which job ---- */

struct sidecar_row {
	ino_t ino;           /* of the upload; with `request` the key */
	const char *request; /* the sidecar's bytes, a text; not set by store_sidecar_get() */
	int64_t born_ns, size, mtime_ns; /* the upload as it was then */
	const char *path;    /* of the sidecar, below incoming/; not set by store_sidecar_get() */
	char job_id[JOB_ID_SIZE];
	bool is_accepted; /* false: it is about to be accepted, and may be there or not */
	int64_t created_at; /* ms */
};
/** Insert or replace, synced. */
int store_sidecar_put(struct store *store, const struct sidecar_row *row);
/** @return 0, -ENOENT */
int store_sidecar_get(struct store *store, ino_t ino, const char *request, struct sidecar_row *ret);
/** Forget one, or with request NULL all of an upload. Not synced. */
int store_sidecar_delete(struct store *store, ino_t ino, const char *request);
/**
 * The times of an upload were set through the mount: it is the same one still. Not synced.
 * @param from_ns  the mtime before: what has started a job when it had another one stays as it is
 */
int store_sidecar_touched(struct store *store, ino_t ino, int64_t size, int64_t from_ns,
			  int64_t mtime_ns);
/** Every upload that has a row, in order of its number. The callback must not call the store. */
int store_sidecars_each(struct store *store, int (*each)(void *context, ino_t ino), void *context);
