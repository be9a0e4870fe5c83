/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of jobs: from an accepted request to clips in OUTPUT_ROOT, whatever happens meanwhile.
 *
 * Jobs that have not ended live in memory (and in the database); ended ones are read from the
 * database when somebody asks, so memory does not grow with the history.
 *
 * Threads: `slot-N` (settings.workers of them) each take the next runnable job and see one attempt
 * through (worker process, publisher process, transitions); `watchdog`; `external`; `sweeper`
 * (removes directories of removed jobs, reaps processes that could not be ended). Who wins a race of
 * transitions is decided by the database (WHERE status and attempt), one at a time under the commit lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "storyclip/caller.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/histogram.h"
#include "storyclip/config.h"
#include "storyclip/error.h"
#include "storyclip/job.h"
#include "storyclip/request.h"
#include "storyclip/store.h"

struct engine;

/** The directory in UPLOAD_TMP_DIR that keeps the bytes of jobs: never visible in the mount. */
#define ENGINE_HOLD_DIR ".storyclip-hold"

/** What changed about a job: bits. */
enum {
	JOB_CHANGED_TEXT = 1 << 0,    /* status, progress */
	JOB_CHANGED_CLIPS = 1 << 1,   /* a clip appeared, or all of an attempt went away */
	JOB_CHANGED_CREATED = 1 << 2,
	JOB_CHANGED_ENDED = 1 << 3,   /* it is in a final state now: wake `wait` */
	JOB_CHANGED_REMOVED = 1 << 4, /* its names are gone */
};

/**
 * The one narrow way upward. Called from the engine's threads and from whatever thread called the
 * engine, with no lock held, after the change can be read; must not block (enqueue and return).
 */
struct engine_listener {
	void *context;
	void (*job_changed)(void *context, const char *job_id, uint64_t version, unsigned int what);
	/** There is more for engine_feed_take(). May be NULL. */
	void (*feed_grew)(void *context);
	/** An upload's name was removed on behalf of a done job. May be NULL. @param path  below incoming/ */
	void (*upload_deleted)(void *context, const char *path);
};

struct engine_deps {
	const struct settings *settings; /* borrowed for the engine's life, as are all of these */
	struct store *store;
	const struct clock *clock;
	struct engine_listener listener;
	const char *helper_dir; /* where storyclip-worker and storyclip-publish are */
};

/**
 * Open directories (UPLOAD_TMP_DIR's hold directory, work, outputs, logs), load the jobs that had not
 * ended, honour changes made by hand while nobody ran, remove the leftovers that the database names.
 * Starts nothing yet.
 */
int engine_create(const struct engine_deps *deps, struct error *e, struct engine **ret);
/** Start the threads: from here on jobs run. */
int engine_start(struct engine *engine, struct error *e);
/**
 * Stop: no new request, running jobs go back to the queue, their processes are ended within 5 s,
 * threads joined. Snapshots can still be read. Idempotent. Blocks.
 */
void engine_stop(struct engine *engine);
/** After engine_stop() (or a failed start). Accepts NULL. */
void engine_destroy(struct engine *engine);
SC_DEFINE_AUTO(engine, engine_destroy)

/* ---- commands; any thread; they block on the database; all fill *e ---- */

/** The file that a request is about, opened and checked by the intake. */
struct job_source {
	const char *path;  /* below incoming/, for `source` */
	int fd;            /* O_RDONLY or O_PATH, borrowed for the call */
	dev_t dev;
	ino_t ino;
	int64_t size;
	int64_t mtime_ns;
	bool is_ready;     /* false: somebody still writes it; wait for engine_source_ready() */
	bool is_incomplete; /* the registry says `incomplete`: the job is accepted and fails */
	/**
	 * Called once, when the job is there (engine_source_is_frozen()) but cannot run yet, on the
	 * caller's thread and without locks: the intake looks again whether somebody has begun to write.
	 * It may change size, mtime_ns, is_ready and is_incomplete. NULL: there is no need.
	 */
	void (*look_again)(void *context, struct job_source *source);
	void *context;
};

/**
 * Accept a request: hold the source's bytes (hidden hard link, synced), write the row, answer.
 * @param request  its job_id may be ""; borrowed
 * @param input_json  the request as accepted; borrowed
 * Codes: JOB_EXISTS (job or OUTPUT_ROOT/<id> taken), QUEUE_FULL, NO_SPACE, STOPPING, INTERNAL.
 */
int engine_submit(struct engine *engine, const struct request *request, const char *input_json,
		  struct job_source *source, const struct caller *caller, struct error *e,
		  char ret_job_id[JOB_ID_SIZE]);

/**
 * Whether this caller's earlier request with the same idempotencyKey has made a job.
 * @return 1 (*ret_job_id is that job, and the request was the same), 0 (no), or the negative errno of
 * *e: KEY_REUSED (it was another request), INTERNAL
 */
int engine_duplicate(struct engine *engine, const struct request *request, const char *input_json,
		     const struct caller *caller, struct error *e, char ret_job_id[JOB_ID_SIZE]);

/**
 * Whether the caller may have this job taken up again: it has failed or was cancelled.
 * @param ret_upload_id  which upload is to be found anew; to free()
 * Codes: JOB_NOT_FOUND, FORBIDDEN, INVALID_REQUEST (it is in another state), STOPPING, INTERNAL.
 */
int engine_check_retry(struct engine *engine, const char *job_id, const struct caller *caller,
		       struct error *e, char **ret_upload_id);
/** Do it: queued again, without failures, its upload taken anew. Codes: those, and engine_submit()'s. */
int engine_retry(struct engine *engine, const char *job_id, struct job_source *source,
		 const struct caller *caller, struct error *e);

/** Start no job (or start them again); running ones go on. Until the end of the mount.
 *  Codes: FORBIDDEN (not root). */
int engine_pause(struct engine *engine, bool is_paused, const struct caller *caller, struct error *e);

/** Codes: JOB_NOT_FOUND, JOB_ENDED, FORBIDDEN (not the owner, not root), STOPPING, INTERNAL. */
int engine_cancel(struct engine *engine, const char *job_id, const struct caller *caller,
		  struct error *e);

/**
 * Remove an ended job with its clips, log and row: the names are gone when it returns, bytes go in the
 * background. Codes: JOB_NOT_FOUND, JOB_ACTIVE, FORBIDDEN, STOPPING, INTERNAL.
 */
int engine_remove(struct engine *engine, const char *job_id, const struct caller *caller,
		  struct error *e);
/** Delete one clip of an ended job. Codes as engine_remove(), JOB_NOT_FOUND when there is no such clip. */
int engine_remove_clip(struct engine *engine, const char *job_id, unsigned int number,
		       const struct caller *caller, struct error *e);

/* ---- the intake tells what becomes of sources; any thread; may write the database ---- */

/** The last writer has closed it and it is synced: jobs waiting for this inode may run. */
void engine_source_ready(struct engine *engine, dev_t dev, ino_t ino, int64_t size, int64_t mtime_ns);
/** Fail the jobs that wait for (or are queued with) this inode, e.g. UPLOAD_BUSY, UPLOAD_INCOMPLETE. */
void engine_source_failed(struct engine *engine, dev_t dev, ino_t ino, enum sc_code code,
			  const char *message);
/** The file's times were set through the mount: that is no change of the upload. Blocks on no commit. */
void engine_source_touched(struct engine *engine, dev_t dev, ino_t ino);
/** Whether a job that has not ended holds this inode, and how many hidden links it has. */
unsigned int engine_source_links(struct engine *engine, dev_t dev, ino_t ino);
/** Whether its bytes must not change: a job holds this inode, or has yet to copy it. */
bool engine_source_is_frozen(struct engine *engine, dev_t dev, ino_t ino);
/** Whether a queued job waits for this inode to be closed. */
bool engine_source_is_awaited(struct engine *engine, dev_t dev, ino_t ino);
/** Every inode that a job which has not ended holds (for the scan at start). */
int engine_sources_each(struct engine *engine,
			int (*each)(void *context, dev_t dev, ino_t ino, bool is_waiting),
			void *context);

/* ---- uploads that nobody uses (upload_retention); the intake asks, which knows of all writers ---- */

/** Whether something that was last used at this wall time has been kept long enough. A clock that
 *  jumps forward makes nothing old. False without the setting. */
bool engine_upload_is_old(struct engine *engine, int64_t at_ms);
/**
 * Remove the name of an upload if it still is the file that was looked at, no job that has not ended
 * uses it and nobody has it open for writing. Blocks on the disk.
 * @param path  below incoming/
 * @return 0, -EBUSY (it is in use, or another file by now: it stays), or another negative errno
 */
int engine_expire_upload(struct engine *engine, const char *path, const struct stat *st);

/* ---- reading; any thread; never waits for a commit ---- */

/** @return 0, -ENOENT, -ENOMEM, -EIO */
int engine_snapshot(struct engine *engine, const char *job_id, struct job_snapshot *ret);
/** Only whether it exists, its owner and times (store.h): cheaper. Same returns. */
int engine_brief(struct engine *engine, const char *job_id, struct job_brief *ret);
/** As store_job_names() and store_job_names_of(). */
int engine_job_names(struct engine *engine, int64_t after, struct job_name_row *rows, size_t n);
int engine_job_names_of(struct engine *engine, enum job_state state, int64_t after,
			struct job_name_row *rows, size_t n);
int engine_newest_of_upload(struct engine *engine, const char *upload_id, char ret[JOB_ID_SIZE]);
int engine_upload_ids_page(struct engine *engine, int64_t after, struct upload_id_row *rows, size_t n);

struct clip_info {
	unsigned int number;
	char filename[24];
	int64_t size_bytes;
	int64_t mtime_ms;
	unsigned int attempt; /* a clip of another attempt is another file */
};
/** Up to n clips that are whole and not deleted, with number > after, in order. Works while running too. */
int engine_clips_page(struct engine *engine, const char *job_id, unsigned int after,
		      struct clip_info *clips, size_t n);
/** @return 0, -ENOENT */
int engine_clip(struct engine *engine, const char *job_id, unsigned int number,
		struct clip_info *ret);
/** Open it for reading, wherever it lies now (work while running, outputs when done). */
int engine_clip_open(struct engine *engine, const char *job_id, unsigned int number, int *ret_fd);
/** Open the job's log for reading (a job without one yet: an empty file). @return 0, -ENOENT */
int engine_log_open(struct engine *engine, const char *job_id, int *ret_fd);

/* ---- the feed: every change of any job, in the order in which they happened ---- */

/** A change, with the job as it was then. */
struct job_change {
	struct job_change *next;
	uint64_t seq;      /* 1, 2, 3 … over the daemon's life; a missing number is a lost change */
	int64_t at_ms;     /* wall time */
	unsigned int what; /* JOB_CHANGED_… */
	uint64_t version;
	char id[JOB_ID_SIZE];
	enum job_state state;
	int progress;
	char message[ERROR_MESSAGE_SIZE];
	enum sc_code code; /* of the error, else SC_OK */
	unsigned int attempt, total_clips, clips_ready;
	uid_t owner_uid;
	char *upload_id, *user_id; /* owned; may be NULL */
	bool is_told;              /* the engine's */
};
void job_changes_free(struct job_change *changes);

/**
 * From now on changes are kept, some thousands at most, until they are taken; then the oldest are lost.
 * Each open wants its engine_feed_close().
 * @return the number of the last change before
 * Threads: any, for all five; no other lock of the engine is needed. None blocks.
 */
uint64_t engine_feed_open(struct engine *engine);
void engine_feed_close(struct engine *engine);
/** Up to which number the listener was told of every change; 0: there is nothing to take. */
uint64_t engine_feed_ready(struct engine *engine);
/** Take those up to a number, oldest first; to job_changes_free(). NULL: none. */
struct job_change *engine_feed_take(struct engine *engine, uint64_t upto);

/** For health. */
struct engine_stats {
	unsigned int workers_busy, workers_of;
	unsigned int workers_leaving; /* done with a job that has ended, but for putting it away */
	unsigned int queued;
	int64_t watchdog_last_run; /* wall ms, 0: not yet */
	uint64_t watchdog_stalled; /* jobs failed by it since the mount */
	unsigned int stuck_processes; /* killed, but the kernel cannot end them */
	pid_t stuck_pid;              /* one of them, 0: none */
	int64_t free_uploads, free_work, free_outputs; /* bytes, negative errno when unknown, -ESTALE: the directory was removed */
	int64_t min_uploads, min_work, min_outputs;    /* what the setting min_free wants there */
	char database_error[ERROR_MESSAGE_SIZE];       /* "" when the last write was well and no damage is known */
	bool is_stopping, is_paused;
};
void engine_stats(struct engine *engine, struct engine_stats *ret);

/** The steps of a job that ends done, in their order. What each took stands in its log. */
enum job_phase {
	PHASE_ACCEPT,  /* the request is understood → its bytes are held, its row is on the disk */
	PHASE_CLAIM,   /* a slot has it → its row says running */
	PHASE_PREPARE, /* log, work directory, held upload */
	PHASE_COPY,    /* the upload is copied, only where it cannot be hard-linked */
	PHASE_START,   /* the worker is started → its first report */
	PHASE_PROBE,   /* … → its plan */
	PHASE_CUT,     /* … → its last report: all clips are made, checked, synced */
	PHASE_EXIT,    /* … → it has exited */
	PHASE_MARK,    /* the row says that clips are being published */
	PHASE_PUBLISH, /* the publisher, from its start to its exit */
	PHASE_DONE,    /* the row says done */
	PHASE_COUNT,
};

/** For metrics: counted since the mount. */
struct engine_counts {
	uint64_t finished[JOB_STATE_COUNT][SC_CODE_COUNT]; /* by code only of failed jobs, else SC_OK */
	uint64_t retries; /* attempts that were followed by another */
	uint64_t clips[CLIP_METHOD_COUNT];
	uint64_t clip_bytes[CLIP_METHOD_COUNT];
	uint64_t hidden_bytes;          /* of those: neighbours' samples that exact clips carry */
	uint64_t shared_clips, copied_clips; /* by whether any of their blocks are the upload's */
	uint64_t shared_bytes, copied_bytes; /* on the upload's blocks; on blocks of their own */
	struct histogram_values wait;     /* of every job, from acceptance to its first start */
	struct histogram_values duration; /* of every done job, from its last start to its end */
	struct {
		const char *name; /* "accept", "claim", … static */
		struct histogram_values took;
	} phases[PHASE_COUNT]; /* of every done job */
	struct histogram_values sync; /* of every done job: all commits and fsyncs together */
};
void engine_counts(struct engine *engine, struct engine_counts *ret);

/** How many jobs and uploads there are (store.h). */
int engine_store_counts(struct engine *engine, struct store_counts *ret);
/**
 * The newest n jobs as they are now, newest first, without artifacts.
 * @param jobs  room for n; job_snapshot_finish() each
 * @return how many, or a negative errno
 */
int engine_jobs_newest(struct engine *engine, struct job_snapshot *jobs, size_t n);
/** As store_uploads_newest(). */
int engine_uploads_newest(struct engine *engine, struct upload_summary *uploads, size_t n);
