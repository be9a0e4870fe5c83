/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is drawn: safe text, its width, bars, tables. */
#include "../../src/cli/bar.h"
#include "../../src/cli/table.h"
#include "../../src/cli/text.h"
#include "check.h"

#include <locale.h>

static void test_safe(void)
{
	static const struct {
		const char *text, *want;
		size_t cells;
	} rows[] = {
		{"plain", "plain", 5},
		{"", "", 0},
		{"\033[2Jx", "?[2Jx", 5},
		{"a\nb\tc\rd\x7f", "a?b?c?d?", 8},
		{"\xc2\x9b"
		 "2J",
		 "?2J", 3}, /* CSI as one character */
		{"bad\xff\xfe", "bad??", 5},
		{"cut\xe2\x82", "cut??", 5},                     /* a character without its end */
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", 4}, /* grüß */
		{"\xe6\x98\xa0\xe7\x94\xbb", "\xe6\x98\xa0\xe7\x94\xbb", 4}, /* two wide ones */
		{"e\xcc\x81", "e\xcc\x81", 1}, /* e and a combining accent */
		{"\xe2\x80\xae"
		 "4pm.x",
		 "?4pm.x", 6}, /* right-to-left override */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf struct buf out = BUF_EMPTY;

		buf_add_str(&out, "");
		text_add_safe(&out, rows[i].text);
		CHECK_STR(out.data, rows[i].want);
		CHECK_INT(text_width(rows[i].text), rows[i].cells);
	}
}

static void test_cut(void)
{
	static const struct {
		const char *text;
		size_t cells;
		const char *cut, *padded;
	} rows[] = {
		{"video.mp4", 9, "video.mp4", "video.mp4"},
		{"video.mp4", 12, "video.mp4", "video.mp4   "},
		{"video.mp4", 6, "video\xe2\x80\xa6", "video\xe2\x80\xa6"},
		{"video.mp4", 1, "\xe2\x80\xa6", "\xe2\x80\xa6"},
		{"video.mp4", 0, "", ""},
		/* A wide character that only half fits is left out; the column stays as wide. */
		{"\xe6\x98\xa0\xe7\x94\xbb\xe5\x83\x8f", 4, "\xe6\x98\xa0\xe2\x80\xa6",
		 "\xe6\x98\xa0\xe2\x80\xa6 "},
		{"", 3, "", "   "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf struct buf cut = BUF_EMPTY, padded = BUF_EMPTY;

		buf_add_str(&cut, "");
		buf_add_str(&padded, "");
		text_add_cut(&cut, rows[i].text, rows[i].cells);
		text_add_padded(&padded, rows[i].text, rows[i].cells);
		CHECK_STR(cut.data, rows[i].cut);
		CHECK_STR(padded.data, rows[i].padded);
		CHECK_INT(text_width(padded.data), rows[i].cells);
	}
}

static void test_json_name(void)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{"v.mp4", "v.mp4"},
		{"100%.mp4", "100%.mp4"},
		{"gr\xc3\xbc\xc3\x9f.mp4", "gr\xc3\xbc\xc3\x9f.mp4"},
		{"gr\xfc\xdf.mp4", "gr%FC%DF.mp4"},
		{"\xc0\xaf", "%C0%AF"},                   /* overlong '/' */
		{"\xed\xa0\x80", "%ED%A0%80"},            /* a surrogate */
		{"\xf4\x90\x80\x80", "%F4%90%80%80"},     /* beyond Unicode */
		{"\xf0\x9f\x8e\xac", "\xf0\x9f\x8e\xac"}, /* clapper board */
		{"x\xe2\x82", "x%E2%82"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf struct buf out = BUF_EMPTY;

		text_add_json_name(&out, rows[i].name);
		CHECK_STR(out.data, rows[i].want);
	}
}

static void test_bytes(void)
{
	static const struct {
		int64_t bytes;
		const char *want;
	} rows[] = {
		{-1, "0"},           {0, "0"},          {999, "999"},           {1000, "1.0K"},
		{1536, "1.5K"},      {10 << 20, "10M"}, {1023LL << 20, "1.0G"}, {5LL << 30, "5.0G"},
		{INT64_MAX, "8.0E"},
	};
	char out[TEXT_BYTES_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text_format_bytes(rows[i].bytes, out);
		CHECK_STR(out, rows[i].want);
	}
}

static char *bar(int percent, size_t cells)
{
	struct buf out = BUF_EMPTY;

	buf_add_str(&out, "");
	bar_add(&out, percent, cells);
	return buf_take(&out, NULL);
}

static void test_bar(bool is_utf8)
{
	static const struct {
		int percent;
		size_t cells;
		const char *utf8, *ascii;
	} rows[] = {
		{0, 6, "[    ]", "[....]"},
		{50, 6, "[\xe2\x96\x88\xe2\x96\x88  ]", "[##..]"},
		{99, 6, "[\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x89]", "[###.]"},
		{100, 6, "[\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88]", "[####]"},
		{500, 4, "[\xe2\x96\x88\xe2\x96\x88]", "[##]"},
		{-3, 4, "[  ]", "[..]"},
		{4, 6, "[\xe2\x96\x8f   ]", "[....]"},
		{50, 2, "", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_free char *got = bar(rows[i].percent, rows[i].cells);

		CHECK_STR(got, is_utf8 ? rows[i].utf8 : rows[i].ascii);
	}
}

/* No width, name or number makes a line wider than it may be. */
static void test_line_width(void)
{
	static const char *const names[] = {"v", "gr\xc3\xbc\xc3\x9f \xe6\x98\xa0\xe7\x94\xbb.mp4",
					    "a name that is longer than many terminals are wide"};
	size_t had_bar = 0;

	for (size_t width = 0; width < 200; width++) {
		for (size_t i = 0; i < 3; i++) {
			auto_buf struct buf out = BUF_EMPTY;
			struct bar_line line = {.name = names[i],
						.percent = (int)width - 1,
						.detail = "3/12 clips  Exporting clips..."};

			buf_add_str(&out, "");
			bar_line_add(&out, &line, width);
			CHECK_AT_(text_width(out.data) <= width, "%zu cells in %zu: %s",
				  text_width(out.data), width, out.data);
			had_bar += strchr(out.data, '[') != NULL;
		}
	}
	CHECK(had_bar > 300);
}

static void test_line(void)
{
	auto_buf struct buf out = BUF_EMPTY;
	struct bar_line line = {"v.mp4", 8, 42, "3/7 clips"};

	bar_line_add(&out, &line, 60);
	CHECK_STR(out.data, "v.mp4    [##########..............]  42%  3/7 clips");
	buf_reset(&out);
	bar_line_add(&out, &line, 20);
	CHECK_STR(out.data, "v.mp4     42%  3/7 ~");
	buf_reset(&out);
	line.percent = -1;
	bar_line_add(&out, &line, 60);
	CHECK_STR(out.data, "v.mp4     3/7 clips");
}

static void test_table_width(void)
{
	struct job_status jobs[2] = {
		{.id = "job_1795499905656_e2807e92",
		 .state = JOB_DONE,
		 .progress = 100,
		 .upload_id = (char *)"a directory/with a long name/and a video of a long name.mp4",
		 .total_clips = 10000,
		 .created_ms = 1},
		{.id = "mine",
		 .state = JOB_CANCELLED,
		 .upload_id = (char *)"\033[31m.mp4",
		 .total_clips = -1},
	};
	const struct job_status *rows[] = {&jobs[0], &jobs[1]};

	for (size_t width = 1; width < 160; width++) {
		struct term term = {.width = width};
		auto_buf struct buf out = BUF_EMPTY;
		size_t lines = 0;

		table_add_jobs(&out, &term, rows, 2, width % 2);
		REQUIRE(out.data != NULL);
		CHECK(strchr(out.data, '\033') == NULL);
		for (char *line = strtok(out.data, "\n"); line; line = strtok(NULL, "\n")) {
			CHECK_AT_(text_width(line) <= width, "%zu cells in %zu: %s",
				  text_width(line), width, line);
			lines++;
		}
		CHECK_INT(lines, 3);
	}
}

int main(void)
{
	REQUIRE(setlocale(LC_CTYPE, "C.UTF-8"));
	test_safe();
	test_cut();
	test_json_name();
	test_bytes();
	test_bar(true);
	test_line_width();
	test_table_width();
	/* Without UTF-8 nothing but ASCII is drawn. */
	REQUIRE(setlocale(LC_CTYPE, "C"));
	test_bar(false);
	test_line();
	test_line_width();
	return check_result();
}
