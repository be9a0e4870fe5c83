/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters of the engine and the laps of jobs: see metrics.h. */
#include "metrics.h"

#include <inttypes.h>
#include <string.h>

#include "state.h"

static const char *const phase_names[] = {
	[PHASE_ACCEPT] = "accept", [PHASE_CLAIM] = "claim", [PHASE_PREPARE] = "prepare",
	[PHASE_COPY] = "copy",     [PHASE_START] = "start", [PHASE_PROBE] = "probe",
	[PHASE_CUT] = "cut",       [PHASE_EXIT] = "exit",   [PHASE_MARK] = "mark",
	[PHASE_PUBLISH] = "publish", [PHASE_DONE] = "done",
};
_Static_assert(SC_ARRAY_SIZE(phase_names) == PHASE_COUNT, "a phase without a name");

/* ---- laps ---- */

void phases_begin(struct phases *phases)
{
	int64_t accept_us = phases->us[PHASE_ACCEPT];

	*phases = (struct phases){.lap_us = clock_precise_us()};
	phases->us[PHASE_ACCEPT] = accept_us;
	phases->sync_us = accept_us; /* it is a sync and a commit, and little else */
}

void phases_lap(struct phases *phases, enum job_phase phase)
{
	int64_t now = clock_precise_us();

	phases->us[phase] += now - phases->lap_us;
	phases->lap_us = now;
}

static void print_ms(struct buf *out, int64_t us)
{
	buf_printf(out, "%" PRId64 ".%" PRId64, us / 1000, us % 1000 / 100);
}

void phases_print(const struct phases *phases, struct buf *out)
{
	for (unsigned int i = 0; i < PHASE_COUNT; i++) {
		if (!phases->us[i])
			continue;
		buf_printf(out, "%s%s ", out->len ? ", " : "", phase_names[i]);
		print_ms(out, phases->us[i]);
	}
	buf_printf(out, " ms; of that commits and syncs ");
	print_ms(out, phases->sync_us);
	buf_add_str(out, " ms");
}

/* ---- counting ---- */

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_started(struct engine *engine, const struct job_snapshot *to)
{
	if (to->attempt == 1)
		histogram_observe(&engine->metrics.wait, histogram_job_us,
				  (to->started_at - to->created_at) * 1000);
}

void metrics_moved(struct engine *engine, const struct job_snapshot *to, bool is_failure)
{
	struct engine_metrics *m = &engine->metrics;

	if (to->state == JOB_QUEUED && is_failure)
		add(&m->retries, 1);
	if (!job_state_is_final(to->state))
		return;
	add(&m->finished[to->state][to->state == JOB_FAILED ? to->error.code : SC_OK], 1);
	if (to->state != JOB_DONE)
		return;
	histogram_observe(&m->duration, histogram_job_us,
			  (to->finished_at - to->started_at) * 1000);
	for (size_t i = 0; i < to->n_artifacts; i++) {
		const struct artifact *clip = &to->artifacts[i];

		add(&m->clips[clip->method], 1);
		add(&m->clip_bytes[clip->method], (uint64_t)clip->size_bytes);
		add(&m->hidden_bytes, (uint64_t)clip->hidden_bytes);
		add(clip->shared_bytes ? &m->shared_clips : &m->copied_clips, 1);
		add(&m->shared_bytes, (uint64_t)clip->shared_bytes);
		add(&m->copied_bytes, (uint64_t)(clip->size_bytes - clip->shared_bytes));
	}
}

void metrics_done(struct engine *engine, const struct phases *phases)
{
	struct engine_metrics *m = &engine->metrics;

	for (unsigned int i = 0; i < PHASE_COUNT; i++)
		if (phases->us[i])
			histogram_observe(&m->phases[i], histogram_job_us, phases->us[i]);
	histogram_observe(&m->sync, histogram_job_us, phases->sync_us);
}

void engine_counts(struct engine *engine, struct engine_counts *ret)
{
	const struct engine_metrics *m = &engine->metrics;

	memset(ret, 0, sizeof(*ret));
	for (unsigned int state = 0; state < JOB_STATE_COUNT; state++)
		for (unsigned int code = 0; code < SC_CODE_COUNT; code++)
			ret->finished[state][code] = get(&m->finished[state][code]);
	ret->retries = get(&m->retries);
	for (unsigned int method = 0; method < CLIP_METHOD_COUNT; method++) {
		ret->clips[method] = get(&m->clips[method]);
		ret->clip_bytes[method] = get(&m->clip_bytes[method]);
	}
	ret->hidden_bytes = get(&m->hidden_bytes);
	ret->shared_clips = get(&m->shared_clips);
	ret->shared_bytes = get(&m->shared_bytes);
	ret->copied_clips = get(&m->copied_clips);
	ret->copied_bytes = get(&m->copied_bytes);
	histogram_read(&m->wait, histogram_job_us, &ret->wait);
	histogram_read(&m->duration, histogram_job_us, &ret->duration);
	for (unsigned int i = 0; i < PHASE_COUNT; i++) {
		ret->phases[i].name = phase_names[i];
		histogram_read(&m->phases[i], histogram_job_us, &ret->phases[i].took);
	}
	histogram_read(&m->sync, histogram_job_us, &ret->sync);
}
