/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines between engine and children: what is sent arrives, what is hostile does not. */
#include "storyclip/proto.h"

#include <string.h>

#include "check.h"
#include "storyclip/common/buf.h"

static void test_work_order(void)
{
	struct clip_range ranges[] = {{0, 5000000}, {2500000, INT64_MAX}};
	struct work_order order = {.job_id = "job_1760693132895_ceyrx7ls",
				   .attempt = UINT32_MAX,
				   .cut = CUT_ENCODE,
				   .max_clips = 7,
				   .ranges = ranges,
				   .n_ranges = 2,
				   .encode = {.aspect_width = 9,
					      .aspect_height = 16,
					      .width = 16,
					      .height = 8192,
					      .fit = FIT_PAD,
					      .quality = 0,
					      .preset = PRESET_PLACEBO}};
	auto_work_order struct work_order got = {0}, split = {0}, parts = {0};
	auto_buf struct buf text = BUF_EMPTY;
	struct error e = {0};

	CHECK_INT(work_order_encode(&order, &text), 0);
	CHECK_INT(work_order_parse(text.data, text.len, &e, &got), 0);
	CHECK_STR(e.message, "");
	CHECK_STR(got.job_id, order.job_id);
	CHECK_INT(got.attempt, UINT32_MAX);
	CHECK_INT(got.cut, CUT_ENCODE);
	CHECK_INT(got.clip_duration_us, 0);
	CHECK_INT(got.max_clips, 7);
	CHECK_INT(got.parts, 0);
	CHECK(!memcmp(&got.encode, &order.encode, sizeof(order.encode)));
	REQUIRE(got.n_ranges == 2);
	CHECK_INT(got.ranges[1].start_us, 2500000);
	CHECK_INT(got.ranges[1].end_us, INT64_MAX);

	buf_reset(&text);
	order = (struct work_order){.job_id = "x", .attempt = 1, .clip_duration_us = 5000000};
	CHECK_INT(work_order_encode(&order, &text), 0);
	CHECK_INT(work_order_parse(text.data, text.len, &e, &split), 0);
	CHECK_INT(split.clip_duration_us, 5000000);
	CHECK_INT(split.max_clips, 0);
	CHECK_INT(split.n_ranges, 0);
	CHECK(split.ranges == NULL);

	buf_reset(&text);
	order = (struct work_order){.job_id = "x", .attempt = 1, .parts = REQUEST_MAX_CLIPS};
	CHECK_INT(work_order_encode(&order, &text), 0);
	CHECK_INT(work_order_parse(text.data, text.len, &e, &parts), 0);
	CHECK_INT(parts.parts, REQUEST_MAX_CLIPS);
	CHECK_INT(parts.clip_duration_us, 0);
}

/* An order without them, as older versions have stored it. */
static void test_encode_defaults(void)
{
	static const char text[] = "{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"encode\",\"parts\":2}";
	const struct encode_options defaults = ENCODE_OPTIONS_DEFAULT;
	auto_work_order struct work_order got = {0};
	struct error e = {0};

	CHECK_INT(work_order_parse(text, strlen(text), &e, &got), 0);
	CHECK(!memcmp(&got.encode, &defaults, sizeof(defaults)));
}

static void test_bad_orders(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "not JSON"},
		{"[]", "not a JSON object"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\"}", "clipDurationUs"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1,\"rangesUs\":[[0,1]]}",
		 "clipDurationUs"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1,\"parts\":1}",
		 "parts"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"encode\",\"parts\":1,\"aspectWidth\":1}",
		 "aspectHeight"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"encode\",\"parts\":1,\"width\":8}", "width"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"encode\",\"parts\":1,\"quality\":52}",
		 "quality"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"encode\",\"parts\":1,\"preset\":\"x\"}",
		 "preset"},
		{"{\"jobId\":\"a\",\"attempt\":0,\"cut\":\"exact\",\"clipDurationUs\":1}", "attempt"},
		{"{\"jobId\":\"a\",\"attempt\":4294967296,\"cut\":\"exact\",\"clipDurationUs\":1}",
		 "attempt"},
		{"{\"jobId\":\"a\",\"attempt\":1.5,\"cut\":\"exact\",\"clipDurationUs\":1}", "attempt"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"smooth\",\"clipDurationUs\":1}", "cut"},
		{"{\"jobId\":\"../a\",\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1}", "jobId"},
		{"{\"jobId\":\".a\",\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1}", "jobId"},
		{"{\"jobId\":7,\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1}", "jobId"},
		{"{\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1}", "jobId"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1,\"x\":1}",
		 "unknown field 'x'"},
		{"{\"jobId\":\"a\",\"jobId\":\"b\",\"attempt\":1,\"cut\":\"exact\",\"clipDurationUs\":1}",
		 "not JSON"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"rangesUs\":[]}", "rangesUs"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"rangesUs\":[[1,1]]}", "rangesUs"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"rangesUs\":[[-1,1]]}", "rangesUs"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"rangesUs\":[[0,1,2]]}", "rangesUs"},
		{"{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"exact\",\"rangesUs\":{\"0\":1}}", "rangesUs"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_work_order struct work_order got = {0};
		struct error e = {0};

		CHECK_INT(work_order_parse(rows[i].text, strlen(rows[i].text), &e, &got), -EINVAL);
		CHECK_INT(e.err, -EINVAL);
		CHECK_CONTAINS(e.message, rows[i].why);
	}
}

static void test_publish_order(void)
{
	const struct publish_order orders[] = {
		{.job_id = "a", .attempt = 3, .owner_uid = 33, .owner_gid = 0},
		{.job_id = "b", .attempt = 1, .owner_uid = (uid_t)-1, .owner_gid = (gid_t)-1},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(orders); i++) {
		auto_buf struct buf text = BUF_EMPTY;
		struct publish_order got = {0};
		struct error e = {0};

		CHECK_INT(publish_order_encode(&orders[i], &text), 0);
		CHECK_INT(publish_order_parse(text.data, text.len, &e, &got), 0);
		CHECK_STR(got.job_id, orders[i].job_id);
		CHECK_INT(got.attempt, orders[i].attempt);
		CHECK_INT(got.owner_uid, orders[i].owner_uid);
		CHECK_INT(got.owner_gid, orders[i].owner_gid);
	}
}

/* Send a report and take it in again; the caller finishes *got. */
static void pass_on(const struct report *report, struct report *got)
{
	auto_buf struct buf line = BUF_EMPTY;

	REQUIRE(report_encode(report, &line) == 0);
	REQUIRE(line.len > 1 && line.data[line.len - 1] == '\n');
	CHECK(memchr(line.data, '\n', line.len - 1) == NULL);
	CHECK(line.len <= PROTO_LINE_MAX);
	REQUIRE(report_parse(line.data, line.len - 1, got) == 0);
	CHECK_INT(got->kind, report->kind);
}

static void test_reports(void)
{
	static const struct report rows[] = {
		{.kind = REPORT_PHASE, .progress = 30, .message = JOB_MESSAGE_ANALYZING},
		{.kind = REPORT_PLAN, .progress = -1, .total_clips = REQUEST_MAX_CLIPS},
		{.kind = REPORT_PROGRESS, .progress = 0, .work = INT64_MAX, .message = "m"},
		{.kind = REPORT_PROGRESS, .progress = -1, .work = 0},
		{.kind = REPORT_WARNING, .progress = -1, .message = "a \"quoted\" \\ warning ü"},
		{.kind = REPORT_LOG, .progress = -1, .message = "a line"},
		{.kind = REPORT_FAILED, .progress = -1, .code = SC_VERIFY_FAILED, .message = "no"},
		{.kind = REPORT_DONE, .progress = -1},
		{.kind = REPORT_DONE, .progress = -1, .synced_us = 1, .copied_bytes = INT64_MAX},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_report struct report got = {0};

		pass_on(&rows[i], &got);
		CHECK_INT(got.progress, rows[i].progress);
		CHECK_INT(got.work, rows[i].work);
		CHECK_INT(got.total_clips, rows[i].total_clips);
		CHECK_INT(got.code, rows[i].code);
		CHECK_INT(got.copied_bytes, rows[i].copied_bytes);
		CHECK_STR(got.message, rows[i].message);
	}
}

static void test_artifact(void)
{
	char dropped[] = "[\"stream 2: mjpeg\",\"stream 3: \\u00fc\"]";
	struct report report = {
		.kind = REPORT_CLIP,
		.progress = -1,
		.artifact = {.number = 1000,
			     .filename = "clip_1000.m4a",
			     .is_audio = true,
			     .method = CLIP_HEAD,
			     .size_bytes = 123456,
			     .start_us = 5000000,
			     .duration_us = 4999999,
			     .hidden_head_us = 1,
			     .hidden_tail_us = 2,
			     .hidden_bytes = 3,
			     .shared_bytes = 123456,
			     .dropped = dropped},
	};
	auto_report struct report got = {0}, without = {0};

	pass_on(&report, &got);
	CHECK_INT(got.artifact.number, 1000);
	CHECK_STR(got.artifact.filename, "clip_1000.m4a");
	CHECK(got.artifact.is_audio);
	CHECK(!got.artifact.is_deleted);
	CHECK_INT(got.artifact.method, CLIP_HEAD);
	CHECK_INT(got.artifact.size_bytes, 123456);
	CHECK_INT(got.artifact.start_us, 5000000);
	CHECK_INT(got.artifact.duration_us, 4999999);
	CHECK_INT(got.artifact.hidden_head_us, 1);
	CHECK_INT(got.artifact.hidden_tail_us, 2);
	CHECK_INT(got.artifact.hidden_bytes, 3);
	CHECK_INT(got.artifact.shared_bytes, 123456);
	CHECK_STR(got.artifact.dropped, "[\"stream 2: mjpeg\",\"stream 3: ü\"]");

	report.artifact.dropped = NULL;
	pass_on(&report, &without);
	CHECK_STR(without.artifact.dropped, "[]");
}

/* libav quotes what it finds in a file; the sender must not be refused for it. */
static void test_dirty_text(void)
{
	struct report report = {.kind = REPORT_LOG, .progress = -1};
	auto_report struct report got = {0}, full = {0};
	auto_buf struct buf dropped = BUF_EMPTY;

	strcpy(report.message, "a\nb\tc\x7f" "d\xff\xc3(\xed\xa0\x80 \xf0\x9f\x8e\xac end\xe2\x82");
	pass_on(&report, &got);
	CHECK_STR(got.message, "a b c d?" "?(??" "? \xf0\x9f\x8e\xac end?" "?");

	memset(report.message, '\xfe', sizeof(report.message) - 1);
	buf_add_str(&dropped, "[");
	for (int i = 0; i < 10000; i++)
		buf_printf(&dropped, "%s\"stream %d: %0200d\"", i ? "," : "", i, 0);
	buf_add_str(&dropped, "]");
	report.kind = REPORT_CLIP;
	report.artifact.number = 1;
	strcpy(report.artifact.filename, "clip_001.mp4");
	report.artifact.dropped = dropped.data;
	pass_on(&report, &full);
	CHECK_CONTAINS(full.artifact.dropped, "stream 199: 000");
}

#define CLIP(number, filename, size, dropped)                                                      \
	"{\"report\":\"clip\",\"clip\":{\"number\":" number ",\"filename\":\"" filename              \
	"\",\"isAudio\":false,\"method\":\"copy\",\"sizeBytes\":" size                              \
	",\"startUs\":0,\"durationUs\":1,\"hiddenHeadUs\":0,\"hiddenTailUs\":0,\"hiddenBytes\":0"   \
	",\"dropped\":" dropped "}}"

static void test_hostile_lines(void)
{
	static const char *const rows[] = {
		"",
		"null",
		"\"done\"",
		"[\"done\"]",
		"{}",
		"{\"report\":\"done\"",
		"{\"report\":\"done\"}{\"report\":\"done\"}",
		"{\"report\":\"done\"} x",
		"{\"report\":\"done\",\"report\":\"done\"}",
		"{\"report\":\"done\",\"message\":\"x\"}",
		"{\"report\":\"Done\"}",
		"{\"report\":7}",
		"{\"report\":\"phase\",\"progress\":101}",
		"{\"report\":\"phase\",\"progress\":-1}",
		"{\"report\":\"phase\",\"progress\":\"30\"}",
		"{\"report\":\"phase\",\"progress\":30.0}",
		"{\"report\":\"phase\",\"progress\":1e400}",
		"{\"report\":\"phase\",\"progress\":99999999999999999999}",
		"{\"report\":\"phase\",\"message\":\"a\\u0000b\"}",
		"{\"report\":\"phase\",\"message\":\"a\\nWatchdog: b\"}",
		"{\"report\":\"phase\",\"message\":\"\xff\"}",
		"{\"report\":\"phase\",\"work\":1}",
		"{\"report\":\"progress\"}",
		"{\"report\":\"progress\",\"work\":-1}",
		"{\"report\":\"progress\",\"work\":true}",
		"{\"report\":\"plan\",\"totalClips\":0}",
		"{\"report\":\"plan\",\"totalClips\":10001}",
		"{\"report\":\"plan\"}",
		"{\"report\":\"log\"}",
		"{\"report\":\"warning\",\"message\":\"\"}",
		"{\"report\":\"failed\",\"code\":\"IO_ERROR\"}",
		"{\"report\":\"failed\",\"code\":\"OK\",\"message\":\"x\"}",
		"{\"report\":\"failed\",\"code\":\"NOPE\",\"message\":\"x\"}",
		"{\"report\":\"failed\",\"message\":\"x\"}",
		"{\"report\":\"clip\"}",
		"{\"report\":\"done\",\"clip\":{}}",
		CLIP("0", "clip_000.mp4", "1", "[]"),
		CLIP("10001", "clip_10001.mp4", "1", "[]"),
		CLIP("1", "clip_002.mp4", "1", "[]"),
		CLIP("1", "clip_1.mp4", "1", "[]"),
		CLIP("1", "clip_001.m4a", "1", "[]"),
		CLIP("1", "../clip_001.mp4", "1", "[]"),
		CLIP("1", "clip_001.mp4", "-1", "[]"),
		CLIP("1", "clip_001.mp4", "1", "{}"),
		CLIP("1", "clip_001.mp4", "1", "[1]"),
		CLIP("1", "clip_001.mp4", "1", "[\"a\\u001bb\"]"),
		CLIP("1", "clip_001.mp4", "1", "[],\"url\":\"x\""),
	};
	static const char valid[] = CLIP("1", "clip_001.mp4", "1", "[]");
	auto_report struct report good = {0};

	/* Else each of the clip's rows could be refused for another reason. */
	CHECK_INT(report_parse(valid, strlen(valid), &good), 0);
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_report struct report got = {.progress = 77};

		if (report_parse(rows[i], strlen(rows[i]), &got) != -EINVAL)
			fprintf(stderr, "accepted: %s\n", rows[i]);
		CHECK_INT(report_parse(rows[i], strlen(rows[i]), &got), -EINVAL);
		CHECK_INT(got.progress, 77); /* nothing is written on failure */
	}
}

static void test_long_and_deep_lines(void)
{
	auto_buf struct buf line = BUF_EMPTY;
	auto_report struct report got = {0};

	buf_printf(&line, "{\"report\":\"log\",\"message\":\"%0*d\"}", ERROR_MESSAGE_SIZE - 1, 0);
	CHECK_INT(report_parse(line.data, line.len, &got), 0);
	buf_reset(&line);
	buf_printf(&line, "{\"report\":\"log\",\"message\":\"%0*d\"}", ERROR_MESSAGE_SIZE, 0);
	CHECK_INT(report_parse(line.data, line.len, &got), -EINVAL);
	/* Valid but for its length: spaces are JSON's. */
	buf_reset(&line);
	buf_printf(&line, "{\"report\":\"done\"%*s}", PROTO_LINE_MAX - 17, "");
	CHECK_INT(line.len, PROTO_LINE_MAX);
	CHECK_INT(report_parse(line.data, line.len, &got), 0);
	buf_add_str(&line, " ");
	CHECK_INT(report_parse(line.data, line.len, &got), -EINVAL);
	buf_reset(&line);
	for (int i = 0; i < 30000; i++)
		buf_add_str(&line, "[");
	CHECK_INT(report_parse(line.data, line.len, &got), -EINVAL);
}

/* Damaged lines, the same each time: nothing but acceptance or -EINVAL, and no broken memory
 * (the sanitizers' builds look). */
static void test_damaged_lines(void)
{
	static const char *const seeds[] = {
		CLIP("12", "clip_012.mp4", "99", "[\"a\",\"b\"]"),
		"{\"report\":\"progress\",\"progress\":42,\"work\":123456,\"message\":\"Exporting\"}",
		"{\"report\":\"failed\",\"code\":\"NO_SPACE\",\"message\":\"x\"}",
	};
	unsigned int random = 1, refused = 0;
	char line[512];

	for (unsigned int i = 0; i < 20000; i++) {
		const char *seed = seeds[i % SC_ARRAY_SIZE(seeds)];
		auto_report struct report got = {0};
		size_t len = strlen(seed);
		int r;

		memcpy(line, seed, len);
		for (unsigned int n = 0; n <= i % 3; n++) {
			random = random * 1103515245 + 12345;
			line[(random >> 8) % len] = (char)(random >> 16);
		}
		r = report_parse(line, len - (i % 7 ? 0 : random % len), &got);
		if (r != 0 && r != -EINVAL)
			CHECK_INT(r, -EINVAL);
		if (r == 0 && got.kind == REPORT_CLIP)
			CHECK_INT(clip_number_from_filename(got.artifact.filename),
				  got.artifact.number);
		refused += r == -EINVAL;
	}
	CHECK(refused > 10000);
}

int main(void)
{
	test_work_order();
	test_encode_defaults();
	test_bad_orders();
	test_publish_order();
	test_reports();
	test_artifact();
	test_dirty_text();
	test_hostile_lines();
	test_long_and_deep_lines();
	test_damaged_lines();
	return check_result();
}
