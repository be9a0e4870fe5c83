/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine from inside: what its files share. Lock order: commit, then jobs (locking.h). Nothing
 * is called and no file is touched with `jobs` held; with `commit` held only the store is called.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "feed.h"
#include "aging.h"
#include "job.h"
#include "metrics.h"
#include "queue.h"
#include "storyclip/common/sync.h"
#include "storyclip/engine.h"

struct sweep; /* something to remove behind everybody's back (sweeper.h) */

/**
 * A job that is out of the table, but of which somebody who is no slot still removes what it had by its id:
 * until that is done the id is nobody else's. On the stack of whoever does it.
 */
struct leaving {
	struct leaving *next;
	const char *job_id; /* borrowed */
};

/** One of settings.workers threads; it runs one attempt at a time. */
struct slot {
	struct engine *engine;
	pthread_t thread;
	bool is_started;
	int wake_fd;     /* eventfd: look again whether the attempt must end */
	struct job *job; /* guarded by engine.jobs */
};

/** A thread with a timer of its own. */
struct helper {
	pthread_t thread;
	bool is_started;
};

struct engine {
	struct engine_deps deps;
	bool is_created; /* set once, before there are threads */
	int uploads_fd, hold_fd, work_fd, output_fd, logs_fd;

	struct lock commit; /* one transition at a time */
	bool is_checked; /* guarded by commit: the database was compared with what somebody did to
			    it … */
	int64_t data_version; /* … up to this */

	struct lock jobs;     /* guards all below */
	struct cond runnable; /* the queue has changed, or the engine stops */
	struct cond left;     /* a job was let go, or the engine stops */
	struct cond tick;     /* the engine stops, or there is something to sweep */
	uint64_t version;     /* the last that was given */
	uint64_t age;         /* the last that was given */
	bool is_stopping;
	bool is_paused; /* no job is started */
	struct job_table live;
	struct queue queue;
	struct feed feed;
	int64_t watchdog_last_run;
	uint64_t watchdog_stalled;
	struct aging aging;        /* of what is kept for a time */
	struct sweep *sweeps;      /* in no order */
	struct leaving *leaving;   /* in no order */
	struct job_snapshot ended; /* the ended job that was looked at last (reading.c) */

	struct engine_metrics metrics; /* lock-free */

	struct slot *slots;
	unsigned int n_slots;
	struct helper watchdog, external, sweeper, retention;
};

static inline int64_t engine_now_ms(const struct engine *engine)
{
	return clock_monotonic_ms(engine->deps.clock);
}

static inline int64_t engine_wall_ms(const struct engine *engine)
{
	return clock_wall_ms(engine->deps.clock);
}

/** A new version: the highest so far. */
static inline uint64_t engine_next_version_locked(struct engine *engine) SC_REQUIRES(&engine->jobs)
{
	return ++engine->version;
}

/**
 * Note a change of which engine_notify() will be told by the same version.
 * @param job  as it is now; only read during the call
 */
void feed_add_locked(struct engine *engine, const struct job_snapshot *job, unsigned int what)
	SC_REQUIRES(&engine->jobs);
/** Whether anybody reads it. Takes engine.jobs. */
bool feed_is_read(struct engine *engine);
/** The listener was told of this version of a job. Takes engine.jobs.
 *  @return feed_is_read() */
bool feed_told(struct engine *engine, const char *job_id, uint64_t version);

/** Tell the listener of a change that feed_add_locked() has noted; no lock held. */
void engine_notify(struct engine *engine, const char *job_id, uint64_t version, unsigned int what);

/** Whether the engine is being stopped. */
bool engine_is_stopping(struct engine *engine);

/** Let a live job's noted reports be seen. @return bits for engine_notify(), *ret_version with it
 */
unsigned int engine_show_locked(struct engine *engine, struct job *job, uint64_t *ret_version)
	SC_REQUIRES(&engine->jobs);

/** Put a queued job into the run queue and wake a slot. */
void engine_enqueue_locked(struct engine *engine, struct job *job, int64_t delay_ms)
	SC_REQUIRES(&engine->jobs);

/** Kill the job's process group, if it has one, and make its slot look. */
void engine_kill_locked(struct engine *engine, struct job *job) SC_REQUIRES(&engine->jobs);
/** Make the job's slot look again. */
void engine_wake_locked(struct engine *engine, struct job *job) SC_REQUIRES(&engine->jobs);

/** The job has left: out of the table and the queue, its child killed. */
void engine_drop_locked(struct engine *engine, struct job *job) SC_REQUIRES(&engine->jobs);

/** A live job with a reference of the caller's own, or NULL. */
struct job *engine_find(struct engine *engine, const char *job_id);
void engine_unref(struct engine *engine, struct job *job);

/** Begin to put a job away that is not in the table (any more), until engine_left(). */
void engine_leave_locked(struct engine *engine, struct leaving *leaving, const char *job_id)
	SC_REQUIRES(&engine->jobs);
/** The same, unless the job is live. @return whether it has begun */
bool engine_try_leave(struct engine *engine, struct leaving *leaving, const char *job_id);
/** It is put away. Well for one that never began, when it is all zero. */
void engine_left(struct engine *engine, struct leaving *leaving);

/** Whether a slot has a job of this id, be it only to clear away after it, or it is being put away. */
bool engine_is_held_locked(struct engine *engine, const char *job_id) SC_REQUIRES(&engine->jobs);
/** After a job's end somebody may still be clearing away: wait. @return whether nobody is (any more) */
bool engine_wait_let_go(struct engine *engine, const char *job_id);
bool engine_wait_let_go_locked(struct engine *engine, const char *job_id)
	SC_REQUIRES(&engine->jobs);

/** Every listed live job, with a reference each. free() the array after engine_unref() of each. */
int engine_live_jobs(struct engine *engine, struct job ***ret, size_t *ret_n);

/** How a job is to move (move.c). */
struct move {
	enum job_state to;
	const struct error *error; /* failed: why; queued: of what the attempt failed, or NULL */
	bool is_failure;           /* it counts against max_attempts */
	int64_t delay_ms;          /* queued: the back-off */
	bool is_of_attempt;        /* only while the attempt runs */
};

/**
 * Make one transition: in the database, then in memory, then told to the listener. Whoever comes
 * second finds another state or attempt and changes nothing.
 * @param attempt  the attempt on whose behalf
 * @return 0, -ESTALE (another was faster, or the move is not legal), -EIO, -EBUSY, -ENOSPC, -ENOMEM
 */
int engine_move(struct engine *engine, struct job *job, unsigned int attempt,
		const struct move *move);
/** The same, again and again while the database cannot be written, until the engine stops. */
int engine_move_surely(struct engine *engine, struct job *job, unsigned int attempt,
		       const struct move *move);
/** The JSON array of the clips' URLs. @return NULL: no memory */
char *engine_output_urls(const struct engine *engine, const char *job_id,
			 const struct artifact *artifacts, size_t n);
