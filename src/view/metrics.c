/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * metrics, in Prometheus' text exposition format 0.0.4. One table says what each family is called,
 * is, and means, and which function prints its samples. Pure functions, any thread.
 */
#include <inttypes.h>
#include <string.h>

#include "storyclip/view.h"

#define PREFIX "storyclip_"

/* A label's value: these three are escaped there, and nothing else. */
static void add_label(struct buf *out, const char *value)
{
	buf_add_str(out, "\"");
	for (; *value; value++) {
		if (*value == '\n')
			buf_add_str(out, "\\n");
		else if (*value == '"' || *value == '\\')
			buf_printf(out, "\\%c", *value);
		else
			buf_add(out, value, 1);
	}
	buf_add_str(out, "\"");
}

struct family {
	const char *name;
	const char *type;
	const char *help;
	void (*print)(const struct family *family, const struct metrics_view *m, struct buf *out);
};

static void add_sample(const struct family *family, const char *label, const char *value,
		       struct buf *out)
{
	buf_printf(out, PREFIX "%s", family->name);
	if (label) {
		buf_printf(out, "{%s=", label);
		add_label(out, value);
		buf_add_str(out, "}");
	}
	buf_add_str(out, " ");
}

static void add_count(const struct family *family, const char *label, const char *value, uint64_t n,
		      struct buf *out)
{
	add_sample(family, label, value, out);
	buf_printf(out, "%" PRIu64 "\n", n);
}

/* Microseconds as seconds, exactly. */
static void add_seconds(struct buf *out, uint64_t us)
{
	buf_printf(out, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static void add_histogram(const struct family *family, const char *label, const char *value,
			  const struct histogram_values *h, struct buf *out)
{
	auto_buf struct buf labels = BUF_EMPTY;

	if (label) {
		buf_printf(&labels, "%s=", label);
		add_label(&labels, value);
	}
	if (buf_error(&labels) < 0) {
		out->is_failed = true;
		return;
	}
	for (unsigned int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		buf_printf(out, PREFIX "%s_bucket{%s%sle=\"", family->name,
			   label ? labels.data : "", label ? "," : "");
		if (i < HISTOGRAM_BOUNDS)
			buf_printf(out, "%g", (double)h->bounds_us[i] / 1e6);
		else
			buf_add_str(out, "+Inf");
		buf_printf(out, "\"} %" PRIu64 "\n", h->upto[i]);
	}
	for (int is_count = 0; is_count < 2; is_count++) {
		buf_printf(out, PREFIX "%s_%s", family->name, is_count ? "count" : "sum");
		if (label)
			buf_printf(out, "{%s}", labels.data);
		buf_add_str(out, " ");
		if (is_count)
			buf_printf(out, "%" PRIu64, h->upto[HISTOGRAM_BOUNDS]);
		else
			add_seconds(out, h->sum_us);
		buf_add_str(out, "\n");
	}
}

/* ---- what the families hold ---- */

static void print_build(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	const struct {
		const char *name, *value;
	} labels[] = {
		{"version", m->server.version},
		{"libfuse", m->server.libfuse},
		{"ffmpeg", m->server.ffmpeg},
	};

	buf_printf(out, PREFIX "%s", family->name);
	for (size_t i = 0; i < SC_ARRAY_SIZE(labels); i++) {
		buf_printf(out, "%s%s=", i ? "," : "{", labels[i].name);
		add_label(out, labels[i].value ? labels[i].value : "");
	}
	buf_add_str(out, "} 1\n");
}

static void print_since(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_sample(family, NULL, NULL, out);
	add_seconds(out, (uint64_t)m->server.since * 1000);
	buf_add_str(out, "\n");
}

static void print_jobs(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	for (unsigned int state = 0; state < JOB_STATE_COUNT; state++)
		add_count(family, "state", job_state_name((enum job_state)state),
			  m->stored.jobs[state], out);
}

static void add_finished(const struct family *family, enum job_state state, enum sc_code code,
			 uint64_t n, struct buf *out)
{
	buf_printf(out, PREFIX "%s{state=\"%s\",code=\"%s\"} %" PRIu64 "\n", family->name,
		   job_state_name(state), code == SC_OK ? "" : sc_code_name(code), n);
}

/* Each code from the start: a counter that only appears with its first event hides that event. */
static void print_finished(const struct family *family, const struct metrics_view *m,
			   struct buf *out)
{
	add_finished(family, JOB_DONE, SC_OK, m->counts.finished[JOB_DONE][SC_OK], out);
	add_finished(family, JOB_CANCELLED, SC_OK, m->counts.finished[JOB_CANCELLED][SC_OK], out);
	for (unsigned int code = SC_UPLOAD_BUSY; code < SC_CODE_COUNT; code++)
		add_finished(family, JOB_FAILED, (enum sc_code)code,
			     m->counts.finished[JOB_FAILED][code], out);
}

static void print_retries(const struct family *family, const struct metrics_view *m,
			  struct buf *out)
{
	add_count(family, NULL, NULL, m->counts.retries, out);
}

static void print_stalls(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_count(family, NULL, NULL, m->server.engine.watchdog_stalled, out);
}

static void print_watchdog(const struct family *family, const struct metrics_view *m,
			   struct buf *out)
{
	add_sample(family, NULL, NULL, out);
	add_seconds(out, (uint64_t)m->server.engine.watchdog_last_run * 1000);
	buf_add_str(out, "\n");
}

static void print_wait(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_histogram(family, NULL, NULL, &m->counts.wait, out);
}

static void print_duration(const struct family *family, const struct metrics_view *m,
			   struct buf *out)
{
	add_histogram(family, NULL, NULL, &m->counts.duration, out);
}

static void print_phases(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	for (unsigned int phase = 0; phase < PHASE_COUNT; phase++)
		add_histogram(family, "phase", m->counts.phases[phase].name,
			      &m->counts.phases[phase].took, out);
}

static void print_sync(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_histogram(family, NULL, NULL, &m->counts.sync, out);
}

static void print_queue(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_count(family, NULL, NULL, m->server.engine.queued, out);
}

static void print_queue_max(const struct family *family, const struct metrics_view *m,
			    struct buf *out)
{
	add_count(family, NULL, NULL, m->server.settings->max_queue, out);
}

static void print_workers(const struct family *family, const struct metrics_view *m,
			  struct buf *out)
{
	unsigned int busy = m->server.engine.workers_busy, of = m->server.engine.workers_of;

	add_count(family, "state", "busy", busy, out);
	add_count(family, "state", "idle", of > busy ? of - busy : 0, out);
}

static void print_clips(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	for (unsigned int method = 0; method < CLIP_METHOD_COUNT; method++)
		add_count(family, "method", clip_method_name((enum clip_method)method),
			  m->counts.clips[method], out);
}

static void print_clip_bytes(const struct family *family, const struct metrics_view *m,
			     struct buf *out)
{
	for (unsigned int method = 0; method < CLIP_METHOD_COUNT; method++)
		add_count(family, "method", clip_method_name((enum clip_method)method),
			  m->counts.clip_bytes[method], out);
}

static void print_hidden(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_count(family, NULL, NULL, m->counts.hidden_bytes, out);
}

static void print_stored_clips(const struct family *family, const struct metrics_view *m,
			       struct buf *out)
{
	add_count(family, "by", "shared", m->counts.shared_clips, out);
	add_count(family, "by", "copied", m->counts.copied_clips, out);
}

static void print_stored_bytes(const struct family *family, const struct metrics_view *m,
			       struct buf *out)
{
	add_count(family, "by", "shared", m->counts.shared_bytes, out);
	add_count(family, "by", "copied", m->counts.copied_bytes, out);
}

static void print_uploads(const struct family *family, const struct metrics_view *m,
			  struct buf *out)
{
	for (unsigned int state = 0; state < UPLOAD_STATE_COUNT; state++)
		add_count(family, "state", upload_state_name((enum upload_state)state),
			  m->stored.uploads[state], out);
}

static void print_upload_bytes(const struct family *family, const struct metrics_view *m,
			       struct buf *out)
{
	for (unsigned int state = 0; state < UPLOAD_STATE_COUNT; state++) {
		add_sample(family, "state", upload_state_name((enum upload_state)state), out);
		buf_printf(out, "%" PRId64 "\n", m->stored.upload_bytes[state]);
	}
}

static void print_requests(const struct family *family, const struct metrics_view *m,
			   struct buf *out)
{
	for (size_t i = 0; i < m->n_requests; i++)
		if (m->requests[i].took.upto[HISTOGRAM_BOUNDS])
			add_histogram(family, "operation", m->requests[i].operation,
				      &m->requests[i].took, out);
}

static void print_passthrough(const struct family *family, const struct metrics_view *m,
			      struct buf *out)
{
	add_count(family, NULL, NULL, m->server.passthrough_opens, out);
}

static void print_parked(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_count(family, NULL, NULL, m->parked, out);
}

/* A volume that cannot be asked has no sample; health says why. */
static void add_volume(const struct family *family, const char *volume, int64_t bytes,
		       struct buf *out)
{
	if (bytes >= 0)
		add_count(family, "volume", volume, (uint64_t)bytes, out);
}

static void print_free(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_volume(family, "uploads", m->server.engine.free_uploads, out);
	add_volume(family, "work", m->server.engine.free_work, out);
	add_volume(family, "outputs", m->server.engine.free_outputs, out);
}

static void print_min_free(const struct family *family, const struct metrics_view *m,
			   struct buf *out)
{
	add_volume(family, "uploads", m->server.engine.min_uploads, out);
	add_volume(family, "work", m->server.engine.min_work, out);
	add_volume(family, "outputs", m->server.engine.min_outputs, out);
}

static void print_paused(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_count(family, NULL, NULL, m->server.engine.is_paused, out);
}

static void print_stuck(const struct family *family, const struct metrics_view *m, struct buf *out)
{
	add_count(family, NULL, NULL, m->server.engine.stuck_processes, out);
}

static void print_database(const struct family *family, const struct metrics_view *m,
			   struct buf *out)
{
	add_count(family, NULL, NULL, m->server.engine.database_error[0] != '\0', out);
}

/* clang-format off */
static const struct family families[] = {
	{"build_info", "gauge", "Versions, as labels; always 1.", print_build},
	{"start_time_seconds", "gauge", "When the mount began, seconds since 1970.", print_since},
	{"jobs", "gauge", "Jobs in the database, by state.", print_jobs},
	{"jobs_finished_total", "counter",
	 "Jobs that have ended since the mount began, by state and, of failed ones, error code.",
	 print_finished},
	{"job_retries_total", "counter", "Attempts that failed and were followed by another.",
	 print_retries},
	{"job_stalls_total", "counter", "Jobs that the watchdog has failed.", print_stalls},
	{"watchdog_last_run_timestamp_seconds", "gauge", "When the watchdog last looked.",
	 print_watchdog},
	{"job_wait_seconds", "histogram", "From a job's acceptance to its first start.", print_wait},
	{"job_duration_seconds", "histogram", "From a done job's last start to its end.",
	 print_duration},
	{"job_phase_seconds", "histogram", "The steps of done jobs, one after the other.",
	 print_phases},
	{"job_sync_seconds", "histogram",
	 "Within the steps of a done job: its commits and fsyncs together.", print_sync},
	{"queue_jobs", "gauge", "Jobs that wait for a worker.", print_queue},
	{"queue_max_jobs", "gauge", "Jobs that may wait (max_queue).", print_queue_max},
	{"workers", "gauge", "Workers, by whether they have a job.", print_workers},
	{"clips_total", "counter", "Clips of done jobs, by how they were made.", print_clips},
	{"clip_bytes_total", "counter", "Bytes of these clips.", print_clip_bytes},
	{"clip_hidden_bytes_total", "counter",
	 "Of these, bytes that belong to neighbouring frames and are not shown.", print_hidden},
	{"clips_stored_total", "counter",
	 "Clips of done jobs, by whether any of their blocks are shared with the upload.",
	 print_stored_clips},
	{"clip_stored_bytes_total", "counter",
	 "Bytes of these clips: on blocks shared with the upload, or copied (written) to their own.",
	 print_stored_bytes},
	{"uploads", "gauge", "Known uploads, by state.", print_uploads},
	{"upload_bytes", "gauge", "Bytes of the known uploads, by state.", print_upload_bytes},
	{"fuse_request_duration_seconds", "histogram",
	 "Requests of the kernel: how long each kept its thread.", print_requests},
	{"fuse_passthrough_opens_total", "counter",
	 "Opened files that the kernel reads and writes by itself.", print_passthrough},
	{"fuse_parked_readers", "gauge", "Reads that wait without a thread.", print_parked},
	{"volume_free_bytes", "gauge", "Free bytes where uploads, work and outputs lie.", print_free},
	{"volume_min_free_bytes", "gauge", "Bytes that are to stay free there (min_free).",
	 print_min_free},
	{"paused", "gauge", "1: no job is started until root says resume.", print_paused},
	{"stuck_processes", "gauge", "Processes that were killed but do not end.", print_stuck},
	{"database_failing", "gauge", "1: the last write of the database failed, or it was found damaged.", print_database},
};
/* clang-format on */

void view_metrics(const struct metrics_view *metrics, struct buf *out)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(families); i++) {
		const struct family *family = &families[i];

		buf_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", family->name,
			   family->help, family->name, family->type);
		family->print(family, metrics, out);
	}
}
