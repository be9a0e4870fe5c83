/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one way in which a job changes its state: row first, memory second, listener third. The row's
 * WHERE (state and attempt) decides who was first. Any thread of the engine or of its callers.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "external.h"
#include "joblog.h"
#include "state.h"
#include "storyclip/common/log.h"
#include "upload_delete.h"

#define MESSAGE_CANCELLED "Cancelled"

static const char *const queued_messages[] = {
	[SOURCE_READY] = JOB_MESSAGE_QUEUED,
	[SOURCE_WAITING] = JOB_MESSAGE_WAITING,
	[SOURCE_INCOMPLETE] = JOB_MESSAGE_QUEUED,
};

static void set_message(struct job_snapshot *to, const char *message)
{
	snprintf(to->message, sizeof(to->message), "%s", message);
}

static void plan_final(struct job_snapshot *to, const struct job *job, const struct move *move)
{
	to->finished_at = to->updated_at;
	to->clips_ready = 0;
	if (move->to == JOB_DONE) {
		to->progress = 100;
		to->clips_ready = (unsigned int)job->n_clips;
		to->artifacts =
			job->clips; /* borrowed: only the slot that asks for this changes them */
		to->n_artifacts = job->n_clips;
		set_message(to, JOB_MESSAGE_DONE);
	} else if (move->to == JOB_FAILED) {
		to->error = *move->error;
		to->failures += move->is_failure;
		set_message(to, move->error->message);
	} else {
		set_message(to, MESSAGE_CANCELLED);
	}
}

/* What the row will say. What *to points to is borrowed, but for warnings. */
static void plan(struct engine *engine, const struct job *job, const struct move *move,
		 struct job_snapshot *to)
{
	*to = job->shown;
	to->warnings = NULL;
	to->state = move->to;
	to->updated_at = job_wall_ms(job, engine_wall_ms(engine));
	to->not_before = 0;
	if (job_state_is_final(move->to)) {
		plan_final(to, job, move);
		return;
	}
	to->clips_ready = to->total_clips = 0;
	if (move->to == JOB_RUNNING) {
		to->attempt++;
		to->started_at = to->updated_at;
		to->progress = job_needs_copy(job) ? 0 : 10;
		set_message(to, job_needs_copy(job) ? JOB_MESSAGE_COPYING : JOB_MESSAGE_PREPARED);
		return;
	}
	to->failures += move->is_failure;
	to->progress = 0;
	to->not_before = move->delay_ms ? to->updated_at + move->delay_ms : 0;
	set_message(to, queued_messages[to->source_state]);
}

static int begin(struct engine *engine, struct job *job, unsigned int attempt,
		 const struct move *move, enum job_state *ret_from, struct job_snapshot *ret_to)
{
	const char *warnings;
	int r = 0;

	lock_acquire(&engine->jobs);
	if (job->is_ended || job->shown.attempt != attempt ||
	    !job_may_move(job->shown.state, move->to) ||
	    (move->is_of_attempt && job->shown.state != JOB_RUNNING))
		r = -ESTALE;
	if (r == 0) {
		*ret_from = job->shown.state;
		plan(engine, job, move, ret_to);
		warnings = job_state_is_final(move->to) && job->warnings ? job->warnings : "[]";
		ret_to->warnings = strdup(warnings);
		if (!ret_to->warnings)
			r = -ENOMEM;
	}
	if (r == 0) {
		ret_to->version = engine_next_version_locked(engine);
		job->is_moving = true;
	}
	lock_release(&engine->jobs);
	return r;
}

/* The row has moved: memory follows. */
static void apply_locked(struct engine *engine, struct job *job, const struct move *move,
			 struct job_snapshot *to) SC_REQUIRES(&engine->jobs)
{
	struct job_snapshot *shown = &job->shown;

	/* Only what changes: the rest is read without the lock. */
	shown->version = to->version;
	shown->state = to->state;
	shown->progress = to->progress;
	memcpy(shown->message, to->message, sizeof(shown->message));
	shown->attempt = to->attempt;
	shown->failures = to->failures;
	shown->started_at = to->started_at;
	shown->updated_at = to->updated_at;
	shown->finished_at = to->finished_at;
	shown->total_clips = to->total_clips;
	shown->clips_ready = to->clips_ready;
	shown->error = to->error;
	shown->not_before = to->not_before;
	free(shown->warnings);
	shown->warnings = take_ptr(to->warnings);
	if (job_state_is_final(move->to)) {
		engine_drop_locked(engine, job);
	} else if (move->to == JOB_RUNNING) {
		queue_remove(&engine->queue, &job->queue);
		job_begin_attempt(job, engine_now_ms(engine));
	} else {
		job_begin_attempt(job, engine_now_ms(engine));
		engine_enqueue_locked(engine, job, move->delay_ms);
	}
}

static const struct {
	const char *line;
	unsigned int what;
} ends[] = {
	[JOB_QUEUED] = {"queued again", JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS},
	[JOB_RUNNING] = {NULL, JOB_CHANGED_TEXT},
	[JOB_DONE] = {"done", JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED},
	[JOB_FAILED] = {"failed", JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED},
	[JOB_CANCELLED] = {"cancelled", JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED},
};

static void write_done(struct engine *engine, const struct job_snapshot *to,
		       const struct phases *phases)
{
	auto_buf struct buf took = BUF_EMPTY;

	phases_print(phases, &took);
	if (!buf_error(&took))
		joblog_write(engine, to->id, "phases: %s", took.data);
	joblog_write(engine, to->id, "done: %u clips in %lld ms", to->clips_ready,
		     (long long)(to->finished_at - to->started_at));
}

static void write_log(struct engine *engine, const struct job_snapshot *to, const struct move *move,
		      const struct phases *phases)
{
	if (!ends[move->to].line)
		return;
	if (move->to == JOB_DONE)
		write_done(engine, to, phases);
	else if (move->error && move->delay_ms)
		joblog_write(engine, to->id, "%s in %lld ms: %s (%s)", ends[move->to].line,
			     (long long)move->delay_ms, move->error->message,
			     sc_code_name(move->error->code));
	else if (move->error)
		joblog_write(engine, to->id, "%s: %s (%s)", ends[move->to].line,
			     move->error->message, sc_code_name(move->error->code));
	else
		joblog_write(engine, to->id, "%s", ends[move->to].line);
}

/* The transition itself, under the commit lock. */
static int commit(struct engine *engine, enum job_state from, unsigned int attempt,
		  const struct job_snapshot *to) SC_REQUIRES(&engine->commit)
{
	auto_free char *urls = NULL;
	const struct job_transition t = {
		.job_id = to->id, .from = from, .from_attempt = attempt, .to = to};
	struct job_transition with_urls = t;

	if (to->state == JOB_DONE) {
		urls = engine_output_urls(engine, to->id, to->artifacts, to->n_artifacts);
		if (!urls)
			return -ENOMEM;
		with_urls.output_urls = urls;
	}
	return store_job_transition(engine->deps.store, &with_urls);
}

/* To running and to done jobs are moved by their slots alone, whose laps these are. */
static void count(struct engine *engine, struct job *job, const struct move *move,
		  const struct job_snapshot *to, int64_t commit_us)
{
	if (move->to == JOB_RUNNING)
		metrics_started(engine, to);
	if (move->to == JOB_DONE)
		phases_lap(&job->phases, PHASE_DONE);
	if (move->to == JOB_RUNNING || move->to == JOB_DONE)
		job->phases.sync_us += commit_us;
	if (move->to == JOB_DONE)
		metrics_done(engine, &job->phases);
	metrics_moved(engine, to, move->is_failure);
}

int engine_move(struct engine *engine, struct job *job, unsigned int attempt,
		const struct move *move)
{
	struct job_snapshot to = {0};
	enum job_state from = JOB_QUEUED;
	unsigned int what = ends[move->to].what, shown = 0;
	uint64_t version = 0;
	int64_t begun_us, took_us;
	struct leaving leaving = {0};
	int r;

	lock_acquire(&engine->commit);
	r = begin(engine, job, attempt, move, &from, &to);
	if (r < 0) {
		lock_release(&engine->commit);
		return r;
	}
	begun_us = clock_precise_us();
	r = commit(engine, from, attempt, &to);
	took_us = clock_precise_us() - begun_us;
	/* The log needs only plain data of *to; its pointers are the job's, which may go away. */
	lock_acquire(&engine->jobs);
	job->is_moving = false;
	if (r == 0) {
		feed_add_locked(engine, &to, what);
		count(engine, job, move, &to, took_us);
		apply_locked(engine, job, move, &to);
		version = to.version;
		if (job_state_is_final(move->to) && !job->slot)
			engine_leave_locked(engine, &leaving, to.id);
	} else {
		shown = engine_show_locked(engine, job, &version);
	}
	lock_release(&engine->jobs);
	lock_release(&engine->commit);

	free(to.warnings);
	if (r == 0) {
		write_log(engine, &to, move, &job->phases);
		if (leaving.job_id)
			cleanup_ended(engine, to.id);
		engine_left(engine, &leaving);
		/* Before anybody is told: who waits for the job finds the upload gone. */
		if (move->to == JOB_DONE && job->shown.deletes_upload)
			upload_delete(engine, &job->shown);
		engine_notify(engine, to.id, version, what);
		return 0;
	}
	if (shown)
		engine_notify(engine, to.id, version, shown);
	if (r == -ESTALE || r == -ENOENT) {
		/* Not we: a person has changed the row. */
		external_settle(engine, job);
		return -ESTALE;
	}
	return r;
}

int engine_move_surely(struct engine *engine, struct job *job, unsigned int attempt,
		       const struct move *move)
{
	int64_t wait_ms = 50;
	bool is_told = false;

	for (;;) {
		int r = engine_move(engine, job, attempt, move);
		bool is_stopping;

		if (r == 0 || r == -ESTALE)
			return r;
		if (!is_told)
			log_error_with(r, "job %s: cannot note that it is %s, trying on",
				       job->shown.id, job_state_name(move->to));
		is_told = true;
		lock_acquire(&engine->jobs);
		if (!engine->is_stopping)
			cond_wait_for(&engine->left, &engine->jobs, wait_ms);
		is_stopping = engine->is_stopping;
		job->worked_at_ms = engine_now_ms(engine); /* not the worker's fault */
		lock_release(&engine->jobs);
		if (is_stopping)
			return r;
		wait_ms = wait_ms < 1000 ? wait_ms * 2 : 1000;
	}
}

char *engine_output_urls(const struct engine *engine, const char *job_id,
			 const struct artifact *artifacts, size_t n)
{
	auto_buf struct buf url = BUF_EMPTY;
	json_t *list = json_array();
	char *text = NULL;
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (artifacts[i].is_deleted)
			continue;
		buf_reset(&url);
		clip_url(&url, engine->deps.settings->cdn_base, job_id, artifacts[i].filename);
		r = buf_error(&url);
		if (r == 0)
			r = json_array_append_new(list, json_string(url.data));
	}
	if (r == 0)
		text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}
