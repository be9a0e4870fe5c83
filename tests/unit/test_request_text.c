/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes written to a control file, cut into requests: wherever the writes are cut, the same come
 * out. */
#include "check.h"
#include "storyclip/intake.h"

#define TOO_LARGE 65536

/* What is written, and what comes out: requests each ended by '|', "!" for -EINVAL. */
static const struct {
	const char *written, *got, *got_at_flush;
} rows[] = {
	{"", "", ""},
	{"{}", "{}|", ""},
	{"{\"a\":1}\n", "{\"a\":1}|", ""},
	{"a=1\n", "a=1|", ""},
	{"a=1", "", "a=1|"},
	{"a=1\r\n\r\n\n  \nb=2\n", "a=1\r|b=2|", ""},
	{"{\"a\":\n[{}, {\"b\":[]}]\r\n}\r\n", "{\"a\":\n[{}, {\"b\":[]}]\r\n}|", ""},
	{"{\"}\":\"{\\\"}\"}\n", "{\"}\":\"{\\\"}\"}|", ""},
	{"{\"a\":\"\\\\\"}{\"b\":2}\na=3\n", "{\"a\":\"\\\\\"}|{\"b\":2}|a=3|", ""},
	{"{\"a\":1", "", "!"},
	{"{\"a\":\"}", "", "!"},
	{"{\"a\":1}\n{\"b\"", "{\"a\":1}|", "!"},
	{"hello\n[1,2]\n", "hello|[1,2]|", ""},
	{"{]\n", "{]|", ""}, /* whatever it is, it ends: the parser refuses it */
};

/* Everything that can be taken now, as in `rows`. */
static void take_all(struct request_text *text, bool is_flush, struct buf *out)
{
	for (;;) {
		struct error e = {0};
		char *request = NULL;
		int r = request_text_next(text, is_flush, &e, &request);

		if (r == 0)
			return;
		if (r < 0) {
			CHECK_INT(r, -EINVAL);
			CHECK_STR(sc_code_name(e.code), "INVALID_REQUEST");
			buf_add_str(out, "!");
			continue;
		}
		buf_add_str(out, request);
		buf_add_str(out, "|");
		free(request);
	}
}

static void check_row(size_t i, size_t step)
{
	auto_of(request_text) struct request_text *text = NULL;
	auto_buf struct buf got = BUF_EMPTY, at_flush = BUF_EMPTY;
	size_t len = strlen(rows[i].written);
	struct error e = {0};

	REQUIRE(request_text_create(&text) == 0);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		CHECK_INT(request_text_add(text, rows[i].written + at, n, &e), 0);
		take_all(text, false, &got);
	}
	take_all(text, true, &at_flush);
	CHECK_STR(got.data ? got.data : "", rows[i].got);
	CHECK_STR(at_flush.data ? at_flush.data : "", rows[i].got_at_flush);
	/* and it is as new afterwards */
	buf_reset(&got);
	CHECK_INT(request_text_add(text, "z=1\n", 4, &e), 0);
	take_all(text, true, &got);
	CHECK_STR(got.data, "z=1|");
}

/* Bytes behind the brace that came with it are not dropped in silence. */
static void check_garbage(void)
{
	auto_of(request_text) struct request_text *text = NULL;
	auto_buf struct buf got = BUF_EMPTY;
	struct error e = {0};
	const char *written = "{\"a\":1} oops\nb=2\n";

	REQUIRE(request_text_create(&text) == 0);
	CHECK_INT(request_text_add(text, written, strlen(written), &e), 0);
	take_all(text, false, &got);
	CHECK_STR(got.data, "{\"a\":1} oops|b=2|");
}

static void check_nul(void)
{
	auto_of(request_text) struct request_text *text = NULL;
	auto_buf struct buf got = BUF_EMPTY;
	struct error e = {0};

	REQUIRE(request_text_create(&text) == 0);
	CHECK_INT(request_text_add(text, "{\"a\0\":1}\nb=\0\nc=3\n", 18, &e), 0);
	take_all(text, false, &got);
	CHECK_STR(got.data, "!!c=3|");
}

/* The bound holds for a request, not for all that is written through one descriptor. */
static void check_bound(const char *begin, char fill)
{
	auto_of(request_text) struct request_text *text = NULL;
	auto_buf struct buf got = BUF_EMPTY;
	struct error e = {0};
	int r = 0;
	size_t n = strlen(begin);

	REQUIRE(request_text_create(&text) == 0);
	for (int i = 0; i < 20000; i++)
		CHECK_INT(request_text_add(text, "a=1234\n", 7, &e), 0);
	take_all(text, false, &got);
	CHECK_INT(got.len, 20000 * 7);
	CHECK_INT(request_text_add(text, begin, n, &e), 0);
	for (; n <= TOO_LARGE && r == 0; n++) {
		r = request_text_add(text, &fill, 1, &e);
		if (r < 0)
			CHECK_INT(n, TOO_LARGE);
	}
	CHECK_INT(r, -EFBIG);
	CHECK_STR(sc_code_name(e.code), "REQUEST_TOO_LARGE");
	buf_reset(&got);
	CHECK_INT(request_text_add(text, "b=1\n", 4, &e), 0);
	take_all(text, true, &got);
	CHECK_STR(got.data, "b=1|");
}

int main(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++)
		for (size_t step = 1; step <= 64; step *= 2)
			check_row(i, step);
	check_garbage();
	check_nul();
	check_bound("{\"a\":\"", 'x');
	check_bound("a=", 'x');
	return check_result();
}
