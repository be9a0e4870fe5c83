/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jobs.json and uploads.json as a JSON library reads them, and metrics line by line. */
#include <jansson.h>

#include "check.h"
#include "storyclip/common/macros.h"
#include "storyclip/view.h"

static json_t *load(struct buf *out)
{
	json_t *json;

	REQUIRE(buf_error(out) == 0);
	CHECK_INT(out->data[out->len - 1], '\n');
	json = json_loadb(out->data, out->len, JSON_REJECT_DUPLICATES, NULL);
	REQUIRE(json != NULL);
	buf_finish(out);
	return json;
}

static const struct list_view list = {
	.version = "0.1.0",
	.now = 1795478462345LL,
	.stored = {.jobs = {1, 0, 2, 0, 4}, .uploads = {1, 2, 0}, .upload_bytes = {10, 20, 0}},
};

static const char *text_of(json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void test_jobs(void)
{
	struct job_snapshot jobs[] = {
		{.id = "a", .state = JOB_DONE, .progress = 100, .upload_id = (char *)"\"up\"",
		 .started_at = 1, .finished_at = 413, .cut = CUT_EXACT, .message = "m"},
		{.id = "b", .state = JOB_FAILED, .upload_id = (char *)"u",
		 .error = {-EIO, SC_STALLED, "Stalled at 95%"}},
	};
	struct buf out = BUF_EMPTY, status = BUF_EMPTY;
	json_t *json, *job, *whole;
	const char *key;
	json_t *value;

	view_jobs(&list, jobs, 2, &out);
	json = load(&out);
	CHECK_STR(text_of(json, "version"), "0.1.0");
	CHECK_STR(text_of(json, "time"), "2026-11-24T00:01:02.345Z");
	CHECK_INT(json_integer_value(json_object_get(json_object_get(json, "counts"), "cancelled")), 4);
	CHECK_INT(json_object_size(json_object_get(json, "counts")), JOB_STATE_COUNT);
	REQUIRE(json_array_size(json_object_get(json, "jobs")) == 2);
	/* each field says what status says */
	for (size_t i = 0; i < 2; i++) {
		job = json_array_get(json_object_get(json, "jobs"), i);
		view_job_status(&jobs[i], "", &status);
		whole = load(&status);
		CHECK(json_object_size(job) > 10);
		json_object_foreach(job, key, value)
			CHECK(json_equal(value, json_object_get(whole, key)));
		json_decref(whole);
	}
	CHECK_STR(text_of(json_object_get(json_array_get(json_object_get(json, "jobs"), 1), "error"),
			  "code"), "STALLED");
	json_decref(json);
	view_jobs(&list, NULL, 0, &out);
	json = load(&out);
	CHECK_INT(json_array_size(json_object_get(json, "jobs")), 0);
	json_decref(json);
}

static void test_uploads(void)
{
	const struct upload_summary uploads[] = {
		{.path = (char *)"d/\xff.mp4", .size = 5, .mtime_ns = 1795478462345000000,
		 .state = UPLOAD_OPEN, .created_at = 1795478462345},
		{.path = (char *)"b", .state = UPLOAD_COMPLETE, .job_id = "j", .job_state = JOB_DONE},
	};
	struct buf out = BUF_EMPTY;
	json_t *json, *first, *second;

	view_uploads(&list, uploads, 2, &out);
	json = load(&out);
	CHECK_INT(json_integer_value(json_object_get(
			  json_object_get(json_object_get(json, "counts"), "complete"), "bytes")), 20);
	first = json_array_get(json_object_get(json, "uploads"), 0);
	second = json_array_get(json_object_get(json, "uploads"), 1);
	CHECK_STR(text_of(first, "uploadId"), "d/%FF.mp4");
	CHECK_STR(text_of(first, "state"), "open");
	CHECK_STR(text_of(first, "modifiedAt"), "2026-11-24T00:01:02.345Z");
	CHECK(json_is_null(json_object_get(first, "job")));
	CHECK_STR(text_of(json_object_get(second, "job"), "id"), "j");
	CHECK_STR(text_of(json_object_get(second, "job"), "status"), "done");
	json_decref(json);
}

static void test_metrics(void)
{
	static const struct settings settings = {.max_queue = 17};
	const struct metrics_requests requests[] = {
		{"lookup", {.bounds_us = histogram_request_us, .sum_us = 1500000}},
		{"read", {.bounds_us = histogram_request_us}},
	};
	struct metrics_view view = {
		.server = {.version = "0.1\"0", .libfuse = "3.14\\0", .settings = &settings, .passthrough_opens = 3,
			   .engine = {.workers_busy = 1, .workers_of = 4, .free_work = -ENOENT,
				      .free_outputs = 9}},
		.stored = {.jobs = {0, 0, 7}},
		.requests = requests,
		.n_requests = 2,
		.parked = 5,
	};
	static const char *const lines[] = {
		"storyclip_build_info{version=\"0.1\\\"0\",libfuse=\"3.14\\\\0\",ffmpeg=\"\"} 1\n",
		"\nstoryclip_jobs{state=\"done\"} 7\n",
		"\nstoryclip_jobs_finished_total{state=\"done\",code=\"\"} 0\n",
		"\nstoryclip_jobs_finished_total{state=\"failed\",code=\"STALLED\"} 6\n",
		"\nstoryclip_workers{state=\"idle\"} 3\n",
		"\nstoryclip_queue_max_jobs 17\n",
		"\nstoryclip_fuse_request_duration_seconds_bucket{operation=\"lookup\",le=\"5e-06\"} 0\n",
		"\nstoryclip_fuse_request_duration_seconds_bucket{operation=\"lookup\",le=\"+Inf\"} 2\n",
		"\nstoryclip_fuse_request_duration_seconds_sum{operation=\"lookup\"} 1.500000\n",
		"\nstoryclip_fuse_passthrough_opens_total 3\n",
		"\nstoryclip_fuse_parked_readers 5\n",
		"\nstoryclip_volume_free_bytes{volume=\"outputs\"} 9\n",
		"\n# TYPE storyclip_job_wait_seconds histogram\n",
		"\nstoryclip_job_wait_seconds_count 0\n",
		"\nstoryclip_job_phase_seconds_bucket{phase=\"claim\",le=\"3600\"} 0\n",
	};
	struct metrics_requests with_two[2];
	struct buf out = BUF_EMPTY;

	memcpy(with_two, requests, sizeof(with_two));
	with_two[0].took.upto[HISTOGRAM_BOUNDS] = 2;
	view.requests = with_two;
	view.counts.finished[JOB_FAILED][SC_STALLED] = 6;
	view.counts.wait.bounds_us = view.counts.duration.bounds_us = view.counts.sync.bounds_us =
		histogram_job_us;
	for (unsigned int i = 0; i < PHASE_COUNT; i++) {
		view.counts.phases[i].name = i == PHASE_CLAIM ? "claim" : "other";
		view.counts.phases[i].took.bounds_us = histogram_job_us;
	}
	view_metrics(&view, &out);
	REQUIRE(buf_error(&out) == 0);
	for (size_t i = 0; i < SC_ARRAY_SIZE(lines); i++)
		CHECK_CONTAINS(out.data, lines[i]);
	CHECK(!strstr(out.data, "volume_free_bytes{volume=\"work\"")); /* unknown: no sample */
	CHECK(!strstr(out.data, "operation=\"read\""));                /* never happened */
	buf_finish(&out);
}

int main(void)
{
	test_jobs();
	test_uploads();
	test_metrics();
	return check_result();
}
