/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a child reports and says: into the job, its log, now and then its row. The slot's thread. */
#include "runner_child.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "joblog.h"

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
		r->kill_at_ms = engine_now_ms(r->engine) + RUNNER_EXIT_GRACE_MS;
}

void runner_save_progress(struct runner *r)
{
	struct engine *engine = r->engine;
	int64_t now = engine_now_ms(engine), updated_at;
	char message[ERROR_MESSAGE_SIZE];
	int progress;

	if (!r->is_unsaved || (r->saved_at_ms && now - r->saved_at_ms < RUNNER_SAVE_EVERY_MS))
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
	runner_save_progress(r);
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

bool runner_read_reports(struct runner *r)
{
	char data[RUNNER_READ_BYTES];
	ssize_t n = read(r->report_fd, data, sizeof(data));
	size_t done = 0;
	char *end;

	if (n <= 0)
		return n != 0;
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
	return true;
}

bool runner_read_said(struct runner *r)
{
	char data[RUNNER_READ_BYTES];
	ssize_t n = read(r->said_fd, data, sizeof(data));

	if (n > 0)
		joblog_pass(r->plan->log_fd, data, (size_t)n);
	if (n == 0)
		close(take_fd(&r->said_fd));
	return n > 0;
}

void runner_read_last_said(struct runner *r)
{
	for (int left = RUNNER_PIPE_BYTES; left > 0 && r->said_fd >= 0; left -= RUNNER_READ_BYTES)
		if (!runner_read_said(r))
			break;
}
