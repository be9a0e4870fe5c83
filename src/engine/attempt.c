/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One attempt, in the thread of a slot: claim → work directory → worker → publisher → done.
 *
 * Whoever else ends the job meanwhile (cancel, watchdog, a person, the stop) only moves its row and
 * kills the process; the slot notices and clears away. Nothing here is kept for the next attempt:
 * that begins from the held upload, in a directory of its own.
 */
#include "attempt.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "hold.h"
#include "joblog.h"
#include "runner.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"

#define CLIPS_DIR              "clips"
#define MAX_PROGRESS_WORKER    94 /* 95 is the publisher's */
#define MAX_PROGRESS_PUBLISHER 99
#define PROGRESS_PREPARED 10
#define PROGRESS_PUBLISHING    95
#define TIMES_WAIT_MS          300
#define CLAIM_RETRY_MS         1000 /* the database could not be written */

struct attempt {
	struct engine *engine;
	struct slot *slot;
	struct job *job;
	char id[JOB_ID_SIZE];
	unsigned int number;
	char work_name[ATTEMPT_NAME_SIZE];
	int work_fd, clips_fd, source_fd, log_fd;
	bool is_stuck; /* a child that cannot be ended: the sweeper clears away when it goes */
};

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
			engine->n_busy++;
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
	engine->n_busy--;
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

static int make_dir(int dir_fd, const char *name, mode_t mode, int *ret_fd)
{
	int fd;

	if (mkdirat(dir_fd, name, mode) < 0)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return fchmod(fd, mode) < 0 ? -errno : 0; /* not what the umask makes of it */
}

/* Whether the file is as the job knows it. Under engine.jobs, which guards what it knows. */
static bool is_as_accepted(const struct job *job, const struct stat *st)
{
	return st->st_size == job->shown.source_size &&
	       (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec ==
		       job->shown.source_mtime_ns;
}

/* The held upload must still be what was accepted: nobody may have written it behind the mount. */
static int check_source(struct attempt *a, struct error *e)
{
	struct engine *engine = a->engine;
	int64_t size, until = clock_monotonic_ms(&clock_system) + TIMES_WAIT_MS, left = TIMES_WAIT_MS;
	bool is_well;
	struct stat st;

	if (fstat(a->source_fd, &st) < 0)
		return error_from_errno(e, -errno, "looking at the held upload");
	lock_acquire(&engine->jobs);
	/* Times that are set through the mount are there before we are told: wait for that. */
	while (!(is_well = is_as_accepted(a->job, &st)) &&
	       st.st_size == a->job->shown.source_size && left > 0) {
		cond_wait_for(&engine->left, &engine->jobs, left);
		left = until - clock_monotonic_ms(&clock_system);
	}
	size = a->job->shown.source_size;
	lock_release(&engine->jobs);
	/* Through the mount none can be; behind it whoever may write there decides. */
	if (is_well && engine->deps.settings->max_upload_size &&
	    st.st_size > engine->deps.settings->max_upload_size)
		return error_set(e, SC_LIMIT_EXCEEDED,
				 "upload '%s' has %lld bytes, max_upload_size allows %lld",
				 a->job->shown.upload_id, (long long)st.st_size,
				 (long long)engine->deps.settings->max_upload_size);
	if (is_well)
		return 0;
	return error_set(
		e, SC_UPLOAD_CHANGED,
		"upload '%s' was changed behind the mount after it was accepted (%lld bytes, "
		"now %lld); copy it again",
		a->job->shown.upload_id, (long long)size, (long long)st.st_size);
}

/* Said by the engine itself, so that it is true also of a child that never says a word. */
static void show_phase(struct attempt *a, int progress, const char *message, int max_progress)
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

/* By a child, which can be ended when a disk no longer answers. */
static int run_copier(struct attempt *a, struct error *e)
{
	struct publish_order order = {.is_hold = true, .attempt = a->number,
				      .owner_uid = (uid_t)-1, .owner_gid = (gid_t)-1};
	auto_buf struct buf text = BUF_EMPTY;
	const struct runner_plan plan = {
		.program = "storyclip-publish",
		.noun = "copier",
		.order = &text,
		.fds = {a->source_fd, a->engine->hold_fd},
		.log_fd = a->log_fd,
		.max_progress = PROGRESS_PREPARED - 1,
		.clips_fd = -1,
	};
	int r;

	memcpy(order.job_id, a->id, sizeof(order.job_id));
	r = publish_order_encode(&order, &text);
	if (r < 0)
		return error_from_errno(e, r, "writing the copier's order");
	return runner_run(a->slot, a->job, a->number, &plan, e, &a->is_stuck);
}

/* Where no hard link can be made: only now are the job's bytes its own. */
static int copy_upload(struct attempt *a, struct error *e)
{
	struct engine *engine = a->engine;
	int64_t mtime_ns;
	int fd, r;

	lock_acquire(&engine->jobs);
	if (a->job->source_fd >= 0)
		a->source_fd = fcntl(a->job->source_fd, F_DUPFD_CLOEXEC, 3);
	lock_release(&engine->jobs);
	if (a->source_fd < 0)
		return error_set(e, SC_UPLOAD_CHANGED,
				 "upload '%s' was removed or renamed before it could be copied; copy it "
				 "again",
				 a->job->shown.upload_id);
	r = check_source(a, e);
	if (r == 0)
		r = run_copier(a, e);
	if (r == 0)
		r = check_source(a, e);
	if (r < 0)
		return r;
	lock_acquire(&engine->jobs);
	mtime_ns = a->job->shown.source_mtime_ns;
	a->job->is_held = true; /* from here on new times of the upload are not the job's */
	fd = a->job->source_fd;
	a->job->source_fd = -1;
	lock_release(&engine->jobs);
	r = hold_copied(engine, a->id, mtime_ns);
	if (r < 0) {
		lock_acquire(&engine->jobs);
		a->job->is_held = false;
		a->job->source_fd = fd;
		lock_release(&engine->jobs);
		return error_from_errno(e, r, "holding the copy of the upload");
	}
	close(fd);
	close(take_fd(&a->source_fd));
	show_phase(a, PROGRESS_PREPARED, JOB_MESSAGE_PREPARED, PROGRESS_PREPARED);
	return 0;
}

static bool needs_copy(struct attempt *a)
{
	bool needs_copy;

	lock_acquire(&a->engine->jobs);
	needs_copy = job_needs_copy(a->job);
	lock_release(&a->engine->jobs);
	return needs_copy;
}

static int prepare(struct attempt *a, struct error *e)
{
	int r;

	a->log_fd = joblog_open(a->engine, a->id);
	if (a->log_fd < 0) {
		log_error_with(a->log_fd, "job %s: opening its log", a->id);
		a->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	}
	if (a->log_fd < 0)
		return error_from_errno(e, -errno, "opening /dev/null");
	joblog_write_fd(a->engine, a->log_fd, "attempt %u started", a->number);
	r = make_dir(a->engine->work_fd, a->work_name, 0700, &a->work_fd);
	if (r == 0)
		r = make_dir(a->work_fd, CLIPS_DIR, 0755, &a->clips_fd);
	if (r < 0)
		return error_from_errno(e, r, "making work/%s", a->work_name);
	if (needs_copy(a)) {
		phases_lap(&a->job->phases, PHASE_PREPARE);
		r = copy_upload(a, e);
		phases_lap(&a->job->phases, PHASE_COPY);
	}
	if (r < 0)
		return r;
	r = hold_open(a->engine, a->id, &a->source_fd);
	if (r < 0)
		return error_from_errno(e, r, "opening the held upload");
	return check_source(a, e);
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
	return check_source(a, e);
}

/* From the mark on, OUTPUT_ROOT/<id> is ours to remove; so it must not be somebody else's now. */
static int mark_publishing(struct attempt *a, struct error *e)
{
	int64_t begun_us = clock_precise_us();
	struct stat st;
	int r;

	/* Of an earlier attempt, whose removal has failed? */
	if (fstatat(a->engine->output_fd, a->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		cleanup_half_published(a->engine, a->id);
	if (fstatat(a->engine->output_fd, a->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(e, SC_IO_ERROR, "OUTPUT_ROOT/%s is there already, and not ours",
				 a->id);
	r = store_job_publishing(a->engine->deps.store, a->id, a->number);
	a->job->phases.sync_us += clock_precise_us() - begun_us;
	phases_lap(&a->job->phases, PHASE_MARK);
	if (r == -ESTALE)
		return -ECANCELED; /* somebody has ended the job; the slot will see who */
	return r < 0 ? error_from_errno(e, r, "noting that the clips are being published") : 0;
}

static int count_clips(struct attempt *a, struct error *e)
{
	bool has_clips;

	lock_acquire(&a->engine->jobs);
	has_clips = a->job->n_clips > 0;
	lock_release(&a->engine->jobs);
	return has_clips ? 0
			 : error_set(e, SC_INTERNAL, "the worker says done, but has made no clip");
}

static int publish(struct attempt *a, struct error *e)
{
	const struct settings *settings = a->engine->deps.settings;
	/* Under root the clips are those of the worker's own uid, which nobody must get. */
	const bool is_root = geteuid() == 0;
	const struct publish_order order = {
		.attempt = a->number,
		.owner_uid = settings->has_output_owner ? settings->output_uid
			     : is_root			? 0
							: (uid_t)-1,
		.owner_gid = settings->has_output_owner ? settings->output_gid
			     : is_root			? 0
							: (gid_t)-1,
	};
	struct publish_order with_id = order;
	auto_buf struct buf text = BUF_EMPTY;
	const struct runner_plan plan = {
		.program = "storyclip-publish",
		.noun = "publisher",
		.order = &text,
		.fds = {a->work_fd, a->engine->output_fd},
		.log_fd = a->log_fd,
		.max_progress = MAX_PROGRESS_PUBLISHER,
		.clips_fd = -1,
	};
	int r;

	hook_reach("engine-before-publish");
	r = count_clips(a, e);
	if (r < 0)
		return r;
	if (engine_is_stopping(a->engine))
		return -ECANCELED;
	memcpy(with_id.job_id, a->id, sizeof(with_id.job_id));
	r = publish_order_encode(&with_id, &text);
	if (r < 0)
		return error_from_errno(e, r, "writing the publisher's order");
	r = mark_publishing(a, e);
	if (r < 0)
		return r;
	show_phase(a, PROGRESS_PUBLISHING, JOB_MESSAGE_PUBLISHING, MAX_PROGRESS_PUBLISHER);
	r = runner_run(a->slot, a->job, a->number, &plan, e, &a->is_stuck);
	phases_lap(&a->job->phases, PHASE_PUBLISH);
	if (r < 0 && e->code == SC_JOB_EXISTS) {
		/* Somebody has made that directory since we looked: it is not ours. */
		store_job_unpublished(a->engine->deps.store, a->id);
		e->code = SC_IO_ERROR;
	}
	if (r < 0)
		return r;
	joblog_write_fd(a->engine, a->log_fd, "published");
	hook_reach("engine-published");
	r = engine_move_surely(a->engine, a->job, a->number,
			       &(struct move){.to = JOB_DONE, .is_of_attempt = true});
	if (r < 0)
		return -ECANCELED; /* cancelled, stalled, changed by hand, or stopping */
	hook_reach("engine-done");
	return 0;
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
		r = prepare(&a, &e);
		phases_lap(&job->phases, PHASE_PREPARE);
		if (r == 0)
			r = cut(&a, &e);
		if (r == 0)
			r = publish(&a, &e);
		clear_away(&a);
		if (r < 0)
			decide(&a, r, &e);
	}
	if (has_ended(&a))
		hold_drop(a.engine, a.id);
	attempt_finish(&a);
}
