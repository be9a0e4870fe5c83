/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread `external` and what it does. With the commit lock held only a person can make row and
 * memory differ: whatever differs is what somebody wrote.
 */
#include "external.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "joblog.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "sweeper.h"

#define LOOK_EVERY_MS 250

/* What has to be done about one live job. */
enum difference { SAME, ENDED, DELETED, REQUEUE };

struct change {
	enum difference kind;
	struct job_state_row row;
	struct job_snapshot to; /* warnings owned, the rest borrowed */
	struct leaving leaving; /* begun if nobody else puts the job away */
};

static enum difference compare(const struct job *job, const struct job_state_row *row)
{
	enum job_state state;

	if (job_state_from_name(row->status, &state) < 0 || !strcmp(row->status, "error"))
		return ENDED;
	if (job_state_is_final(state))
		return ENDED;
	if (state == job->shown.state && row->attempt == job->shown.attempt)
		return SAME;
	return REQUEUE;
}

static void plan(struct engine *engine, const struct job_snapshot *was, const char *status,
		 struct job_snapshot *to)
{
	*to = *was;
	to->warnings = NULL;
	if (job_state_from_name(status, &to->state) < 0)
		to->state = JOB_FAILED;
	to->clips_ready = 0;
	to->version = 0;
	to->updated_at =
		engine_wall_ms(engine) > was->updated_at ? engine_wall_ms(engine) : was->updated_at;
	to->finished_at = to->updated_at;
	snprintf(to->message, sizeof(to->message), "set to '%s' by hand", status);
	error_set(&to->error, SC_MANUAL, "%s", to->message);
	if (to->state != JOB_FAILED)
		memset(&to->error, 0, sizeof(to->error));
	if (to->state == JOB_DONE)
		snprintf(to->message, sizeof(to->message), "%s", JOB_MESSAGE_DONE);
}

/* What each kind changes, for the listener. */
static const unsigned int changed[] = {
	[ENDED] = JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED,
	[DELETED] = JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED | JOB_CHANGED_REMOVED,
	[REQUEUE] = JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS,
};

/* Follow the row, which is what change->row says. Memory second, as always. */
static int follow(struct engine *engine, struct job *job, struct change *change)
	SC_REQUIRES(&engine->commit)
{
	struct job_snapshot *to = &change->to;
	int r = 0;

	lock_acquire(&engine->jobs);
	plan(engine, &job->shown, change->row.status, to);
	to->version = engine_next_version_locked(engine);
	job->is_moving = true;
	lock_release(&engine->jobs);
	if (change->kind == ENDED) {
		r = store_job_complete_external(engine->deps.store, to->id, change->row.status, to);
	} else if (change->kind == REQUEUE) {
		const struct job_transition t = {.job_id = to->id,
						 .from = to->state,
						 .to = to,
						 .from_attempt = change->row.attempt};

		to->state = JOB_QUEUED;
		to->attempt = change->row.attempt;
		to->progress = 0;
		to->total_clips = 0;
		to->finished_at = 0;
		to->warnings = strdup("[]");
		snprintf(to->message, sizeof(to->message), "%s",
			 to->source_state == SOURCE_WAITING ? JOB_MESSAGE_WAITING
							    : JOB_MESSAGE_QUEUED);
		memset(&to->error, 0, sizeof(to->error));
		r = to->warnings ? store_job_transition(engine->deps.store, &t) : -ENOMEM;
	}
	lock_acquire(&engine->jobs);
	job->is_moving = false;
	if (r == 0)
		feed_add_locked(engine, to, changed[change->kind]);
	if (r == 0 && change->kind == REQUEUE) {
		job->shown.state = to->state;
		job->shown.attempt = to->attempt;
		job->shown.progress = 0;
		job->shown.total_clips = job->shown.clips_ready = 0;
		job->shown.version = to->version;
		job->shown.updated_at = to->updated_at;
		memcpy(job->shown.message, to->message, sizeof(job->shown.message));
		job_begin_attempt(job, engine_now_ms(engine));
		engine_kill_locked(engine, job);
		queue_remove(&engine->queue, &job->queue);
		engine_enqueue_locked(engine, job, 0);
	} else if (r == 0) {
		engine_drop_locked(engine, job);
		if (!job->slot)
			engine_leave_locked(engine, &change->leaving, to->id);
	}
	lock_release(&engine->jobs);
	free(to->warnings);
	to->warnings = NULL;
	return r;
}

/* @return 0 or a negative errno; *change says what was found and, with 0, followed */
static int settle(struct engine *engine, struct job *job, struct change *change)
	SC_REQUIRES(&engine->commit)
{
	bool is_live;
	int r;

	change->kind = SAME;
	r = store_job_state(engine->deps.store, job->shown.id, &change->row);
	if (r < 0 && r != -ENOENT)
		return r;
	lock_acquire(&engine->jobs);
	is_live = job->is_listed && !job->is_ended;
	if (is_live)
		change->kind = r == -ENOENT ? DELETED : compare(job, &change->row);
	lock_release(&engine->jobs);
	return change->kind == SAME ? 0 : follow(engine, job, change);
}

static void tell(struct engine *engine, struct change *change)
{
	const char *id = change->to.id;

	if (change->kind == DELETED) {
		log_info("job %s: its row was deleted by hand", id);
		joblog_remove(engine, id);
	} else {
		log_info("job %s: set to '%s' by hand", id, change->row.status);
		joblog_write(engine, id, "set to '%s' by hand%s", change->row.status,
			     change->kind == REQUEUE ? ": queued again" : "");
	}
	if (change->leaving.job_id)
		cleanup_ended(engine, id);
	engine_left(engine, &change->leaving);
	engine_notify(engine, id, change->to.version, changed[change->kind]);
}

static int settle_and_tell(struct engine *engine, struct job *job)
{
	struct change change = {0};
	int r;

	lock_acquire(&engine->commit);
	r = settle(engine, job, &change);
	if (r < 0)
		engine->is_checked = false; /* the thread tries again */
	lock_release(&engine->commit);
	if (r == 0 && change.kind != SAME)
		tell(engine, &change);
	return r;
}

void external_settle(struct engine *engine, struct job *job)
{
	settle_and_tell(engine, job);
}

struct row_list {
	struct job_state_row *rows;
	size_t n, cap;
};

static int collect(void *context, const struct job_state_row *row)
{
	struct row_list *list = context;

	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 16;
		struct job_state_row *rows = realloc(list->rows, cap * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		list->rows = rows;
		list->cap = cap;
	}
	list->rows[list->n++] = *row;
	return 0;
}

/* A job that had ended, and whose row somebody changed. */
static int complete_ended(struct engine *engine, const struct job_state_row *row)
{
	auto_snapshot struct job_snapshot was = {0};
	struct leaving leaving = {0};
	struct job_snapshot to;
	int r;

	lock_acquire(&engine->commit);
	if (!engine_try_leave(engine, &leaving, row->id)) {
		lock_release(&engine->commit);
		return 0; /* taken up again meanwhile: the next look is for it */
	}
	r = store_job_get(engine->deps.store, row->id, &was);
	if (r == 0) {
		plan(engine, &was, row->status, &to);
		lock_acquire(&engine->jobs);
		to.version = engine_next_version_locked(engine);
		lock_release(&engine->jobs);
		r = store_job_complete_external(engine->deps.store, row->id, row->status, &to);
		if (r == 0) {
			lock_acquire(&engine->jobs);
			feed_add_locked(engine, &to, changed[ENDED]);
			lock_release(&engine->jobs);
		}
	}
	lock_release(&engine->commit);
	if (r == 0) {
		log_info("job %s: set to '%s' by hand", row->id, row->status);
		joblog_write(engine, row->id, "set to '%s' by hand", row->status);
		cleanup_half_published(engine, row->id);
	}
	engine_left(engine, &leaving);
	if (r == -ENOENT || r == -ESTALE)
		return 0; /* it has gone, or somebody goes on changing it: seen the next time */
	if (r < 0)
		return r;
	engine_notify(engine, row->id, to.version,
		      JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED);
	return 0;
}

int external_check(struct engine *engine)
{
	struct row_list list = {0};
	struct job **jobs = NULL;
	size_t n = 0;
	int r, first = 0;

	r = engine_live_jobs(engine, &jobs, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = settle_and_tell(engine, jobs[i]);
		if (r < 0 && first == 0)
			first = r;
		engine_unref(engine, jobs[i]);
	}
	free(jobs);
	r = store_jobs_external(engine->deps.store, collect, &list);
	for (size_t i = 0; i < list.n && r == 0; i++)
		r = complete_ended(engine, &list.rows[i]);
	free(list.rows);
	return first < 0 ? first : r;
}

void external_settle_id(struct engine *engine, const char *job_id)
{
	struct job *job = engine_find(engine, job_id);
	struct row_list list = {0};
	int r;

	if (job) {
		settle_and_tell(engine, job);
		engine_unref(engine, job);
		return;
	}
	r = store_jobs_external(engine->deps.store, collect, &list);
	for (size_t i = 0; i < list.n && r == 0; i++)
		if (!strcmp(list.rows[i].id, job_id))
			r = complete_ended(engine, &list.rows[i]);
	free(list.rows);
}

/* Look whether somebody has written since the last time, and if so follow. */
static void look(struct engine *engine)
{
	int64_t version;
	bool is_checked;

	hook_reach("external-look");
	lock_acquire(&engine->commit);
	if (store_data_version(engine->deps.store, &version) == 0) {
		engine->is_checked &= version == engine->data_version;
		engine->data_version = version;
	}
	is_checked = engine->is_checked;
	engine->is_checked = true; /* whatever is written from here on is another version */
	lock_release(&engine->commit);
	if (is_checked || external_check(engine) == 0)
		return;
	lock_acquire(&engine->commit);
	engine->is_checked = false;
	lock_release(&engine->commit);
}

/* New times of held uploads go into the rows, behind the mount's back. */
static void save_touched(struct engine *engine)
{
	struct job **jobs = NULL;
	size_t n = 0;

	if (engine_live_jobs(engine, &jobs, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		int64_t mtime_ns;
		bool is_touched;

		lock_acquire(&engine->jobs);
		is_touched = jobs[i]->is_touched;
		mtime_ns = jobs[i]->shown.source_mtime_ns;
		jobs[i]->is_touched = false;
		lock_release(&engine->jobs);
		if (is_touched &&
		    store_job_touched(engine->deps.store, jobs[i]->shown.id, mtime_ns) < 0) {
			lock_acquire(&engine->jobs);
			jobs[i]->is_touched = true;
			lock_release(&engine->jobs);
		}
		engine_unref(engine, jobs[i]);
	}
	free(jobs);
}

void *external_run(void *arg)
{
	struct engine *engine = arg;
	bool is_stopping = false;

	while (!is_stopping) {
		look(engine);
		save_touched(engine);
		lock_acquire(&engine->jobs);
		if (!engine->is_stopping)
			cond_wait_for(&engine->tick, &engine->jobs, LOOK_EVERY_MS);
		is_stopping = engine->is_stopping;
		lock_release(&engine->jobs);
	}
	save_touched(engine);
	return NULL;
}
