/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One job that has not ended, and the table of them. Everything here is guarded by engine.jobs, but
 * what never changes of a job that somebody has a reference of: its id, upload, order, owner,
 * source path and inode.
 *
 * What readers see (`shown`) and what the worker's reports say are kept apart: while a transition
 * is being committed, reports go on being noted, but nothing that is shown changes, so that the
 * version which the transition writes is the newest when it is there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "metrics.h"
#include "queue.h"
#include "storyclip/common/macros.h"
#include "storyclip/engine.h"
#include "storyclip/proto.h"

struct slot;

struct job {
	unsigned int refs; /* the table's, the slot's, and those of whoever looks at it unlocked */
	struct job_snapshot shown;
	bool is_listed;  /* its row is committed: others may see it */
	bool is_moving;  /* a transition is being committed */
	bool is_ended;   /* it has left the table */
	bool is_held;    /* its bytes are: a link was made, or the copy is whole */
	int source_fd;   /* the upload, until its copy is whole; else -1 */
	bool is_touched; /* source_mtime_ns is not yet in its row */

	struct queue_entry queue;
	struct slot *slot; /* which runs it, or is still cleaning up after it */

	/* Of whoever accepts it, then of the slot that runs it: no lock. */
	struct phases phases;

	/* The attempt that runs. */
	pid_t pgid;           /* its child's process group while that may be signalled, else 0 */
	struct error verdict; /* decided by another thread: how this attempt fails */
	int64_t worked_at_ms; /* monotonic: when it last did something */
	uint64_t work;        /* of the last report */

	/* What its reports say. */
	int progress;
	char message[ERROR_MESSAGE_SIZE];
	unsigned int total_clips;
	struct artifact *clips; /* in order of number */
	size_t n_clips, cap_clips;
	char *warnings; /* JSON array; NULL: none */
	unsigned int n_warnings;

	struct job *next_of_id, *next_of_source;
	struct job *next, *prev; /* in order of acceptance */
};

#define JOB_TABLE_BUCKETS 1024

struct job_table {
	struct job *by_id[JOB_TABLE_BUCKETS];
	struct job *by_source[JOB_TABLE_BUCKETS];
	struct job *first, *last;
	unsigned int n;
};

/** What a job may become: the life of INTERFACE.md. */
bool job_may_move(enum job_state from, enum job_state to);

/** A job with one reference. What *shown owns is moved into it. @return NULL: no memory */
struct job *job_create(struct job_snapshot *shown);
struct job *job_ref(struct job *job);
void job_unref(struct job *job);

/** @return 0 or -EEXIST. The table takes a reference of its own. */
int job_table_add(struct job_table *table, struct job *job);
/** Take it out and give the table's reference back. Well when it is not in. */
void job_table_remove(struct job_table *table, struct job *job);
struct job *job_table_find(const struct job_table *table, const char *id);
/** How many of them are a user's. */
unsigned int job_table_of_uid(const struct job_table *table, uid_t uid);
/** The first, or the next after `after`, job with this source. */
struct job *job_table_of_source(const struct job_table *table, const struct job *after, dev_t dev,
				ino_t ino);

/* ---- the attempt ---- */

/** Begin an attempt: forget what an older one said. */
void job_begin_attempt(struct job *job, int64_t now_ms);
/** Forget the clips that were made. */
void job_forget_clips(struct job *job);
/** A new child: its count of work starts anew. */
void job_begin_child(struct job *job, int64_t now_ms);

/**
 * Note a report. Work that moved resets the watchdog's time.
 * @param max_progress  as far as this child can bring it
 * @return 0, -EINVAL (it makes no sense), -ENOMEM
 */
int job_note_report(struct job *job, struct report *report, int max_progress, int64_t now_ms);
/**
 * Let readers see what was noted, if that is something new and no transition is under way.
 * @param version  the version that this makes
 * @return what changed: bits of JOB_CHANGED_…, 0: nothing
 */
unsigned int job_show(struct job *job, uint64_t version, int64_t wall_ms);

/** Whether its first phase is to copy the upload. */
static inline bool job_needs_copy(const struct job *job)
{
	return job->shown.is_hold_copy && !job->is_held;
}

/** The time for updated_at: never before what is there. */
int64_t job_wall_ms(const struct job *job, int64_t wall_ms);
