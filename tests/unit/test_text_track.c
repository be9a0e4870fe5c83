/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Subtitles: the words out of other formats, cues at the same time, and what a clip shows of them.
 */
#include "../../src/media/index/text_track.h"
#include "check.h"

#define SECOND 1000000

static void check_words(void (*read)(const char *, size_t, struct buf *), const char *text,
			const char *want)
{
	auto_buf struct buf b = BUF_EMPTY;

	read(text, strlen(text), &b);
	buf_add(&b, "", 1);
	CHECK_STR(b.data, want);
}

static void test_words(void)
{
	check_words(text_from_subrip, "<i>One</i> < {\\an8}two\r\nthree\r\n", "One < two\nthree");
	check_words(text_from_subrip, "not <ended {\\nor", "not <ended {\\nor");
	check_words(text_from_webvtt, "<v Ann>R&amp;D</v> &lt;b&gt; &unknown;\n\n",
		    "R&D <b> &unknown;");
	check_words(text_from_ass, "0,0,Default,,0,0,0,,{\\b1}Up\\Ndown, {\\p1}m 0 0{\\p0}on",
		    "Up\ndown, on");
	check_words(text_from_ass, "too,few,fields", "");
	check_words(text_from_ass, "0,0,D,,0,0,0,,", "");
}

static void add(struct text_track *t, int64_t start, int64_t end, const char *text)
{
	CHECK_INT(text_track_add_plain(t, start, end, text, strlen(text)), 0);
}

static void check_cue(const struct text_track *t, size_t i, int64_t start, int64_t end,
		      const char *text)
{
	REQUIRE(i < t->n_cues);
	CHECK_INT(t->cues[i].start, start);
	CHECK_INT(t->cues[i].end, end);
	CHECK_INT(t->cues[i].len, strlen(text) + 2);
	CHECK(!memcmp(t->bytes.data + t->cues[i].at + 2, text, strlen(text)));
}

static void test_at_once(void)
{
	struct text_track t = {0};

	add(&t, 12 * SECOND, 14 * SECOND, "second");
	add(&t, 10 * SECOND, 13 * SECOND, "first");
	add(&t, 20 * SECOND, TEXT_END_UNKNOWN, "open");
	add(&t, 22 * SECOND, 23 * SECOND, "next");
	add(&t, 30 * SECOND, 30 * SECOND, "never");
	add(&t, 31 * SECOND, 32 * SECOND, "");
	REQUIRE(text_track_complete(&t, 10 * SECOND) == 0);
	CHECK_INT(t.n_cues, 5);
	check_cue(&t, 0, 0, 2 * SECOND, "first");
	check_cue(&t, 1, 2 * SECOND, 3 * SECOND, "first\nsecond");
	check_cue(&t, 2, 3 * SECOND, 4 * SECOND, "second");
	check_cue(&t, 3, 10 * SECOND, 12 * SECOND, "open");
	check_cue(&t, 4, 12 * SECOND, 13 * SECOND, "next");
	text_track_finish(&t);
}

/* A clip's samples follow each other from 0 to its end, whatever its range. */
static void test_cut(void)
{
	struct text_track t = {0};

	add(&t, 2 * SECOND, 4 * SECOND, "a");
	add(&t, 4 * SECOND, 5 * SECOND, "bb");
	add(&t, 10LL * 3600 * SECOND, 30LL * 3600 * SECOND, "very long");
	REQUIRE(text_track_complete(&t, 0) == 0);
	for (int64_t start = 0; start < 7 * SECOND; start += SECOND / 2)
		for (int64_t end = start + SECOND / 4; end < 8 * SECOND; end += SECOND / 4) {
			auto_buf struct buf bytes = BUF_EMPTY;
			struct mp4_out_sample *samples = NULL;
			struct mp4_out_track out;
			int64_t shown = 0, from = start > 2 * SECOND ? start : 2 * SECOND,
				to = end < 5 * SECOND ? end : 5 * SECOND;

			REQUIRE(text_track_cut(&t, start, end, 1000, &bytes, &out, &samples) == 0);
			CHECK_INT(out.samples[0].dts, 0);
			CHECK_INT(out.shown_end, (end - start) * 9 / 100);
			for (size_t i = 0; i < out.n_samples; i++) {
				int64_t next =
					i + 1 < out.n_samples ? samples[i + 1].dts : out.end_dts;

				CHECK(next > samples[i].dts);
				CHECK(samples[i].offset - 1000 + samples[i].size <=
				      (int64_t)bytes.len);
				shown += samples[i].size > 2 ? next - samples[i].dts : 0;
			}
			CHECK_INT(shown, to > from ? (to - from) * 9 / 100 : 0);
			free(samples);
		}
	text_track_finish(&t);
}

/* Durations are numbers of 32 bits. */
static void test_long(void)
{
	struct text_track t = {0};
	auto_buf struct buf bytes = BUF_EMPTY;
	struct mp4_out_sample *samples = NULL;
	struct mp4_out_track out;

	add(&t, 20LL * 3600 * SECOND, 40LL * 3600 * SECOND, "very long");
	REQUIRE(text_track_complete(&t, 0) == 0);
	REQUIRE(text_track_cut(&t, 0, 50LL * 3600 * SECOND, 0, &bytes, &out, &samples) == 0);
	for (size_t i = 0; i < out.n_samples; i++)
		CHECK((i + 1 < out.n_samples ? samples[i + 1].dts : out.end_dts) - samples[i].dts <=
		      INT32_MAX);
	CHECK_INT(out.end_dts, 50LL * 3600 * 90000);
	free(samples);
	text_track_finish(&t);
}

static void test_bounds(void)
{
	static char many[70000];
	struct text_track t = {0};

	memset(many, 'x', sizeof(many));
	memcpy(many + 65534, "\xe2\x80\x8e", 3);
	CHECK_INT(text_track_add_plain(&t, 0, SECOND, many, sizeof(many)), 0);
	CHECK_INT(t.cues[0].len, 65534 + 2);
	for (int i = 1; i < 80 && !t.is_too_large; i++)
		CHECK_INT(text_track_add_plain(&t, i * SECOND, (i + 1) * SECOND, many, 65000), 0);
	CHECK(t.is_too_large);
	CHECK(t.bytes.len <= TEXT_MAX_BYTES);
	text_track_finish(&t);
}

int main(void)
{
	test_words();
	test_at_once();
	test_cut();
	test_long();
	test_bounds();
	return check_result();
}
