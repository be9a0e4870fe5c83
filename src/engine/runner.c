/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs in the slot's thread. Whoever wants the child to end says so in the job (state, verdict) or
 * in the engine (stopping) and wakes the slot; the process group may be killed by anybody under
 * engine.jobs while job->pgid is set, which is never longer than until the leader is reaped.
 */
#include "runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "child_process.h"
#include "joblog.h"
#include "storyclip/common/log.h"
#include "sweeper.h"

#define STOP_GRACE_MS  2000 /* from SIGTERM to SIGKILL when the engine stops */
#define EXIT_GRACE_MS  5000 /* from the last report to the exit */
#define STUCK_AFTER_MS 5000 /* from SIGKILL to giving up */
#define SAVE_EVERY_MS  500  /* progress in the database */
#define READ_BYTES     16384
#define SAID_AT_END    65536 /* what a pipe holds: so much may be left of a child that has ended */

struct runner {
	struct engine *engine;
	struct slot *slot;
	struct job *job;
	unsigned int attempt;
	const struct runner_plan *plan;
	char id[JOB_ID_SIZE];

	pid_t pid;
	int pidfd, report_fd;
	int said_fd; /* what the child writes to its standard error; -1 behind its end */
	struct buf lines;
	int64_t saved_at_ms;
	bool is_unsaved; /* the database is behind what is shown */

	bool has_reported;
	bool is_done;          /* REPORT_DONE was read */
	bool is_ended_outside; /* somebody wants it to end */
	bool is_killed;
	struct error failed; /* REPORT_FAILED, or reports without sense */
	int64_t kill_at_ms;  /* 0: not planned */
	int64_t stuck_at_ms;
};

static void runner_finish(struct runner *r)
{
	buf_finish(&r->lines);
	if (r->pidfd >= 0)
		close(r->pidfd);
	if (r->report_fd >= 0)
		close(r->report_fd);
	if (r->said_fd >= 0)
		close(r->said_fd);
}

/* From the child to here; we never wait for it. */
static int make_pipe(int *ret_read_fd, int *ret_write_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read_fd = fds[0];
	*ret_write_fd = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start(struct runner *r, struct error *e)
{
	auto_buf struct buf path = BUF_EMPTY;
	auto_fd int write_fd = -1, said_fd = -1;
	int err;

	buf_printf(&path, "%s/%s", r->engine->deps.helper_dir, r->plan->program);
	if (buf_error(&path))
		return error_from_errno(e, -ENOMEM, "starting %s", r->plan->program);
	err = make_pipe(&r->report_fd, &write_fd);
	if (err == 0)
		err = make_pipe(&r->said_fd, &said_fd);
	if (err < 0)
		return error_from_errno(e, err, "starting %s", r->plan->program);
	const struct spawn_plan plan = {
		.path = path.data,
		.order = r->plan->order->data,
		.order_len = r->plan->order->len,
		.said_fd = said_fd,
		.report_fd = write_fd,
		.fds = {r->plan->fds[0], r->plan->fds[1]},
	};

	err = spawn_child(&plan, &r->pid, &r->pidfd);
	if (err < 0)
		return error_set_errno(e, err, SC_INTERNAL, "cannot start %s: %s", path.data,
				       strerrordesc_np(-err) ? strerrordesc_np(-err) : "?");
	joblog_write_fd(r->engine, r->plan->log_fd, "%s started, pid %ld", r->plan->noun,
			(long)r->pid);
	return 0;
}

static void fail_protocol(struct runner *r, const char *why)
{
	if (r->failed.err)
		return;
	error_set(&r->failed, SC_INTERNAL, "the %s sent a report that makes no sense (%s)",
		  r->plan->noun, why);
	r->is_done = false;
	r->kill_at_ms = engine_now_ms(r->engine);
}

/* A clip counts only if it lies there with the size that was said. */
static bool clip_is_there(const struct runner *r, const struct artifact *clip)
{
	struct stat st;

	return r->plan->clips_fd >= 0 &&
	       fstatat(r->plan->clips_fd, clip->filename, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && st.st_size == clip->size_bytes;
}

/* What a report ends, of the steps of the job. Its first one says that the worker has begun. */
static void lap(struct runner *r, const struct report *report)
{
	struct phases *phases = &r->job->phases;

	if (report->kind == REPORT_DONE)
		phases->sync_us += report->synced_us;
	if (!r->plan->is_worker)
		return;
	if (!r->has_reported)
		phases_lap(phases, PHASE_START);
	r->has_reported = true;
	if (report->kind == REPORT_PLAN)
		phases_lap(phases, PHASE_PROBE);
	else if (report->kind == REPORT_DONE)
		phases_lap(phases, PHASE_CUT);
}

static void log_report(const struct runner *r, const struct report *report)
{
	int fd = r->plan->log_fd;

	switch (report->kind) {
	case REPORT_PHASE:
		joblog_write_said(r->engine, fd, "%d%% %s", report->progress, report->message);
		break;
	case REPORT_PLAN:
		joblog_write_said(r->engine, fd, "%u clips to make", report->total_clips);
		break;
	case REPORT_WARNING:
		joblog_write_said(r->engine, fd, "warning: %s", report->message);
		break;
	case REPORT_LOG:
		joblog_write_said(r->engine, fd, "%s", report->message);
		break;
	case REPORT_FAILED:
		joblog_write_fd(r->engine, fd, "%s reports %s: %s", r->plan->noun,
				sc_code_name(report->code), report->message);
		break;
	case REPORT_CLIP: /* the worker's own line knows more of it */
	case REPORT_PROGRESS:
	case REPORT_DONE:
		break;
	}
}

/* The last report: from here on it only has to exit. */
static void take_last_report(struct runner *r, const struct report *report)
{
	if (report->kind == REPORT_DONE)
		r->is_done = true;
	else if (report->kind == REPORT_FAILED)
		error_set(&r->failed, report->code, "%s", report->message);
	else
		return;
	if (!r->kill_at_ms)
		r->kill_at_ms = engine_now_ms(r->engine) + EXIT_GRACE_MS;
}

/*
 * Now and then the row follows what is shown, and always when the child falls silent, so that a
 * person's SELECT is at most half a second behind. Best effort: memory is what readers see.
 */
static void save_progress(struct runner *r)
{
	struct engine *engine = r->engine;
	int64_t now = engine_now_ms(engine), updated_at;
	char message[ERROR_MESSAGE_SIZE];
	int progress;

	if (!r->is_unsaved || (r->saved_at_ms && now - r->saved_at_ms < SAVE_EVERY_MS))
		return;
	lock_acquire(&engine->jobs);
	progress = r->job->shown.progress;
	updated_at = r->job->shown.updated_at;
	memcpy(message, r->job->shown.message, sizeof(message));
	lock_release(&engine->jobs);
	r->saved_at_ms = now;
	r->is_unsaved = store_job_progress(engine->deps.store, r->id, r->attempt, progress, message,
					   updated_at) < 0;
}

/* Note it in the job, unless the job has moved on without this attempt. */
static int note(struct runner *r, struct report *report)
{
	struct engine *engine = r->engine;
	struct job *job = r->job;
	unsigned int what = 0;
	uint64_t version = 0;
	int err;

	lock_acquire(&engine->jobs);
	if (job->is_ended || job->shown.attempt != r->attempt || job->shown.state != JOB_RUNNING) {
		lock_release(&engine->jobs);
		return 0;
	}
	err = job_note_report(job, report, r->plan->max_progress, engine_now_ms(engine));
	if (err == 0)
		what = engine_show_locked(engine, job, &version);
	lock_release(&engine->jobs);
	if (!what)
		return err;
	engine_notify(engine, r->id, version, what);
	r->is_unsaved = true;
	save_progress(r);
	return 0;
}

static void take_line(struct runner *r, const char *line, size_t len)
{
	auto_report struct report report = {0};
	int err;

	if (r->is_done || r->failed.err)
		return; /* nothing comes after the last one */
	err = report_parse(line, len, &report);
	if (err < 0) {
		fail_protocol(r, err == -ENOMEM ? "no memory" : "cannot be read");
		return;
	}
	if (report.kind == REPORT_CLIP && !clip_is_there(r, &report.artifact)) {
		fail_protocol(r, "a clip that is not there");
		return;
	}
	lap(r, &report);
	log_report(r, &report);
	take_last_report(r, &report);
	err = note(r, &report);
	if (err < 0)
		fail_protocol(r, err == -ENOMEM ? "no memory" : "a clip twice");
}

/* Everything that can be read now. @return false at the end of the pipe */
static bool read_reports(struct runner *r)
{
	char data[READ_BYTES];
	ssize_t n;

	while ((n = read(r->report_fd, data, sizeof(data))) > 0) {
		size_t done = 0;
		char *end;

		buf_add(&r->lines, data, (size_t)n);
		if (buf_error(&r->lines)) {
			fail_protocol(r, "no memory");
			return false;
		}
		while ((end = memchr(r->lines.data + done, '\n', r->lines.len - done))) {
			take_line(r, r->lines.data + done, (size_t)(end - r->lines.data) - done);
			done = (size_t)(end - r->lines.data) + 1;
		}
		buf_drop_front(&r->lines, done);
		if (r->lines.len > PROTO_LINE_MAX) {
			fail_protocol(r, "a line without end");
			return false;
		}
		if ((size_t)n < sizeof(data))
			break; /* so that a child which never stops talking cannot keep us here */
	}
	return n != 0;
}

/*
 * Some of what it says, for its log. It is read on when the log is full, so that the child does not stand
 * still for it. @return whether there may be more at once
 */
static bool read_said(struct runner *r)
{
	char data[READ_BYTES];
	ssize_t n = read(r->said_fd, data, sizeof(data));

	if (n > 0)
		joblog_pass(r->plan->log_fd, data, (size_t)n);
	if (n == 0)
		close(take_fd(&r->said_fd));
	return n > 0;
}

/* What it said before it died. Somebody whom it has started may go on talking: so not for ever. */
static void read_last_said(struct runner *r)
{
	for (int left = SAID_AT_END; left > 0 && r->said_fd >= 0; left -= READ_BYTES)
		if (!read_said(r))
			break;
}

/* What others want of it. */
static void look_around(struct runner *r)
{
	struct engine *engine = r->engine;
	bool is_over, is_stopping;
	int64_t now;

	if (r->is_ended_outside)
		return;
	lock_acquire(&engine->jobs);
	is_over = r->job->is_ended || r->job->verdict.err || r->job->shown.attempt != r->attempt ||
		  r->job->shown.state != JOB_RUNNING;
	is_stopping = engine->is_stopping;
	lock_release(&engine->jobs);
	if (!is_over && !is_stopping)
		return;
	r->is_ended_outside = true;
	now = engine_now_ms(engine);
	r->kill_at_ms = is_over ? now : now + STOP_GRACE_MS;
	if (!is_over)
		kill(-r->pid, SIGTERM);
}

static void kill_group(struct runner *r)
{
	kill(-r->pid, SIGKILL);
	r->is_killed = true;
	r->kill_at_ms = 0;
	if (!r->stuck_at_ms)
		r->stuck_at_ms = engine_now_ms(r->engine) + STUCK_AFTER_MS;
}

static int wait_ms(const struct runner *r)
{
	int64_t now = engine_now_ms(r->engine),
		until = r->kill_at_ms ? r->kill_at_ms : r->stuck_at_ms;

	if (!until && !r->is_unsaved)
		return -1;
	if (!until)
		until = r->saved_at_ms + SAVE_EVERY_MS;
	/* The clock need not be the one that poll(2) goes by: look again from time to time. */
	return until <= now ? 0 : until - now < 200 ? (int)(until - now) : 200;
}

/* @return whether it has exited; false: it cannot be ended */
static bool wait_for_exit(struct runner *r)
{
	bool is_open = true;

	for (;;) {
		struct pollfd fds[4] = {{.fd = r->pidfd, .events = POLLIN},
					{.fd = r->slot->wake_fd, .events = POLLIN},
					{.fd = is_open ? r->report_fd : -1, .events = POLLIN},
					{.fd = r->said_fd, .events = POLLIN}};
		uint64_t wakes;

		look_around(r);
		if (r->kill_at_ms && engine_now_ms(r->engine) >= r->kill_at_ms)
			kill_group(r);
		if (r->stuck_at_ms && engine_now_ms(r->engine) >= r->stuck_at_ms)
			return false;
		save_progress(r);
		if (poll(fds, SC_ARRAY_SIZE(fds), wait_ms(r)) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents && read(r->slot->wake_fd, &wakes, sizeof(wakes)) < 0 &&
		    errno != EAGAIN)
			return false;
		if (fds[2].revents) {
			is_open = read_reports(r);
			/* It has closed its end and said nothing final: it has to exit now. */
			if (!is_open && !r->kill_at_ms && !r->is_killed)
				r->kill_at_ms = engine_now_ms(r->engine) + EXIT_GRACE_MS;
		}
		if (fds[3].revents)
			read_said(r);
		if (fds[0].revents)
			break;
	}
	read_last_said(r);
	/* What it wrote before it died is still in the pipe. */
	while (is_open && !r->failed.err && !r->is_done) {
		size_t before = r->lines.len;
		struct pollfd fd = {.fd = r->report_fd, .events = POLLIN};

		if (poll(&fd, 1, 0) <= 0 || !(fd.revents & POLLIN))
			break;
		is_open = read_reports(r);
		if (r->lines.len == before && !is_open)
			break;
	}
	return true;
}

static void say_status(const siginfo_t *info, char *out, size_t size)
{
	if (info->si_code == CLD_EXITED) {
		snprintf(out, size, "exit status %d", info->si_status);
	} else {
		const char *name = sigdescr_np(info->si_status);

		snprintf(out, size, "signal %d (%s)", info->si_status, name ? name : "unknown");
	}
}

/* It has ended: what does that mean? */
static int judge(struct runner *r, const siginfo_t *info, double cpu_seconds, struct error *e)
{
	bool is_clean = info->si_code == CLD_EXITED && info->si_status == 0;
	char status[64];

	say_status(info, status, sizeof(status));
	joblog_write_fd(r->engine, r->plan->log_fd, "%s ended: %s", r->plan->noun, status);
	if (r->is_done && (is_clean || r->is_killed))
		return 0; /* what it was killed for after its last report changes nothing of its
			     work */
	if (r->is_ended_outside)
		return -ECANCELED;
	if (r->failed.err)
		return error_set(e, r->failed.code, "%s", r->failed.message);
	if (is_clean)
		return error_set(e, SC_WORKER_CRASHED, "%s ended without having reported its end",
				 r->plan->noun);
	/* The worker's own limit (src/worker/lock_in.c), so it would meet it again. */
	if (info->si_code == CLD_KILLED && info->si_status == SIGXCPU)
		return error_set(e, SC_LIMIT_EXCEEDED,
				 "%s has used all the processor time that a video of this size gets, "
				 "%.0f s",
				 r->plan->noun, cpu_seconds);
	return error_set(e, SC_WORKER_CRASHED, "%s crashed: %s", r->plan->noun, status);
}

static void set_pgid(struct runner *r, pid_t pgid)
{
	struct engine *engine = r->engine;

	lock_acquire(&engine->jobs);
	r->job->pgid = pgid;
	if (pgid)
		job_begin_child(r->job, engine_now_ms(engine));
	lock_release(&engine->jobs);
}

static int give_up(struct runner *r, struct error *e)
{
	log_warning("Watchdog: job %s: the kernel cannot end its %s, pid %ld; going on without it",
		    r->id, r->plan->noun, (long)r->pid);
	joblog_write_fd(r->engine, r->plan->log_fd, "the kernel cannot end pid %ld", (long)r->pid);
	sweeper_add_stuck(r->engine, r->pid, take_fd(&r->pidfd), r->id, r->attempt);
	if (r->is_ended_outside)
		return -ECANCELED;
	if (r->failed.err)
		return error_set(e, r->failed.code, "%s", r->failed.message);
	return error_set(e, SC_WORKER_CRASHED, "%s cannot be ended", r->plan->noun);
}

int runner_run(struct slot *slot, struct job *job, unsigned int attempt,
	       const struct runner_plan *plan, struct error *e, bool *ret_is_stuck)
{
	struct runner r = {.engine = slot->engine,
			   .slot = slot,
			   .job = job,
			   .attempt = attempt,
			   .plan = plan,
			   .pidfd = -1,
			   .report_fd = -1,
			   .said_fd = -1};
	struct rusage used = {0};
	siginfo_t info = {0};
	bool has_exited;
	int err;

	memcpy(r.id, job->shown.id, sizeof(r.id));
	err = start(&r, e);
	if (err < 0) {
		runner_finish(&r);
		return err;
	}
	set_pgid(&r, r.pid);
	has_exited = wait_for_exit(&r);
	/* Not to be signalled any more: after the reaping the number may be somebody else's. */
	set_pgid(&r, 0);
	if (!has_exited) {
		err = give_up(&r, e);
		*ret_is_stuck = true;
		runner_finish(&r);
		return err;
	}
	kill(-r.pid, SIGKILL); /* whatever it has started itself */
	/* libc's waitid(3) hides what the kernel also tells: how much it has used. */
	while (syscall(SYS_waitid, P_PID, (id_t)r.pid, &info, WEXITED, &used) < 0 && errno == EINTR)
		;
	if (plan->is_worker)
		phases_lap(&job->phases, PHASE_EXIT);
	err = judge(&r, &info,
		    (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
		    e);
	runner_finish(&r);
	return err;
}
