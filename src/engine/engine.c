/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine as a whole: made, started, stopped; and the small steps that its files share. */
#include "storyclip/engine.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "attempt.h"
#include "external.h"
#include "helper.h"
#include "recover.h"
#include "retention.h"
#include "state.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "sweeper.h"
#include "watchdog.h"

#define LET_GO_MS 8000 /* longer than a slot needs to end a process or to give it up */

void engine_notify(struct engine *engine, const char *job_id, uint64_t version, unsigned int what)
{
	const struct engine_listener *listener = &engine->deps.listener;

	/* Before the engine is handed out nobody can have seen anything. */
	if (engine->is_created && listener->job_changed)
		listener->job_changed(listener->context, job_id, version, what);
	/* In this order: what the feed hands out was told of before. */
	if (feed_told(engine, job_id, version) && listener->feed_grew)
		listener->feed_grew(listener->context);
}

bool engine_is_stopping(struct engine *engine)
{
	bool is_stopping;

	lock_acquire(&engine->jobs);
	is_stopping = engine->is_stopping;
	lock_release(&engine->jobs);
	return is_stopping;
}

unsigned int engine_show_locked(struct engine *engine, struct job *job, uint64_t *ret_version)
{
	unsigned int what = job_show(job, engine->version + 1, engine_wall_ms(engine));

	if (what) {
		*ret_version = engine_next_version_locked(engine);
		feed_add_locked(engine, &job->shown, what);
	}
	return what;
}

void engine_enqueue_locked(struct engine *engine, struct job *job, int64_t delay_ms)
{
	job->queue.not_before_ms = delay_ms > 0 ? engine_now_ms(engine) + delay_ms : 0;
	job->queue.is_ready = job->shown.source_state != SOURCE_WAITING || job->verdict.err;
	queue_add(&engine->queue, &job->queue);
	/* Also for one that has to wait: whoever sleeps must know until when. */
	cond_signal(&engine->runnable);
}

void engine_wake_locked(struct engine *engine, struct job *job)
{
	const uint64_t one = 1;

	/* It can only fail because it was woken 2^64 times. */
	if (job->slot && write(job->slot->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void engine_kill_locked(struct engine *engine, struct job *job)
{
	if (job->pgid > 0)
		kill(-job->pgid, SIGKILL);
	engine_wake_locked(engine, job);
}

void engine_drop_locked(struct engine *engine, struct job *job)
{
	job->is_ended = true;
	engine_kill_locked(engine, job);
	queue_remove(&engine->queue, &job->queue);
	job_table_remove(&engine->live, job);
}

struct job *engine_find(struct engine *engine, const char *job_id)
{
	struct job *job;

	lock_acquire(&engine->jobs);
	job = job_table_find(&engine->live, job_id);
	if (job)
		job_ref(job);
	lock_release(&engine->jobs);
	return job;
}

void engine_unref(struct engine *engine, struct job *job)
{
	lock_acquire(&engine->jobs);
	job_unref(job);
	lock_release(&engine->jobs);
}

int engine_live_jobs(struct engine *engine, struct job ***ret, size_t *ret_n)
{
	struct job **jobs;
	size_t n = 0;

	lock_acquire(&engine->jobs);
	jobs = calloc(engine->live.n + 1, sizeof(*jobs));
	for (struct job *job = jobs ? engine->live.first : NULL; job; job = job->next)
		if (job->is_listed)
			jobs[n++] = job_ref(job);
	lock_release(&engine->jobs);
	if (!jobs)
		return -ENOMEM;
	*ret = jobs;
	*ret_n = n;
	return 0;
}

void engine_leave_locked(struct engine *engine, struct leaving *leaving, const char *job_id)
{
	leaving->job_id = job_id;
	leaving->next = engine->leaving;
	engine->leaving = leaving;
}

bool engine_try_leave(struct engine *engine, struct leaving *leaving, const char *job_id)
{
	bool is_live;

	lock_acquire(&engine->jobs);
	is_live = job_table_find(&engine->live, job_id) != NULL;
	if (!is_live)
		engine_leave_locked(engine, leaving, job_id);
	lock_release(&engine->jobs);
	return !is_live;
}

void engine_left(struct engine *engine, struct leaving *leaving)
{
	struct leaving **p;

	if (!leaving->job_id)
		return;
	lock_acquire(&engine->jobs);
	for (p = &engine->leaving; *p != leaving; p = &(*p)->next)
		;
	*p = leaving->next;
	cond_broadcast(&engine->left);
	lock_release(&engine->jobs);
}

bool engine_is_held_locked(struct engine *engine, const char *job_id)
{
	for (const struct leaving *l = engine->leaving; l; l = l->next)
		if (!strcmp(l->job_id, job_id))
			return true;
	for (unsigned int i = 0; i < engine->n_slots; i++)
		if (engine->slots[i].job && !strcmp(engine->slots[i].job->shown.id, job_id))
			return true;
	return false;
}

bool engine_wait_let_go_locked(struct engine *engine, const char *job_id)
{
	int64_t until = clock_monotonic_ms(&clock_system) + LET_GO_MS;
	bool is_busy;

	while ((is_busy = engine_is_held_locked(engine, job_id))) {
		int64_t left = until - clock_monotonic_ms(&clock_system);

		if (left <= 0 || engine->is_stopping)
			break;
		cond_wait_for(&engine->left, &engine->jobs, left);
	}
	return !is_busy;
}

bool engine_wait_let_go(struct engine *engine, const char *job_id)
{
	bool is_free;

	lock_acquire(&engine->jobs);
	is_free = !engine_is_held_locked(engine, job_id);
	lock_release(&engine->jobs);
	if (is_free)
		return true;
	hook_reach("engine-waits");
	lock_acquire(&engine->jobs);
	is_free = engine_wait_let_go_locked(engine, job_id);
	lock_release(&engine->jobs);
	return is_free;
}

/* ---- made and started ---- */

static int open_dir(const char *path, const char *what, struct error *e, int *ret_fd)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_from_errno(e, -errno, "opening %s '%s'", what, path);
	*ret_fd = fd;
	return 0;
}

static int open_hold(struct engine *engine, struct error *e)
{
	const char *parent = engine->deps.settings->upload_tmp_dir;
	int fd, r;

	r = open_dir(parent, "UPLOAD_TMP_DIR", e, &engine->uploads_fd);
	if (r < 0)
		return r;
	fd = engine->uploads_fd;
	if (mkdirat(fd, ENGINE_HOLD_DIR, 0700) < 0 && errno != EEXIST)
		return error_from_errno(e, -errno, "making '%s/" ENGINE_HOLD_DIR "'", parent);
	engine->hold_fd =
		openat(fd, ENGINE_HOLD_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (engine->hold_fd < 0)
		return error_from_errno(e, -errno, "opening '%s/" ENGINE_HOLD_DIR "'", parent);
	return 0;
}

static int open_logs(struct engine *engine, struct error *e)
{
	auto_free char *database = strdup(engine->deps.settings->database), *path = NULL;
	int r;

	if (!database || asprintf(&path, "%s/logs", dirname(database)) < 0)
		return error_from_errno(e, -ENOMEM, "opening the directory of logs");
	r = file_make_dirs(path, 0700);
	if (r < 0)
		return error_from_errno(e, r, "making '%s'", path);
	return open_dir(path, "the directory of logs", e, &engine->logs_fd);
}

static int open_dirs(struct engine *engine, struct error *e)
{
	const struct settings *settings = engine->deps.settings;
	int r;

	r = open_hold(engine, e);
	if (r == 0)
		r = open_dir(settings->process_work_dir, "PROCESS_WORK_DIR", e, &engine->work_fd);
	if (r == 0)
		r = open_dir(settings->output_root, "OUTPUT_ROOT", e, &engine->output_fd);
	return r < 0 ? r : open_logs(engine, e);
}

static int make_slots(struct engine *engine, struct error *e)
{
	unsigned int n = engine->deps.settings->workers;

	engine->slots = calloc(n, sizeof(*engine->slots));
	if (!engine->slots)
		return error_from_errno(e, -ENOMEM, "making %u workers", n);
	for (; engine->n_slots < n; engine->n_slots++) {
		struct slot *slot = &engine->slots[engine->n_slots];

		slot->engine = engine;
		slot->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (slot->wake_fd < 0)
			return error_from_errno(e, -errno, "making %u workers", n);
	}
	return 0;
}

int engine_create(const struct engine_deps *deps, struct error *e, struct engine **ret)
{
	auto_of(engine) struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return error_from_errno(e, -ENOMEM, "making the engine");
	engine->deps = *deps;
	engine->uploads_fd = engine->hold_fd = engine->work_fd = engine->output_fd =
		engine->logs_fd = -1;
	lock_init(&engine->commit);
	lock_init(&engine->jobs);
	cond_init(&engine->runnable);
	cond_init(&engine->left);
	cond_init(&engine->tick);
	feed_init(&engine->feed);
	r = open_dirs(engine, e);
	if (r == 0)
		r = make_slots(engine, e);
	if (r == 0)
		r = recover(engine, e);
	if (r < 0)
		return r;
	engine->is_created = true;
	*ret = take_ptr(engine);
	return 0;
}

static void *slot_run(void *arg)
{
	struct slot *slot = arg;
	struct job *job;

	while ((job = attempt_next_job(slot))) {
		attempt_run(slot, job);
		attempt_release_job(slot, job);
	}
	return NULL;
}

static int start_threads(struct engine *engine)
{
	int r;

	r = helper_start(&engine->watchdog, "watchdog", watchdog_run, engine);
	if (r == 0)
		r = helper_start(&engine->external, "external", external_run, engine);
	if (r == 0)
		r = helper_start(&engine->sweeper, "sweeper", sweeper_run, engine);
	if (r == 0)
		retention_begin(engine);
	if (r == 0 && retention_is_wanted(engine))
		r = helper_start(&engine->retention, "retention", retention_run, engine);
	for (unsigned int i = 0; i < engine->n_slots && r == 0; i++) {
		struct slot *slot = &engine->slots[i];
		char name[16];

		snprintf(name, sizeof(name), "slot-%u", (i + 1) % 100000);
		r = thread_start(&slot->thread, name, slot_run, slot);
		slot->is_started = r == 0;
	}
	return r;
}

int engine_start(struct engine *engine, struct error *e)
{
	int r = start_threads(engine);

	if (r < 0)
		return error_from_errno(e, r, "starting the engine's threads");
	return 0;
}

/* ---- stopped ---- */

void engine_stop(struct engine *engine)
{
	bool was_stopping;

	lock_acquire(&engine->jobs);
	was_stopping = engine->is_stopping;
	engine->is_stopping = true;
	lock_release(&engine->jobs);
	if (!was_stopping)
		hook_reach("engine-stopping");
	lock_acquire(&engine->jobs);
	cond_broadcast(&engine->runnable);
	cond_broadcast(&engine->left);
	cond_broadcast(&engine->tick);
	for (unsigned int i = 0; i < engine->n_slots; i++)
		if (engine->slots[i].job)
			engine_wake_locked(engine, engine->slots[i].job);
	lock_release(&engine->jobs);
	for (unsigned int i = 0; i < engine->n_slots; i++) {
		if (engine->slots[i].is_started)
			pthread_join(engine->slots[i].thread, NULL);
		engine->slots[i].is_started = false;
	}
	helper_join(&engine->watchdog);
	helper_join(&engine->external);
	helper_join(&engine->sweeper);
	helper_join(&engine->retention);
}

void engine_destroy(struct engine *engine)
{
	if (!engine)
		return;
	engine_stop(engine);
	while (engine->live.first) {
		struct job *job = engine->live.first;

		queue_remove(&engine->queue, &job->queue);
		job_table_remove(&engine->live, job);
	}
	sweeper_finish(engine);
	job_snapshot_finish(&engine->ended);
	feed_finish(&engine->feed);
	for (unsigned int i = 0; i < engine->n_slots; i++)
		close(engine->slots[i].wake_fd);
	free(engine->slots);
	const int fds[] = {engine->uploads_fd, engine->hold_fd, engine->work_fd, engine->output_fd,
			   engine->logs_fd};

	for (size_t i = 0; i < SC_ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	cond_finish(&engine->tick);
	cond_finish(&engine->left);
	cond_finish(&engine->runnable);
	lock_finish(&engine->jobs);
	lock_finish(&engine->commit);
	free(engine);
}
