/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One attempt, in the thread of a slot: claim → work directory → worker → publisher → done.
 *
 * Whoever else ends the job meanwhile (cancel, watchdog, a person, the stop) only moves its row and
 * kills the process; the slot notices and clears away. Nothing here is kept for the next attempt:
 * that begins from the held upload, in a directory of its own.
 */
#include "attempt.h"

#include <stdio.h>
#include <string.h>

#include "attempt_steps.h"
#include "cleanup.h"
#include "hold.h"
#include "joblog.h"
#include "runner.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"

#define MAX_PROGRESS_WORKER 94   /* 95 is the publisher's */
#define CLAIM_RETRY_MS      1000 /* the database could not be written */

static void attempt_finish(struct attempt *a)
{
	const int fds[] = {a->work_fd, a->clips_fd, a->source_fd, a->log_fd};

	for (size_t i = 0; i < SC_ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

struct job *attempt_next_job(struct slot *slot)
{
	struct engine *engine = slot->engine;
	struct job *job = NULL;

	lock_acquire(&engine->jobs);
	while (!engine->is_stopping && !job) {
		struct queue_entry *entry = NULL;
		int64_t wait_ms = -1;

		if (!engine->is_paused)
			entry = queue_next(&engine->queue, engine_now_ms(engine), &wait_ms);
		if (entry) {
			queue_remove(&engine->queue, entry);
			job = (struct job *)(void *)((char *)entry - offsetof(struct job, queue));
			job->slot = slot;
			slot->job = job_ref(job);
		} else if (wait_ms >= 0) {
			cond_wait_for(&engine->runnable, &engine->jobs, wait_ms);
		} else {
			cond_wait(&engine->runnable, &engine->jobs);
		}
	}
	lock_release(&engine->jobs);
	return job;
}

void attempt_release_job(struct slot *slot, struct job *job)
{
	struct engine *engine = slot->engine;

	lock_acquire(&engine->jobs);
	if (job->slot == slot)
		job->slot = NULL;
	slot->job = NULL;
	job_unref(job);
	cond_broadcast(&engine->left);
	lock_release(&engine->jobs);
}

/* Back into the queue without anything having happened: the row could not be written. */
static void put_back(struct attempt *a)
{
	lock_acquire(&a->engine->jobs);
	if (!a->job->is_ended && a->job->shown.state == JOB_QUEUED && !a->job->queue.is_queued)
		engine_enqueue_locked(a->engine, a->job, CLAIM_RETRY_MS);
	lock_release(&a->engine->jobs);
}

static bool has_ended(struct attempt *a)
{
	bool is_ended;

	lock_acquire(&a->engine->jobs);
	is_ended = a->job->is_ended;
	lock_release(&a->engine->jobs);
	return is_ended;
}

/* What a queued job is to be failed with before anybody runs it. @return whether there is such */
static bool has_sentence(struct attempt *a, struct error *e)
{
	bool has_verdict, is_incomplete;

	lock_acquire(&a->engine->jobs);
	has_verdict = a->job->verdict.err != 0;
	is_incomplete = a->job->shown.source_state == SOURCE_INCOMPLETE;
	if (has_verdict)
		*e = a->job->verdict;
	lock_release(&a->engine->jobs);
	if (!has_verdict && is_incomplete)
		error_set(e, SC_UPLOAD_INCOMPLETE,
			  "upload '%s' was cut off by an unclean stop; copy it again",
			  a->job->shown.upload_id);
	return has_verdict || is_incomplete;
}

/* @return 0: it is ours to run, as a->number */
static int claim(struct attempt *a)
{
	struct error e = {0};
	int r;

	phases_begin(&a->job->phases);
	memcpy(a->id, a->job->shown.id, sizeof(a->id));
	lock_acquire(&a->engine->jobs);
	a->number = a->job->shown.attempt;
	lock_release(&a->engine->jobs);
	if (has_sentence(a, &e)) {
		r = engine_move_surely(a->engine, a->job, a->number,
				       &(struct move){.to = JOB_FAILED, .error = &e});
		if (r < 0)
			put_back(a);
		return -ECANCELED;
	}
	r = engine_move(a->engine, a->job, a->number, &(struct move){.to = JOB_RUNNING});
	if (r < 0) {
		if (r != -ESTALE)
			log_error_with(r, "job %s: cannot be started", a->id);
		put_back(a);
		return r;
	}
	phases_lap(&a->job->phases, PHASE_CLAIM);
	a->number++;
	attempt_work_name(a->id, a->number, a->work_name);
	hook_reach("engine-claimed");
	return 0;
}

void attempt_show_phase(struct attempt *a, int progress, const char *message, int max_progress)
{
	struct engine *engine = a->engine;
	struct report report = {.kind = REPORT_PHASE, .progress = progress};
	unsigned int what = 0;
	uint64_t version = 0;

	snprintf(report.message, sizeof(report.message), "%s", message);
	lock_acquire(&engine->jobs);
	if (a->job->shown.attempt == a->number && a->job->shown.state == JOB_RUNNING) {
		job_note_report(a->job, &report, max_progress, engine_now_ms(engine));
		what = engine_show_locked(engine, a->job, &version);
	}
	lock_release(&engine->jobs);
	if (what)
		engine_notify(engine, a->id, version, what);
}

static int make_work_order(struct attempt *a, struct buf *out, struct error *e)
{
	auto_work_order struct work_order order = {0};
	const char *text = a->job->shown.order_json;
	int r;

	r = work_order_parse(text, strlen(text), e, &order);
	if (r < 0)
		return r;
	order.attempt = a->number;
	r = work_order_encode(&order, out);
	return r < 0 ? error_from_errno(e, r, "writing the worker's order") : 0;
}

static int cut(struct attempt *a, struct error *e)
{
	auto_buf struct buf order = BUF_EMPTY;
	const struct runner_plan plan = {
		.program = "storyclip-worker",
		.noun = "worker",
		.order = &order,
		.fds = {a->source_fd, a->clips_fd},
		.log_fd = a->log_fd,
		.max_progress = MAX_PROGRESS_WORKER,
		.clips_fd = a->clips_fd,
		.is_worker = true,
	};
	int r;

	r = make_work_order(a, &order, e);
	if (r < 0)
		return r;
	r = runner_run(a->slot, a->job, a->number, &plan, e, &a->is_stuck);
	if (r < 0)
		return r;
	return attempt_check_source(a, e);
}

static void clear_away(struct attempt *a)
{
	struct engine *engine = a->engine;
	unsigned int what = 0;
	uint64_t version = 0;

	/* First nobody sees the clips any more, then they go. */
	lock_acquire(&engine->jobs);
	if (a->job->shown.attempt == a->number && a->job->shown.state == JOB_RUNNING) {
		job_forget_clips(a->job);
		what = engine_show_locked(engine, a->job, &version);
	}
	lock_release(&engine->jobs);
	if (what)
		engine_notify(engine, a->id, version, what);
	if (a->is_stuck)
		return;
	cleanup_attempt(engine, a->id, a->number);
	cleanup_half_published(engine, a->id);
}

/* What becomes of a job whose attempt has failed, and is still the current one. */
static void decide(struct attempt *a, int r, struct error *e)
{
	struct engine *engine = a->engine;
	struct move move = {.to = JOB_QUEUED, .error = e, .is_of_attempt = true};
	unsigned int failures, max_attempts;
	bool has_verdict;

	lock_acquire(&engine->jobs);
	failures = a->job->shown.failures;
	max_attempts = a->job->shown.max_attempts;
	has_verdict = a->job->verdict.err != 0;
	if (has_verdict)
		*e = a->job->verdict;
	lock_release(&engine->jobs);
	if (has_verdict || !(r == -ECANCELED && engine_is_stopping(engine))) {
		if (!e->err)
			error_set(e, SC_INTERNAL, "attempt %u ended without a reason", a->number);
		move.is_failure = !has_verdict && sc_code_is_transient(e->code);
		if (!move.is_failure || failures + 1 >= max_attempts)
			move.to = JOB_FAILED;
		else
			move.delay_ms = queue_backoff_ms(failures + 1);
	} else {
		move.error = NULL; /* stopping: not the worker's failure */
	}
	/* When even that cannot be noted the engine stops: the next start takes the job up. */
	r = engine_move_surely(engine, a->job, a->number, &move);
	if (r < 0 && r != -ESTALE)
		log_error_with(r, "job %s: left to the next start", a->id);
}

void attempt_run(struct slot *slot, struct job *job)
{
	struct attempt a = {.engine = slot->engine,
			    .slot = slot,
			    .job = job,
			    .work_fd = -1,
			    .clips_fd = -1,
			    .source_fd = -1,
			    .log_fd = -1};
	struct error e = {0};
	int r;

	if (claim(&a) == 0) {
		r = attempt_prepare(&a, &e);
		phases_lap(&job->phases, PHASE_PREPARE);
		if (r == 0)
			r = cut(&a, &e);
		if (r == 0)
			r = attempt_publish(&a, &e);
		clear_away(&a);
		if (r < 0)
			decide(&a, r, &e);
	}
	if (has_ended(&a))
		hold_drop(a.engine, a.id);
	attempt_finish(&a);
}
