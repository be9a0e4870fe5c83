/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of a job: every field, its order, its form; read back by a JSON library. */
#include <jansson.h>

#include "check.h"
#include "storyclip/common/macros.h"
#include "storyclip/view.h"

#define START 1795478462345LL /* 2026-11-24T00:01:02.345Z */

static char *render(const struct job_snapshot *job, const char *cdn_base)
{
	struct buf out = BUF_EMPTY;

	view_job_status(job, cdn_base, &out);
	REQUIRE(buf_error(&out) == 0);
	return buf_take(&out, NULL);
}

static struct job_snapshot queued(void)
{
	struct job_snapshot job = {
		.id = "job_1795478462345_ceyrx7ls",
		.version = 7,
		.state = JOB_QUEUED,
		.message = JOB_MESSAGE_QUEUED,
		.upload_id = (char *)"test_001",
		.input_json = (char *)"{\"uploadId\":\"test_001\"}",
		.cut = CUT_EXACT,
		.created_at = START,
		.updated_at = START,
		.warnings = (char *)"[]",
	};
	return job;
}

/* The whole text, as INTERFACE.md writes it: readers of the old system compare by eye. */
static void test_queued(void)
{
	struct job_snapshot job = queued();
	char *text = render(&job, "");

	CHECK_STR(text, "{\"id\":\"job_1795478462345_ceyrx7ls\",\"status\":\"queued\",\"progress\":0,"
			"\"message\":\"Queued\",\"uploadId\":\"test_001\",\"cut\":\"exact\",\"attempt\":0,"
			"\"createdAt\":\"2026-11-24T00:01:02.345Z\",\"startedAt\":null,"
			"\"updatedAt\":\"2026-11-24T00:01:02.345Z\",\"finishedAt\":null,"
			"\"processingMs\":null,\"totalClips\":null,\"clipsReady\":0,\"result\":null,"
			"\"outputs\":[],\"warnings\":[],\"error\":null}\n");
	free(text);
}

static void test_done(void)
{
	struct artifact artifacts[] = {
		{.number = 1, .filename = "clip_001.mp4", .method = CLIP_COPY, .size_bytes = 123456,
		 .start_us = 0, .duration_us = 5000000, .dropped = (char *)"[]"},
		{.number = 2, .filename = "clip_002.mp4", .method = CLIP_HEAD, .size_bytes = 1,
		 .start_us = 5005000, .duration_us = 4999999, .hidden_head_us = 1201200,
		 .hidden_tail_us = 500, .hidden_bytes = 77, .dropped = (char *)"[\"subtitle 2\"]",
		 .is_deleted = true},
		{.number = 3, .filename = "clip_003.m4a", .is_audio = true, .method = CLIP_ENCODE,
		 .size_bytes = 9, .start_us = 10000001, .duration_us = 100000,
		 .dropped = (char *)"[]"},
	};
	struct job_snapshot job = queued();
	char *text = NULL;

	job.state = JOB_DONE;
	job.progress = 100;
	job.attempt = 1;
	job.started_at = START + 10;
	job.finished_at = job.updated_at = START + 422;
	job.total_clips = job.clips_ready = 3;
	job.artifacts = artifacts;
	job.n_artifacts = SC_ARRAY_SIZE(artifacts);
	job.warnings = (char *)"[\"a sample was damaged\"]";
	snprintf(job.message, sizeof(job.message), "%s", JOB_MESSAGE_DONE);
	text = render(&job, "https://cdn.example/x");
	CHECK_CONTAINS(text, "\"processingMs\":412,\"totalClips\":3,\"clipsReady\":3,");
	CHECK_CONTAINS(text, "{\"id\":\"clip_001\",\"url\":\"https://cdn.example/x/job_1795478462345_ceyrx7ls/"
			     "clip_001.mp4\",\"type\":\"video\",\"format\":\"mp4\",\"filename\":\"clip_001.mp4\","
			     "\"size\":123456,\"start\":0.0,\"duration\":5.0,\"method\":\"copy\","
			     "\"hiddenHeadMs\":0,\"hiddenTailMs\":0,\"hiddenBytes\":0,\"dropped\":[]}");
	CHECK_CONTAINS(text, "\"start\":5.005,\"duration\":4.999999,\"method\":\"head\","
			     "\"hiddenHeadMs\":1201.2,\"hiddenTailMs\":0.5,\"hiddenBytes\":77,"
			     "\"dropped\":[\"subtitle 2\"],\"deleted\":true}");
	CHECK_CONTAINS(text, "\"type\":\"audio\",\"format\":\"m4a\",\"filename\":\"clip_003.m4a\",\"size\":9,"
			     "\"start\":10.000001,\"duration\":0.1,\"method\":\"encode\"");
	/* a deleted clip is no output any more */
	CHECK_CONTAINS(text, "\"outputs\":[\"https://cdn.example/x/job_1795478462345_ceyrx7ls/clip_001.mp4\","
			     "\"https://cdn.example/x/job_1795478462345_ceyrx7ls/clip_003.m4a\"],"
			     "\"warnings\":[\"a sample was damaged\"],\"error\":null}\n");
	free(text);

	text = render(&job, "");
	CHECK_CONTAINS(text, "\"outputs\":[\"jobs/job_1795478462345_ceyrx7ls/clips/clip_001.mp4\",");
	free(text);
}

static void test_failed(void)
{
	struct job_snapshot job = queued();
	char *text;

	job.state = JOB_FAILED;
	job.progress = 95;
	job.started_at = START;
	job.finished_at = START + 1;
	job.total_clips = 2;
	error_set(&job.error, SC_STALLED, "Stalled at 95%%");
	snprintf(job.message, sizeof(job.message), "%s", job.error.message);
	text = render(&job, "");
	CHECK_CONTAINS(text, "\"status\":\"failed\",\"progress\":95,\"message\":\"Stalled at 95%\",");
	CHECK_CONTAINS(text, "\"processingMs\":null,\"totalClips\":2,\"clipsReady\":0,\"result\":null,"
			     "\"outputs\":[],\"warnings\":[],"
			     "\"error\":{\"code\":\"STALLED\",\"message\":\"Stalled at 95%\"}}\n");
	free(text);
}

/* Names and messages are what users and files put there. */
static void test_strings(void)
{
	static const struct {
		const char *raw, *want; /* what a JSON reader must get */
	} rows[] = {
		{"plain", "plain"},
		{"a \"quoted\\ name\"", "a \"quoted\\ name\""},
		{"line\nfeed\ttab\r\b\f\x01\x1f\x7f", "line\nfeed\ttab\r\b\f\x01\x1f\x7f"},
		{"Käse – 映画 🎬", "Käse – 映画 🎬"},
		{"\xff", "%FF"},
		{"ab\xc3", "ab%C3"},
		{"\xc0\x80", "%C0%80"},         /* an overlong NUL */
		{"\xe0\x80\xaf", "%E0%80%AF"},  /* an overlong slash */
		{"\xed\xa0\x80", "%ED%A0%80"},  /* a surrogate */
		{"\xf4\x90\x80\x80", "%F4%90%80%80"}, /* beyond U+10FFFF */
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"\xe2\x82", "%E2%82"},
		{"100%", "100%"},
		{"", ""},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		struct buf out = BUF_EMPTY;
		json_t *json;

		view_json_string(&out, rows[i].raw);
		json = json_loadb(out.data, out.len, JSON_DECODE_ANY, NULL);
		CHECK_STR(json_string_value(json), rows[i].want);
		json_decref(json);
		buf_finish(&out);
	}
}

static void test_small_texts(void)
{
	struct job_snapshot job = queued();
	struct buf out = BUF_EMPTY;

	job.progress = 42;
	view_job_progress(&job, "", &out);
	CHECK_STR(out.data, "42\n");
	buf_reset(&out);
	view_job_request(&job, "", &out);
	CHECK_STR(out.data, "{\"uploadId\":\"test_001\"}\n");
	buf_finish(&out);
}

/* Whatever is in it, it is one JSON object. */
static void test_is_json(void)
{
	struct job_snapshot job = queued();
	json_error_t error;
	json_t *json;
	char *text;

	job.upload_id = (char *)"dir/\"x\"\xfe.mp4";
	snprintf(job.message, sizeof(job.message), "no \"such\"\\\nthing");
	error_set(&job.error, SC_INVALID_MEDIA, "%s", job.message);
	text = render(&job, "http://a/\"b\"");
	json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	CHECK(json != NULL);
	CHECK_STR(json_string_value(json_object_get(json, "uploadId")), "dir/\"x\"%FE.mp4");
	CHECK_INT(json_object_size(json), 18);
	json_decref(json);
	free(text);
}

/* A line of events: whole, in this order; and the line that stands for lost ones. */
static void test_events(void)
{
	static const struct {
		unsigned int what;
		const char *name;
	} names[] = {
		{JOB_CHANGED_TEXT, "changed"},
		{JOB_CHANGED_TEXT | JOB_CHANGED_CREATED, "created"},
		{JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED, "ended"},
		{JOB_CHANGED_ENDED | JOB_CHANGED_REMOVED, "removed"},
	};
	struct job_change change = {
		.seq = 12,
		.at_ms = START,
		.id = "job_1",
		.state = JOB_FAILED,
		.progress = 30,
		.message = "no \"such\"\nthing",
		.code = SC_INVALID_MEDIA,
		.attempt = 1,
		.owner_uid = 1000,
		.upload_id = (char *)"dir/\"x\"",
	};
	struct buf out = BUF_EMPTY;

	for (size_t i = 0; i < SC_ARRAY_SIZE(names); i++) {
		buf_reset(&out);
		change.what = names[i].what;
		view_event(&change, &out);
		REQUIRE(buf_error(&out) == 0);
		CHECK_CONTAINS(out.data, names[i].name);
	}
	CHECK_STR(out.data, "{\"seq\":12,\"event\":\"removed\",\"time\":\"2026-11-24T00:01:02.345Z\","
			    "\"id\":\"job_1\",\"status\":\"failed\",\"progress\":30,"
			    "\"message\":\"no \\\"such\\\"\\nthing\",\"uploadId\":\"dir/\\\"x\\\"\","
			    "\"userId\":null,\"ownerUid\":1000,\"attempt\":1,\"totalClips\":null,"
			    "\"clipsReady\":0,\"error\":{\"code\":\"INVALID_MEDIA\","
			    "\"message\":\"no \\\"such\\\"\\nthing\"}}\n");
	buf_reset(&out);
	view_event_lost(40, 28, &out);
	CHECK_STR(out.data, "{\"seq\":40,\"event\":\"lost\",\"lost\":28}\n");
	buf_finish(&out);
}

int main(void)
{
	test_events();
	test_queued();
	test_done();
	test_failed();
	test_strings();
	test_small_texts();
	test_is_json();
	return check_result();
}
