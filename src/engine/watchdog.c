/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread `watchdog`, by the monotonic clock. What it says in the program's log begins with its
 * name. */
#include "watchdog.h"

#include <stdio.h>

#include "helper.h"
#include "storyclip/common/log.h"

#define LATE_MS  1000
#define PULSE_MS 1000

int64_t watchdog_late_ms(int64_t last_ms, int64_t now_ms, int64_t pulse_ms)
{
	int64_t late_ms = now_ms - last_ms - pulse_ms;

	return late_ms > LATE_MS ? late_ms : 0;
}

static bool is_watched(const struct job *job)
{
	/* While a transition is being committed, the database is what is waited for. */
	return job->shown.state == JOB_RUNNING && !job->is_moving && !job->is_ended;
}

/* The first job that has stalled, with a reference. */
static struct job *find_stalled(struct engine *engine, struct error *e, unsigned int *ret_attempt,
				int64_t *ret_silent_ms)
{
	int64_t now = engine_now_ms(engine), timeout = engine->deps.settings->stall_timeout_ms;
	struct job *job;

	lock_acquire(&engine->jobs);
	for (job = engine->live.first; job; job = job->next) {
		*ret_silent_ms = now - job->worked_at_ms;
		/* One with a verdict is on its way out already. */
		if (is_watched(job) && !job->verdict.err && *ret_silent_ms >= timeout)
			break;
	}
	if (job) {
		job_ref(job);
		*ret_attempt = job->shown.attempt;
		error_set(e, SC_STALLED, "Stalled at %d%%", job->shown.progress);
		/* Should the row not be writable now, its slot will write it. */
		job->verdict = *e;
		engine->watchdog_stalled++;
	}
	lock_release(&engine->jobs);
	return job;
}

void watchdog_look(struct engine *engine, int64_t late_ms)
{
	struct error e = {0};
	unsigned int attempt;
	int64_t silent_ms, now = engine_now_ms(engine);
	struct job *job;

	lock_acquire(&engine->jobs);
	engine->watchdog_last_run = engine_wall_ms(engine);
	for (job = late_ms ? engine->live.first : NULL; job; job = job->next)
		job->worked_at_ms =
			job->worked_at_ms + late_ms < now ? job->worked_at_ms + late_ms : now;
	lock_release(&engine->jobs);
	if (late_ms)
		log_warning("Watchdog was itself stopped for %lld ms, which no job is blamed for",
			    (long long)late_ms);
	while ((job = find_stalled(engine, &e, &attempt, &silent_ms))) {
		int r;

		/* Said first: whoever sees the job fail finds it here. */
		log_warning(
			"Watchdog: job %s: %s, no work done for %lld ms: failing it, killing its "
			"processes",
			job->shown.id, e.message, (long long)silent_ms);
		r = engine_move(
			engine, job, attempt,
			&(struct move){.to = JOB_FAILED, .error = &e, .is_of_attempt = true});
		lock_acquire(&engine->jobs);
		if (r == -ESTALE)
			engine->watchdog_stalled--; /* it has ended at the same moment */
		else
			engine_kill_locked(engine, job);
		lock_release(&engine->jobs);
		engine_unref(engine, job);
	}
}

void *watchdog_run(void *arg)
{
	struct engine *engine = arg;
	int64_t interval_ms = engine->deps.settings->watchdog_interval_ms;
	/* A short pulse, so that a stop of the daemon within an interval is noticed as well. */
	int64_t pulse_ms = interval_ms < PULSE_MS ? interval_ms : PULSE_MS;
	int64_t last_ms = engine_now_ms(engine), looked_ms = last_ms, late_ms = 0;

	while (!helper_sleep(engine, pulse_ms)) {
		int64_t now = engine_now_ms(engine);

		late_ms += watchdog_late_ms(last_ms, now, pulse_ms);
		last_ms = now;
		if (now - looked_ms < interval_ms && !late_ms)
			continue;
		watchdog_look(engine, late_ms);
		looked_ms = now;
		late_ms = 0;
	}
	return NULL;
}
