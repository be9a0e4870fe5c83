/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine counts, and how long the steps of jobs take. Counters are lock-free and only ever
 * read by engine_counts(). Any thread; the laps of one job are its slot's.
 */
#pragma once

#include <stdatomic.h>

#include "storyclip/common/histogram.h"
#include "storyclip/engine.h"

/** struct engine_counts in the making. */
struct engine_metrics {
	atomic_uint_fast64_t finished[JOB_STATE_COUNT][SC_CODE_COUNT];
	atomic_uint_fast64_t retries;
	atomic_uint_fast64_t clips[CLIP_METHOD_COUNT], clip_bytes[CLIP_METHOD_COUNT], hidden_bytes;
	atomic_uint_fast64_t shared_clips, shared_bytes, copied_clips, copied_bytes;
	struct histogram wait, duration, phases[PHASE_COUNT], sync;
};

/** One job's steps. Each lap ends one and begins the next, so that together they are all its time. */
struct phases {
	int64_t us[PHASE_COUNT];
	int64_t sync_us; /* commits and fsyncs within them */
	int64_t lap_us;  /* when the last one ended (clock_precise_us()) */
};

/** A new attempt begins: forget what an older one took. Accepting happens only once, and stays. */
void phases_begin(struct phases *phases);
void phases_lap(struct phases *phases, enum job_phase phase);
/** "claim 1.2, start 20.1 …" in milliseconds, of the steps that there were. */
void phases_print(const struct phases *phases, struct buf *out);

struct engine;
/** A job starts: *to is its row. */
void metrics_started(struct engine *engine, const struct job_snapshot *to);
/** A job has ended, or (queued) an attempt failed and another will follow. */
void metrics_moved(struct engine *engine, const struct job_snapshot *to, bool is_failure);
/** A job is done: what it took. */
void metrics_done(struct engine *engine, const struct phases *phases);
