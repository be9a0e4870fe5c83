/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts that become requests, texts that are refused and what the refusal says, and the way back.
 */
#include "../../src/intake/parse.h"
#include "check.h"
#include "storyclip/common/macros.h"

/* What is accepted, and as which canonical text: that holds every field and every default. */
static const struct {
	const char *text, *json;
} accepted[] = {
	{"{\"uploadId\":\"a\"}",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
	{" \t\r\n{\"uploadId\" : \"a\" }\n ",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"{\"uploadId\":\"a\",\"clipDuration\":0.1,\"maxClips\":1,\"cut\":\"keyframe\"}",
	 "{\"uploadId\":\"a\",\"clipDuration\":0.1,\"maxClips\":1,\"cut\":\"keyframe\"}"},
	{"{\"uploadId\":\"a\",\"clipDuration\":3600,\"maxClips\":10000,\"cut\":\"encode\"}",
	 "{\"uploadId\":\"a\",\"clipDuration\":3600,\"maxClips\":10000,\"cut\":\"encode\","
	 "\"quality\":20,\"preset\":\"veryfast\"}"},
	{"{\"uploadId\":\"a\",\"parts\":7}", "{\"uploadId\":\"a\",\"parts\":7,\"cut\":\"exact\"}"},
	{"uploadId=a parts=10000 maxClips=3 cut=keyframe",
	 "{\"uploadId\":\"a\",\"parts\":10000,\"maxClips\":3,\"cut\":\"keyframe\"}"},
	/* the picture; `cut` may stand behind what depends on it */
	{"{\"uploadId\":\"a\",\"aspect\":\"9:16\",\"cut\":\"encode\"}",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"encode\",\"aspect\":\"9:16\","
	 "\"fit\":\"crop\",\"quality\":20,\"preset\":\"veryfast\"}"},
	{"{\"uploadId\":\"a\",\"parts\":2,\"width\":720,\"height\":1280,\"fit\":\"pad\",\"quality\":0,"
	 "\"preset\":\"ultrafast\",\"cut\":\"encode\",\"aspect\":\"09:16\"}",
	 "{\"uploadId\":\"a\",\"parts\":2,\"cut\":\"encode\",\"aspect\":\"9:16\",\"width\":720,"
	 "\"height\":1280,\"fit\":\"pad\",\"quality\":0,\"preset\":\"ultrafast\"}"},
	{"uploadId=a cut=encode parts=2 width=16 quality=51 preset=placebo",
	 "{\"uploadId\":\"a\",\"parts\":2,\"cut\":\"encode\",\"width\":16,\"quality\":51,"
	 "\"preset\":\"placebo\"}"},
	{"uploadId=a cut=encode parts=2 height=8192",
	 "{\"uploadId\":\"a\",\"parts\":2,\"cut\":\"encode\",\"height\":8192,\"quality\":20,"
	 "\"preset\":\"veryfast\"}"},
	{"uploadId=a cut=encode parts=2 aspect=16:9 width=854 height=480",
	 "{\"uploadId\":\"a\",\"parts\":2,\"cut\":\"encode\",\"aspect\":\"16:9\",\"width\":854,"
	 "\"height\":480,\"fit\":\"crop\",\"quality\":20,\"preset\":\"veryfast\"}"},
	{"{\"uploadId\":\"a\",\"clipDuration\":5.1}",
	 "{\"uploadId\":\"a\",\"clipDuration\":5.1,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"{\"uploadId\":\"a\",\"clipDuration\":1e1}",
	 "{\"uploadId\":\"a\",\"clipDuration\":10,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"{\"uploadId\":\"a\",\"clips\":[{\"start\":0,\"end\":1.5},{\"end\":2,\"start\":0.25}]}",
	 "{\"uploadId\":\"a\",\"clips\":[{\"start\":0,\"end\":1.5},{\"start\":0.25,\"end\":2}],"
	 "\"cut\":\"exact\"}"},
	{"{\"uploadId\":\"a\",\"clips\":[{\"start\":0,\"end\":1}],\"maxClips\":7}",
	 "{\"uploadId\":\"a\",\"clips\":[{\"start\":0,\"end\":1}],\"maxClips\":7,\"cut\":"
	 "\"exact\"}"},
	{"{\"uploadId\":\"a\",\"jobId\":\"J.1_x-y\",\"maxAttempts\":100,\"userId\":\"u "
	 "\\\"1\\\"\"}",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\",\"jobId\":\"J.1_"
	 "x-y\","
	 "\"maxAttempts\":100,\"userId\":\"u \\\"1\\\"\"}"},
	{"{\"uploadId\":\"\\u00e4/}{\\\\\"}",
	 "{\"uploadId\":\"\xc3\xa4/}{\\\\\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"{\"uploadId\":\"a\",\"priority\":-20,\"idempotencyKey\":\"k \\\"1\\\"\",\"deleteUpload\":true,"
	 "\"size\":1,\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF\"}",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\",\"priority\":-20,"
	 "\"idempotencyKey\":\"k \\\"1\\\"\",\"deleteUpload\":true,\"size\":1,\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"},
	{"{\"uploadId\":\"a\",\"priority\":0,\"deleteUpload\":false}",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"{\"uploadId\":\"a\",\"strict\":true}",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\",\"strict\":true}"},
	{"uploadId=a cut=smart strict=true",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"smart\",\"strict\":true}"},
	{"uploadId=a cut=keyframe strict=false",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"keyframe\",\"strict\":false}"},
	/* lines */
	{"uploadId=a priority=19 deleteUpload=true idempotencyKey=k size=9 sha256=0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
	 "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\",\"priority\":19,"
	 "\"idempotencyKey\":\"k\",\"deleteUpload\":true,\"size\":9,\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"},
	{"uploadId=a", "{\"uploadId\":\"a\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"uploadId='my video.mp4'\tclipDuration=0.5 \r",
	 "{\"uploadId\":\"my video.mp4\",\"clipDuration\":0.5,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"uploadId=\"a\\\"b\\\\c\\d\" userId=it\\'s",
	 "{\"uploadId\":\"a\\\"b\\\\c\\\\d\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\","
	 "\"userId\":\"it's\"}"},
	{"uploadId=a'b c'\"d e\"f userId=''",
	 "{\"uploadId\":\"ab cd "
	 "ef\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\",\"userId\":\"\"}"},
	{"uploadId=a=b",
	 "{\"uploadId\":\"a=b\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
	{"uploadId=a clips=0-5,7.25-12 cut=keyframe",
	 "{\"uploadId\":\"a\",\"clips\":[{\"start\":0,\"end\":5},{\"start\":7.25,\"end\":12}],"
	 "\"cut\":\"keyframe\"}"},
	{"uploadId=\xff.mp4", /* bytes that are not UTF-8 */
	 "{\"uploadId\":\"%FF.mp4\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
};

/* What is refused: the message names the field and the value, or what would do. */
static const struct {
	const char *text, *names, *also;
} refused[] = {
	{"", "uploadId", "missing"},
	{"{}", "uploadId", "missing"},
	{"{\"uploadId\":\"a\",}", "JSON", "line 1"},
	{"{\"uploadId\":\"a\"} x", "JSON", "end of file expected"},
	{"{\"uploadId\":\"a\"}{}", "JSON", ""},
	{"[1]", "JSON object", ""},
	{"hello", "hello", "key=value"},
	{"=x", "=x", "key=value"},
	{"{\"uploadId\":\"\"}", "uploadId", "empty"},
	{"{\"uploadId\":7}", "uploadId", "7"},
	{"{\"uploadId\":null}", "uploadId", "null"},
	{"{\"uploadId\":\"a\\u0000b\"}", "uploadId \"a\\u0000b\"", "NUL"},
	{"{\"uploadId\":\"a\",\"x\\u0000\":1}", "JSON", "NUL"},
	{"{\"uploadId\":\"\xff\"}", "JSON", "byte 0xff"},
	{"{\"uploadId\":\"a\",\"uploadId\":\"b\"}", "uploadId", "duplicate"},
	{"uploadId=a uploadId=b", "uploadId", "twice"},
	{"uploadId=a priority=20", "priority 20", "-20 to 19"},
	{"uploadId=a priority=-21", "priority -21", "-20 to 19"},
	{"uploadId=a deleteUpload=yes", "deleteUpload yes", "true or false"},
	{"{\"uploadId\":\"a\",\"deleteUpload\":1}", "deleteUpload 1", "true or false"},
	{"{\"uploadId\":\"a\",\"idempotencyKey\":\"\"}", "idempotencyKey", "1 to 255"},
	{"uploadId=a size=0", "size 0", "1 to"},
	{"uploadId=a sha256=abc", "sha256 'abc'", "64 hexadecimal digits"},
	{"uploadId='a", "quote", "'a"},
	{"{\"uploadId\":\"a\",\"colour\":1}", "colour", "known are uploadId"},
	{"uploadId=a colour=1", "colour", "maxAttempts"},
	{"{\"uploadId\":\"a\",\"parts\":0}", "parts 0", "1 to 10000"},
	{"{\"uploadId\":\"a\",\"parts\":10001}", "parts 10001", "1 to 10000"},
	{"uploadId=a parts=2 clipDuration=5", "clipDuration and parts", "exclude"},
	{"uploadId=a clips=0-1 parts=2", "clips and parts", "exclude"},
	{"uploadId=a aspect=9:16", "aspect has no use with cut exact", "cut encode"},
	{"uploadId=a cut=keyframe quality=20", "quality has no use with cut keyframe", "cut encode"},
	{"uploadId=a preset=fast cut=exact", "preset has no use", "leave it out"},
	{"uploadId=a width=720", "width has no use", "encode"},
	{"uploadId=a height=720", "height has no use", "encode"},
	{"uploadId=a fit=pad", "fit has no use", "encode"},
	{"uploadId=a cut=encode fit=pad", "fit has no use", "aspect"},
	{"uploadId=a cut=encode fit=pad width=720", "fit has no use", "width and height"},
	{"uploadId=a cut=encode aspect=9:16 fit=stretch", "fit 'stretch'", "crop, pad"},
	{"uploadId=a cut=encode aspect=9x16", "aspect '9x16'", "9:16"},
	{"uploadId=a cut=encode aspect=0:16", "aspect '0:16'", "1 to 100"},
	{"uploadId=a cut=encode aspect=9:101", "aspect '9:101'", "1 to 100"},
	{"uploadId=a cut=encode aspect=9:16:1", "aspect '9:16:1'", "1 to 100"},
	{"uploadId=a cut=encode aspect='9: 16'", "aspect '9: 16'", "1 to 100"},
	{"uploadId=a cut=encode aspect=4294967305:16", "aspect '4294967305:16'", "1 to 100"},
	{"{\"uploadId\":\"a\",\"cut\":\"encode\",\"aspect\":1.5}", "aspect 1.5", "string"},
	{"uploadId=a cut=encode width=721", "width 721 is odd", "720 or 722"},
	{"uploadId=a cut=encode height=8191", "height 8191 is odd", "8190 or 8192"},
	{"uploadId=a cut=encode width=14", "width 14", "even, 16 to 8192"},
	{"uploadId=a cut=encode height=8194", "height 8194", "even, 16 to 8192"},
	{"uploadId=a cut=encode width=720.5", "width 720.5", "whole number"},
	{"uploadId=a cut=encode aspect=9:16 width=720 height=720", "not of aspect 9:16", "width 406"},
	{"uploadId=a cut=encode aspect=1:100 width=720", "height 72000", "16 to 8192"},
	{"uploadId=a cut=encode aspect=1:100 height=720", "width 8", "16 to 8192"},
	{"uploadId=a cut=encode quality=52", "quality 52", "0 to 51"},
	{"uploadId=a cut=encode quality=-1", "quality -1", "0 to 51"},
	{"uploadId=a cut=encode preset=quick", "preset 'quick'", "ultrafast, superfast, veryfast"},
	{"{\"uploadId\":\"a\",\"strict\":1}", "strict 1", "true or false"},
	{"uploadId=a cut=encode strict=true", "strict", "no use with cut encode"},
	{"{\"uploadId\":\"a\",\"cut\":\"smooth\"}", "cut 'smooth' is not known",
	 "exact, smart, keyframe, encode"},
	{"uploadId=a cut=smart quality=20", "quality", "no use with cut smart"},
	{"{\"uploadId\":\"a\",\"cut\":1}", "cut", "string"},
	{"{\"uploadId\":\"a\",\"clipDuration\":0}", "clipDuration 0", "0.1 to 3600"},
	{"{\"uploadId\":\"a\",\"clipDuration\":0.0999994}", "clipDuration 0.0999994",
	 "0.1 to 3600"},
	{"{\"uploadId\":\"a\",\"clipDuration\":3600.000001}", "3600.000001", "0.1 to 3600"},
	{"{\"uploadId\":\"a\",\"clipDuration\":-5}", "clipDuration -5", "0.1 to 3600"},
	{"{\"uploadId\":\"a\",\"clipDuration\":\"5\"}", "clipDuration \"5\"", "number"},
	{"{\"uploadId\":\"a\",\"clipDuration\":true}", "clipDuration true", "number"},
	{"{\"uploadId\":\"a\",\"clipDuration\":1e300}", "clipDuration", "0.1 to 3600"},
	{"{\"uploadId\":\"a\",\"clipDuration\":1e999}", "\"clipDuration\":1e999", "overflow"},
	{"{\"uploadId\":\"a\",\"clipDuration\":NaN}", "JSON", ""},
	{"uploadId=a clipDuration=nan", "clipDuration nan", "number"},
	{"uploadId=a clipDuration=inf", "clipDuration inf", "number"},
	{"uploadId=a clipDuration=0x10", "clipDuration 0x10", "number"},
	{"uploadId=a clipDuration=5s", "clipDuration 5s", "number"},
	{"uploadId=a clipDuration=", "clipDuration", "number"},
	{"uploadId=a clipDuration=1e", "clipDuration 1e", "number"},
	{"uploadId=a clipDuration=99999999999999999999999", "clipDuration", "0.1 to 3600"},
	{"{\"uploadId\":\"a\",\"maxClips\":0}", "maxClips 0", "1 to 10000"},
	{"{\"uploadId\":\"a\",\"maxClips\":10001}", "maxClips 10001", "1 to 10000"},
	{"{\"uploadId\":\"a\",\"maxClips\":2.5}", "maxClips 2.5", "whole number"},
	{"uploadId=a maxClips=-1", "maxClips -1", "1 to 10000"},
	{"uploadId=a maxClips=3x", "maxClips 3x", "whole number"},
	{"uploadId=a maxClips=99999999999999999999999", "maxClips", "1 to 10000"},
	{"{\"uploadId\":\"a\",\"maxAttempts\":0}", "maxAttempts 0", "1 to 100"},
	{"{\"uploadId\":\"a\",\"maxAttempts\":101}", "maxAttempts 101", "1 to 100"},
	{"{\"uploadId\":\"a\",\"clips\":[]}", "clips", "1 to 10000"},
	{"{\"uploadId\":\"a\",\"clips\":{}}", "clips", "list"},
	{"{\"uploadId\":\"a\",\"clips\":[7]}", "clips[0]", "start"},
	{"{\"uploadId\":\"a\",\"clips\":[{\"start\":0}]}", "clips[0]", "end"},
	{"{\"uploadId\":\"a\",\"clips\":[{\"start\":0,\"end\":1,\"x\":2}]}", "clips[0]", "end"},
	{"{\"uploadId\":\"a\",\"clips\":[{\"start\":0,\"end\":1},{\"start\":1,\"end\":1}]}",
	 "clips[1]", "greater"},
	{"{\"uploadId\":\"a\",\"clips\":[{\"start\":-1,\"end\":1}]}", "clips[0]", "at least 0"},
	{"uploadId=a clips=5", "clips 5", "0-5"},
	{"uploadId=a clips=0-5,,1-2", "clips", "0-5"},
	{"uploadId=a clips=-1-5", "clips", "0-5"},
	{"uploadId=a clips=5-5", "clips[0]", "greater"},
	{"{\"uploadId\":\"a\",\"clipDuration\":1,\"clips\":[{\"start\":0,\"end\":1}]}",
	 "clipDuration", "exclude"},
	{"{\"uploadId\":\"a\",\"jobId\":\".x\"}", "jobId '.x'", "leading dot"},
	{"{\"uploadId\":\"a\",\"jobId\":\"../x\"}", "jobId '../x'", "1 to 64"},
	{"{\"uploadId\":\"a\",\"jobId\":\"\"}", "jobId", "1 to 64"},
	{"{\"uploadId\":\"a\",\"userId\":[[[[[[[[1]]]]]]]]}", "deeply", "8"},
};

static const struct {
	const char *text;
	int r;
	int64_t us;
} seconds[] = {
	{"0", 0, 0},
	{"5", 0, 5000000},
	{"+5.", 0, 5000000},
	{".5", 0, 500000},
	{"-1.5", 0, -1500000},
	{"00.10", 0, 100000},
	{"1e3", 0, 1000000000},
	{"1.5e-3", 0, 1500},
	{"2E+1", 0, 20000000},
	/* half up, by the decimal digits */
	{"0.0000005", 0, 1},
	{"0.0000004999999999999999999999", 0, 0},
	{"0.0333335", 0, 33334},
	{"1.0000015", 0, 1000002},
	{"33.36666666666667", 0, 33366667},
	{"1e-7", 0, 0},
	{"5e-7", 0, 1},
	{"0.00000005e1", 0, 1},
	{"1e-400", 0, 0},
	{"999999999.9999994", 0, 999999999999999},
	{"1e9", -ERANGE, 0},
	{"1e400", -ERANGE, 0},
	{"", -EINVAL, 0},
	{".", -EINVAL, 0},
	{"-", -EINVAL, 0},
	{"1.2.3", -EINVAL, 0},
	{" 1", -EINVAL, 0},
	{"1 ", -EINVAL, 0},
	{"e5", -EINVAL, 0},
	{"1e+", -EINVAL, 0},
	{"0x1", -EINVAL, 0},
	{"nan", -EINVAL, 0},
	{"inf", -EINVAL, 0},
	{"1,5", -EINVAL, 0},
};

static void check_accepted(const char *text, const char *json)
{
	auto_request struct request request = {0};
	auto_buf struct buf out = BUF_EMPTY;
	struct error e = {0};
	int r = request_parse(text, &e, &request);

	CHECK_INT(r, 0);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", text, e.message);
		return;
	}
	request_to_json(&request, &out);
	CHECK_STR(out.data, json);
}

static void check_refused(const char *text, const char *names, const char *also)
{
	auto_request struct request request = {0};
	struct error e = {0};
	int r = request_parse(text, &e, &request);

	CHECK_INT(r, -EINVAL);
	CHECK_INT(e.err, -EINVAL);
	CHECK_STR(sc_code_name(e.code), "INVALID_REQUEST");
	CHECK_CONTAINS(e.message, names);
	CHECK_CONTAINS(e.message, also);
	CHECK(!request.upload_id && !request.ranges);
}

/* A text with one long string, or of a given length. */
static void check_sizes(void)
{
	struct error e = {0};
	auto_request struct request request = {0};
	auto_free char *text = malloc(REQUEST_TEXT_MAX + 2);
	int n;

	REQUIRE(text);
	n = sprintf(text, "{\"uploadId\":\"%0*d\"}", REQUEST_STRING_MAX, 0);
	CHECK_INT(request_parse(text, &e, &request), 0);
	request_finish(&request);
	n = sprintf(text, "{\"uploadId\":\"%0*d\"}", REQUEST_STRING_MAX + 1, 0);
	CHECK_INT(request_parse(text, &e, &request), -EINVAL);
	CHECK_CONTAINS(e.message, "uploadId is too long");
	n = sprintf(text, "{\"uploadId\":\"a\"}");
	memset(text + n, ' ', REQUEST_TEXT_MAX - (size_t)n);
	text[REQUEST_TEXT_MAX] = '\0';
	CHECK_INT(request_parse(text, &e, &request), 0);
	request_finish(&request);
	strcat(text, " ");
	CHECK_INT(request_parse(text, &e, &request), -EFBIG);
	CHECK_STR(sc_code_name(e.code), "REQUEST_TOO_LARGE");
}

/* 10000 ranges are the most; each keeps its place. */
/* Beside an upload: nothing, pairs on several lines, JSON; but no other upload. */
static void check_beside(void)
{
	static const struct {
		const char *text, *json; /* NULL: refused */
	} beside[] = {
		{"", "{\"uploadId\":\"a b.mp4\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
		{" \n", "{\"uploadId\":\"a b.mp4\",\"clipDuration\":5,\"maxClips\":50,\"cut\":\"exact\"}"},
		{"clipDuration=2\nmaxClips=3\r\n",
		 "{\"uploadId\":\"a b.mp4\",\"clipDuration\":2,\"maxClips\":3,\"cut\":\"exact\"}"},
		{"{\"maxClips\":4}\n",
		 "{\"uploadId\":\"a b.mp4\",\"clipDuration\":5,\"maxClips\":4,\"cut\":\"exact\"}"},
		{"uploadId=b", NULL}, {"{\"uploadId\":\"a b.mp4\"}", NULL}, {"{", NULL}, {"{}{}", NULL},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(beside); i++) {
		auto_request struct request request = {0};
		auto_buf struct buf json = BUF_EMPTY;
		struct error e = {0};
		int r = request_parse_beside(beside[i].text, "a b.mp4", &e, &request);

		CHECK_INT(r, beside[i].json ? 0 : -EINVAL);
		if (r < 0)
			continue;
		request_to_json(&request, &json);
		CHECK_STR(json.data, beside[i].json);
	}
}

static void check_many_ranges(int n, int want)
{
	auto_request struct request request = {0};
	auto_buf struct buf text = BUF_EMPTY;
	struct error e = {0};

	buf_add_str(&text, "uploadId=a clips=");
	for (int i = 0; i < n; i++)
		buf_printf(&text, "%s%d-9", i ? "," : "", i % 8);
	CHECK_INT(request_parse(text.data, &e, &request), want);
	if (want < 0) {
		CHECK_CONTAINS(e.message, "10001");
		return;
	}
	CHECK_INT(request.n_ranges, n);
	CHECK_INT(request.ranges[n - 1].start_us, (n - 1) % 8 * 1000000);
	CHECK_INT(request.max_clips, 0);
	CHECK_INT(request.clip_duration_us, 0);
}

int main(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(accepted); i++) {
		check_accepted(accepted[i].text, accepted[i].json);
		/* What is kept is read again to the same. */
		check_accepted(accepted[i].json, accepted[i].json);
	}
	for (size_t i = 0; i < SC_ARRAY_SIZE(refused); i++)
		check_refused(refused[i].text, refused[i].names, refused[i].also);
	for (size_t i = 0; i < SC_ARRAY_SIZE(seconds); i++) {
		int64_t us = 0;

		CHECK_INT(seconds_to_us(seconds[i].text, &us), seconds[i].r);
		if (us != seconds[i].us)
			fprintf(stderr, "%s:\n", seconds[i].text);
		CHECK_INT(us, seconds[i].us);
	}
	check_sizes();
	check_beside();
	check_many_ranges(10000, 0);
	check_many_ranges(10001, -EINVAL);
	return check_result();
}
