/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of one job, INTERFACE.md "A job's life". Pure functions, any thread. */
#include <inttypes.h>
#include <string.h>

#include "storyclip/common/clock.h"
#include "storyclip/view.h"

static void add_key(struct buf *out, const char *key)
{
	buf_printf(out, ",\"%s\":", key);
}

static void add_text(struct buf *out, const char *key, const char *value)
{
	add_key(out, key);
	view_json_string(out, value ? value : "");
}

static void add_number(struct buf *out, const char *key, int64_t value)
{
	add_key(out, key);
	buf_printf(out, "%" PRId64, value);
}

static void add_null(struct buf *out, const char *key)
{
	add_key(out, key);
	buf_add_str(out, "null");
}

static void add_time(struct buf *out, const char *key, int64_t wall_ms)
{
	char text[CLOCK_UTC_SIZE];

	if (!wall_ms) {
		add_null(out, key);
		return;
	}
	clock_format_utc(wall_ms, text);
	add_key(out, key);
	buf_printf(out, "\"%s\"", text);
}

/* value / 10^digits as a decimal number, at least min_digits behind the point, no zeros beyond. */
static void add_decimal(struct buf *out, const char *key, int64_t value, int digits, int min_digits)
{
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	uint64_t unit = 1;

	for (int i = 0; i < digits; i++)
		unit *= 10;
	add_key(out, key);
	buf_printf(out, "%s%" PRIu64, value < 0 ? "-" : "", rest / unit);
	rest %= unit;
	for (int i = 0; i < digits && (rest || i < min_digits); i++) {
		unit /= 10;
		buf_printf(out, "%s%" PRIu64, i ? "" : ".", rest / unit);
		rest %= unit;
	}
}

/* The clip's name without its extension. */
static void add_clip_id(struct buf *out, const struct artifact *a)
{
	const char *dot = strrchr(a->filename, '.');
	size_t len = dot ? (size_t)(dot - a->filename) : strlen(a->filename);

	buf_printf(out, "{\"id\":\"%.*s\"", (int)len, a->filename);
}

static void add_clip_url(struct buf *out, const struct job_snapshot *job, const char *cdn_base,
			 const struct artifact *a)
{
	auto_buf struct buf url = BUF_EMPTY;

	clip_url(&url, cdn_base, job->id, a->filename);
	if (buf_error(&url) < 0)
		out->is_failed = true;
	else
		view_json_string(out, url.data);
}

static void add_artifact(struct buf *out, const struct job_snapshot *job, const char *cdn_base,
			 const struct artifact *a)
{
	add_clip_id(out, a);
	add_key(out, "url");
	add_clip_url(out, job, cdn_base, a);
	add_text(out, "type", a->is_audio ? "audio" : "video");
	add_text(out, "format", a->is_audio ? "m4a" : "mp4");
	add_text(out, "filename", a->filename);
	add_number(out, "size", a->size_bytes);
	add_decimal(out, "start", a->start_us, 6, 1);
	add_decimal(out, "duration", a->duration_us, 6, 1);
	add_text(out, "method", clip_method_name(a->method));
	add_decimal(out, "hiddenHeadMs", a->hidden_head_us, 3, 0);
	add_decimal(out, "hiddenTailMs", a->hidden_tail_us, 3, 0);
	add_number(out, "hiddenBytes", a->hidden_bytes);
	add_key(out, "dropped");
	buf_add_str(out, a->dropped ? a->dropped : "[]");
	if (a->is_deleted) {
		add_key(out, "deleted");
		buf_add_str(out, "true");
	}
	buf_add_str(out, "}");
}

/* result and outputs: only of a job that is done. */
static void add_results(struct buf *out, const struct job_snapshot *job, const char *cdn_base)
{
	bool is_first = true;

	if (job->state != JOB_DONE) {
		add_null(out, "result");
		add_key(out, "outputs");
		buf_add_str(out, "[]");
		return;
	}
	add_key(out, "result");
	buf_add_str(out, "{\"artifacts\":[");
	for (size_t i = 0; i < job->n_artifacts; i++) {
		buf_add_str(out, i ? "," : "");
		add_artifact(out, job, cdn_base, &job->artifacts[i]);
	}
	buf_add_str(out, "]}");
	add_key(out, "outputs");
	buf_add_str(out, "[");
	for (size_t i = 0; i < job->n_artifacts; i++) {
		if (job->artifacts[i].is_deleted)
			continue;
		buf_add_str(out, is_first ? "" : ",");
		add_clip_url(out, job, cdn_base, &job->artifacts[i]);
		is_first = false;
	}
	buf_add_str(out, "]");
}

static void add_failure(struct buf *out, const struct error *error)
{
	if (!error->err) {
		add_null(out, "error");
		return;
	}
	add_key(out, "error");
	buf_printf(out, "{\"code\":\"%s\"", sc_code_name(error->code));
	add_text(out, "message", error->message);
	buf_add_str(out, "}");
}

/* What status and jobs.json both say. */
static void add_head(struct buf *out, const struct job_snapshot *job)
{
	buf_add_str(out, "{\"id\":");
	view_json_string(out, job->id);
	add_text(out, "status", job_state_name(job->state));
	add_number(out, "progress", job->progress);
	add_text(out, "message", job->message);
	add_text(out, "uploadId", job->upload_id);
	add_text(out, "cut", cut_mode_name(job->cut));
	add_number(out, "attempt", job->attempt);
	add_time(out, "createdAt", job->created_at);
	add_time(out, "startedAt", job->started_at);
	add_time(out, "updatedAt", job->updated_at);
	add_time(out, "finishedAt", job->finished_at);
	if (job->state == JOB_DONE && job->finished_at && job->started_at)
		add_number(out, "processingMs", job->finished_at - job->started_at);
	else
		add_null(out, "processingMs");
	if (job->total_clips)
		add_number(out, "totalClips", job->total_clips);
	else
		add_null(out, "totalClips");
	add_number(out, "clipsReady", job->clips_ready);
}

void view_job_status(const struct job_snapshot *job, const char *cdn_base, struct buf *out)
{
	add_head(out, job);
	add_results(out, job, cdn_base);
	add_key(out, "warnings");
	buf_add_str(out, job->warnings ? job->warnings : "[]");
	add_failure(out, &job->error);
	buf_add_str(out, "}\n");
}

void view_job_progress(const struct job_snapshot *job, const char *cdn_base, struct buf *out)
{
	buf_printf(out, "%d\n", job->progress);
}

void view_job_request(const struct job_snapshot *job, const char *cdn_base, struct buf *out)
{
	buf_printf(out, "%s\n", job->input_json ? job->input_json : "{}");
}

/* ---- events ---- */

static const char *change_name(unsigned int what)
{
	static const struct {
		unsigned int what;
		const char *name;
	} names[] = {
		{JOB_CHANGED_REMOVED, "removed"},
		{JOB_CHANGED_ENDED, "ended"},
		{JOB_CHANGED_CREATED, "created"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(names); i++)
		if (what & names[i].what)
			return names[i].name;
	return "changed";
}

void view_event(const struct job_change *change, struct buf *out)
{
	struct error error = {.err = change->code != SC_OK, .code = change->code};

	memcpy(error.message, change->message, sizeof(error.message));
	buf_printf(out, "{\"seq\":%" PRIu64, change->seq);
	add_text(out, "event", change_name(change->what));
	add_time(out, "time", change->at_ms);
	add_text(out, "id", change->id);
	add_text(out, "status", job_state_name(change->state));
	add_number(out, "progress", change->progress);
	add_text(out, "message", change->message);
	add_text(out, "uploadId", change->upload_id);
	if (change->user_id)
		add_text(out, "userId", change->user_id);
	else
		add_null(out, "userId");
	add_number(out, "ownerUid", change->owner_uid);
	add_number(out, "attempt", change->attempt);
	if (change->total_clips)
		add_number(out, "totalClips", change->total_clips);
	else
		add_null(out, "totalClips");
	add_number(out, "clipsReady", change->clips_ready);
	add_failure(out, &error);
	buf_add_str(out, "}\n");
}

void view_event_lost(uint64_t seq, uint64_t n, struct buf *out)
{
	buf_printf(out, "{\"seq\":%" PRIu64, seq);
	add_text(out, "event", "lost");
	buf_printf(out, ",\"lost\":%" PRIu64 "}\n", n);
}

/* ---- lists ---- */

static void add_list_head(struct buf *out, const struct list_view *list)
{
	buf_add_str(out, "{\"version\":");
	view_json_string(out, list->version);
	add_time(out, "time", list->now);
}

void view_jobs(const struct list_view *list, const struct job_snapshot *jobs, size_t n,
	       struct buf *out)
{
	add_list_head(out, list);
	buf_add_str(out, ",\"counts\":");
	for (unsigned int state = 0; state < JOB_STATE_COUNT; state++)
		buf_printf(out, "%s\"%s\":%" PRIu64, state ? "," : "{",
			   job_state_name((enum job_state)state), list->stored.jobs[state]);
	buf_add_str(out, "},\"jobs\":[");
	for (size_t i = 0; i < n; i++) {
		buf_add_str(out, i ? ",\n" : "\n");
		add_head(out, &jobs[i]);
		add_failure(out, &jobs[i].error);
		buf_add_str(out, "}");
	}
	buf_add_str(out, "]}\n");
}

static void add_upload(struct buf *out, const struct upload_summary *upload)
{
	buf_add_str(out, "{\"uploadId\":");
	view_json_string(out, upload->path);
	add_number(out, "size", upload->size);
	add_text(out, "state", upload_state_name(upload->state));
	add_time(out, "createdAt", upload->created_at);
	add_time(out, "modifiedAt", upload->mtime_ns / 1000000);
	if (upload->job_id[0]) {
		add_key(out, "job");
		buf_printf(out, "{\"id\":\"%s\",\"status\":\"%s\"}", upload->job_id,
			   job_state_name(upload->job_state));
	} else {
		add_null(out, "job");
	}
	buf_add_str(out, "}");
}

void view_uploads(const struct list_view *list, const struct upload_summary *uploads, size_t n,
		  struct buf *out)
{
	add_list_head(out, list);
	buf_add_str(out, ",\"counts\":");
	for (unsigned int state = 0; state < UPLOAD_STATE_COUNT; state++)
		buf_printf(out, "%s\"%s\":{\"count\":%" PRIu64 ",\"bytes\":%" PRId64 "}",
			   state ? "," : "{", upload_state_name((enum upload_state)state),
			   list->stored.uploads[state], list->stored.upload_bytes[state]);
	buf_add_str(out, "},\"uploads\":[");
	for (size_t i = 0; i < n; i++) {
		buf_add_str(out, i ? ",\n" : "\n");
		add_upload(out, &uploads[i]);
	}
	buf_add_str(out, "]}\n");
}
