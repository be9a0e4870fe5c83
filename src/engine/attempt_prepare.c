/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first step of an attempt: its directories, and the bytes that it will read. */
#include "attempt_steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hold.h"
#include "joblog.h"
#include "runner.h"
#include "storyclip/common/log.h"

#define CLIPS_DIR         "clips"
#define PROGRESS_PREPARED 10
#define TIMES_WAIT_MS     300

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

int attempt_check_source(struct attempt *a, struct error *e)
{
	struct engine *engine = a->engine;
	int64_t size, until = clock_monotonic_ms(&clock_system) + TIMES_WAIT_MS,
		      left = TIMES_WAIT_MS;
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

/* By a child, which can be ended when a disk no longer answers. */
static int run_copier(struct attempt *a, struct error *e)
{
	struct publish_order order = {.is_hold = true,
				      .attempt = a->number,
				      .owner_uid = (uid_t)-1,
				      .owner_gid = (gid_t)-1};
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
		return error_set(
			e, SC_UPLOAD_CHANGED,
			"upload '%s' was removed or renamed before it could be copied; copy it "
			"again",
			a->job->shown.upload_id);
	r = attempt_check_source(a, e);
	if (r == 0)
		r = run_copier(a, e);
	if (r == 0)
		r = attempt_check_source(a, e);
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
	attempt_show_phase(a, PROGRESS_PREPARED, JOB_MESSAGE_PREPARED, PROGRESS_PREPARED);
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

int attempt_prepare(struct attempt *a, struct error *e)
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
	return attempt_check_source(a, e);
}
