/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../src/cli/times.h"
#include "check.h"

#include <errno.h>

static void test_durations(void)
{
	static const struct {
		const char *text;
		int want;
		int64_t us;
	} rows[] = {
		{"5", 0, 5000000},
		{"0", 0, 0},
		{"2.5", 0, 2500000},
		{"0.1", 0, 100000},
		{"0.0000019", 0, 1},
		{"90s", 0, 90000000},
		{"500ms", 0, 500000},
		{"0.5ms", 0, 500},
		{"3m", 0, 180000000},
		{"1.5h", 0, 5400000000},
		{"1:30", 0, 90000000},
		{"1:30.25", 0, 90250000},
		{"01:02:03", 0, 3723000000},
		{"100:00", 0, 6000000000},
		{"1000000000", 0, 1000000000000000},
		{"1000000000.000001", -ERANGE, 0},
		{"1000000001", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"300000h", -ERANGE, 0},
		{"1:60", -EINVAL, 0},
		{"1:00:00:00", -EINVAL, 0},
		{"1:30s", -EINVAL, 0},
		{"", -EINVAL, 0},
		{".5", -EINVAL, 0},
		{"5.", -EINVAL, 0},
		{"5 ", -EINVAL, 0},
		{" 5", -EINVAL, 0},
		{"-5", -EINVAL, 0},
		{"+5", -EINVAL, 0},
		{"5x", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"nan", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t us = -1;
		int r = times_parse_duration(rows[i].text, &us);

		CHECK_AT_(r == rows[i].want, "'%s' gives %d, not %d", rows[i].text, r,
			  rows[i].want);
		if (r == 0)
			CHECK_AT_(us == rows[i].us, "'%s' is %" PRId64 " us, not %" PRId64,
				  rows[i].text, us, rows[i].us);
		else
			CHECK_INT(us, -1);
	}
}

static void test_ranges(void)
{
	static const struct {
		const char *text;
		int want;
		size_t bad_at;
	} rows[] = {
		{"5-3", -ERANGE, 0},     {"5-5", -ERANGE, 0},      {"0-5,9-8", -ERANGE, 4},
		{"", -EINVAL, 0},        {"5", -EINVAL, 0},        {"5-", -EINVAL, 0},
		{"-5", -EINVAL, 0},      {"0-5,", -EINVAL, 4},     {",0-5", -EINVAL, 0},
		{"0-5 7-9", -EINVAL, 0}, {"0-5,,7-9", -EINVAL, 4}, {"0-5,7-9x", -EINVAL, 4},
		{"0-5-7", -EINVAL, 0},
	};
	struct clip_range *ranges = NULL;
	const char *bad;
	size_t n = 0;

	REQUIRE(times_parse_ranges("0-5,7-12.5,1:00-1:30", &ranges, &n, &bad) == 0);
	REQUIRE(n == 3);
	CHECK_INT(ranges[0].start_us, 0);
	CHECK_INT(ranges[0].end_us, 5000000);
	CHECK_INT(ranges[1].start_us, 7000000);
	CHECK_INT(ranges[1].end_us, 12500000);
	CHECK_INT(ranges[2].start_us, 60000000);
	CHECK_INT(ranges[2].end_us, 90000000);
	free(ranges);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = times_parse_ranges(rows[i].text, &ranges, &n, &bad);

		CHECK_AT_(r == rows[i].want, "'%s' gives %d, not %d", rows[i].text, r,
			  rows[i].want);
		CHECK_INT(bad - rows[i].text, rows[i].bad_at);
	}
}

static void test_range_count(void)
{
	static char text[(REQUEST_MAX_CLIPS + 1) * 4 + 1];
	struct clip_range *ranges = NULL;
	const char *bad;
	size_t n = 0;

	for (size_t i = 0; i < REQUEST_MAX_CLIPS + 1; i++)
		memcpy(text + i * 4, "0-1,", 4);
	text[REQUEST_MAX_CLIPS * 4 + 3] = '\0';
	CHECK_INT(times_parse_ranges(text, &ranges, &n, &bad), -E2BIG);
	text[REQUEST_MAX_CLIPS * 4 - 1] = '\0';
	REQUIRE(times_parse_ranges(text, &ranges, &n, &bad) == 0);
	CHECK_INT(n, REQUEST_MAX_CLIPS);
	free(ranges);
}

static void test_utc(void)
{
	static const char *const wrong[] = {
		"",
		"2026-11-24",
		"2026-11-24T00:01:02",
		"2026-11-24T00:01:02.3Z",
		"2026-11-24T00:01:02.345",
		"2026-13-24T00:01:02Z",
		"2026-11-24T00:01:02.345Zx",
		"1969-11-24T00:01:02Z",
	};
	int64_t ms = 0;

	CHECK_INT(times_parse_utc("1970-01-01T00:00:00.000Z", &ms), 0);
	CHECK_INT(ms, 0);
	CHECK_INT(times_parse_utc("2026-11-24T00:01:02.345Z", &ms), 0);
	CHECK_INT(ms, 1795478462345);
	CHECK_INT(times_parse_utc("2026-11-24T00:01:02Z", &ms), 0);
	CHECK_INT(ms, 1795478462000);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_AT_(times_parse_utc(wrong[i], &ms) == -EINVAL, "'%s' was taken", wrong[i]);
}

static void test_age(void)
{
	char age[TIMES_AGE_SIZE];

	times_format_age(-5000, age);
	CHECK_STR(age, "0s");
	times_format_age(59999, age);
	CHECK_STR(age, "59s");
	times_format_age(60000, age);
	CHECK_STR(age, "1m");
	times_format_age(2 * 3600 * 1000 - 1, age);
	CHECK_STR(age, "1h");
	times_format_age(86400LL * 1000 * 400, age);
	CHECK_STR(age, "400d");
	times_format_age(INT64_MAX, age);
	CHECK_CONTAINS(age, "d");
}

int main(void)
{
	test_durations();
	test_ranges();
	test_range_count();
	test_utc();
	test_age();
	return check_result();
}
