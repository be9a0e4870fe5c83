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
#include <sys/syscall.h>
#include <sys/wait.h>

#include "child_process.h"
#include "joblog.h"
#include "runner_child.h"
#include "storyclip/common/log.h"
#include "sweeper.h"

#define STOP_GRACE_MS  2000 /* from SIGTERM to SIGKILL when the engine stops */
#define STUCK_AFTER_MS 5000 /* from SIGKILL to giving up */

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
		until = r->saved_at_ms + RUNNER_SAVE_EVERY_MS;
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
		runner_save_progress(r);
		if (poll(fds, SC_ARRAY_SIZE(fds), wait_ms(r)) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents && read(r->slot->wake_fd, &wakes, sizeof(wakes)) < 0 &&
		    errno != EAGAIN)
			return false;
		if (fds[2].revents) {
			is_open = runner_read_reports(r);
			/* It has closed its end and said nothing final: it has to exit now. */
			if (!is_open && !r->kill_at_ms && !r->is_killed)
				r->kill_at_ms = engine_now_ms(r->engine) + RUNNER_EXIT_GRACE_MS;
		}
		if (fds[3].revents)
			runner_read_said(r);
		if (fds[0].revents)
			break;
	}
	runner_read_last_said(r);
	/* What it wrote before it died is still in the pipe. */
	for (int left = RUNNER_PIPE_BYTES; is_open && !r->failed.err && !r->is_done && left > 0;
	     left -= RUNNER_READ_BYTES) {
		struct pollfd fd = {.fd = r->report_fd, .events = POLLIN};

		if (poll(&fd, 1, 0) <= 0 || !(fd.revents & POLLIN))
			break;
		is_open = runner_read_reports(r);
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
		return error_set(
			e, SC_LIMIT_EXCEEDED,
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
	kill(-r->pid, SIGKILL); /* it may be the wait that has failed */
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
