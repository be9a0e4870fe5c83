/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning: ranges tile the time line and give each frame to exactly one clip, at any frame rate.
 */
#include "../../src/media/plan.h"
#include "../../src/media/source.h"
#include "check.h"

static unsigned int n_warnings;

static void count_warning(void *context, const char *line)
{
	n_warnings++;
}

static const struct media_listener listener = {.warning = count_warning};

/* A repeatable stream of numbers; the seed is printed where a check fails. */
static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng_state >> 33) % below;
}

/* A picture of n frames; each lasts frame_ticks, or up to jitter ticks more. */
static struct media_index *make_index(size_t n, uint32_t timescale, uint32_t frame_ticks,
				      uint32_t jitter, size_t group)
{
	struct media_index *index = calloc(1, sizeof(*index));
	struct index_track *t;
	int64_t pts = 0;

	REQUIRE(index);
	index->tracks = calloc(1, sizeof(*index->tracks));
	REQUIRE(index->tracks);
	index->n_tracks = 1;
	t = index->tracks;
	t->is_video = true;
	t->timescale = timescale;
	t->n_samples = n;
	t->samples = calloc(n, sizeof(*t->samples));
	REQUIRE(t->samples);
	for (size_t i = 0; i < n; i++) {
		t->samples[i] = (struct index_sample){
			.dts = pts, .pts = pts, .size = 1, .is_sync = i % group == 0};
		pts += frame_ticks + (jitter ? rng(jitter) : 0);
	}
	t->end_dts = pts;
	REQUIRE(index_track_complete(t, pts - t->samples[n - 1].pts, 0, INT64_MAX, &listener) == 0);
	return index;
}

static int plan_clips(const struct media_index *index, enum cut_mode mode, int64_t clip_duration_us,
		      unsigned int max_clips, const struct clip_range *ranges, size_t n_ranges,
		      struct error *e, struct media_plan *ret)
{
	const struct media_split split = {.clip_duration_us = clip_duration_us,
					  .ranges = ranges,
					  .n_ranges = n_ranges,
					  .max_clips = max_clips};

	return plan_ranges(index, &listener, mode, &split, e, ret);
}

/* Each frame of the source in exactly one range, in order. Stops at the first mistake. */
static void check_tiles(const struct media_index *index, const struct media_plan *plan,
			unsigned long seed)
{
	const struct index_track *t = index_main(index);
	size_t next = 0, empty = 0;

	for (size_t i = 0; i < plan->n_ranges; i++) {
		size_t first = index_shown_from(t, plan->ranges[i].start_us);
		size_t behind = index_shown_from(t, plan->ranges[i].end_us);

		if (first != next) {
			CHECK_INT(first, next);
			fprintf(stderr, "seed %lu, range %zu\n", seed, i);
			return;
		}
		empty += behind <= first;
		next = behind;
	}
	CHECK_INT(next, t->n_shown);
	CHECK_INT(empty, 0);
	if (next != t->n_shown)
		fprintf(stderr,
			"seed %lu: %zu ranges, the last ends at %jd us; 1/%u s, end at %jd\n", seed,
			plan->n_ranges, (intmax_t)plan->ranges[plan->n_ranges - 1].end_us,
			t->timescale, (intmax_t)t->shown_end);
}

static void test_tiling(void)
{
	static const struct {
		uint32_t timescale, frame_ticks;
	} rates[] = {{30000, 1001}, {24000, 1001}, {60000, 1001}, {90000, 3003}, {25, 1},
		     {15360, 512},  {1000, 33},    {600, 20},     {48000, 1600}, {1000000, 33367}};

	for (unsigned long seed = 1; seed <= 300; seed++) {
		uint32_t timescale, frame_ticks;
		struct media_plan plan = {0};
		struct error e = {0};
		struct media_index *index;
		int64_t duration_us;

		rng_state = seed;
		timescale = rates[seed % SC_ARRAY_SIZE(rates)].timescale;
		frame_ticks = rates[seed % SC_ARRAY_SIZE(rates)].frame_ticks;
		if (seed % 3 == 0) { /* any rate at all */
			timescale = 1 + rng(100000);
			frame_ticks = 1 + timescale / (1 + rng(120));
		}
		index = make_index(1 + rng(3000), timescale, frame_ticks,
				   seed % 4 ? 0 : frame_ticks * 5, 1 + rng(100));
		duration_us = seed % 2 ? 5000000 : 100000 + rng(20000000);
		CHECK_INT(plan_clips(index, CUT_EXACT, duration_us, 0, NULL, 0, &e, &plan), 0);
		check_tiles(index, &plan, seed);
		media_plan_finish(&plan);
		CHECK_INT(plan_clips(index, CUT_KEYFRAME, duration_us, 0, NULL, 0, &e, &plan), 0);
		check_tiles(index, &plan, seed);
		for (size_t i = 0; i < plan.n_ranges; i++) {
			size_t at = index_shown_from(index->tracks, plan.ranges[i].start_us);

			CHECK(index->tracks->samples[at].is_sync);
		}
		media_plan_finish(&plan);
		index_free(index);
	}
}

/* The example of the main job: 1910 frames of 1001/30000 s in clips of 5 s. */
static void test_main_job(void)
{
	struct media_index *index = make_index(1910, 30000, 1001, 0, 47);
	struct media_plan plan = {0};
	struct error e = {0};

	CHECK_INT(plan_clips(index, CUT_EXACT, 5000000, 50, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 13);
	CHECK_INT(plan.ranges[12].start_us, 60000000);
	CHECK_INT(plan.ranges[12].end_us, 63730333);
	CHECK_INT(index_shown_from(index->tracks, plan.ranges[1].start_us), 150);
	media_plan_finish(&plan);
	CHECK_INT(plan_clips(index, CUT_EXACT, 5000000, 3, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 3);
	media_plan_finish(&plan);
	CHECK_INT(plan_clips(index, CUT_KEYFRAME, 5000000, 50, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 13);
	CHECK_INT(index_shown_from(index->tracks, plan.ranges[1].start_us), 141); /* 3 * 47 */
	media_plan_finish(&plan);
	/* 100 ms each: the last 30 ms hold no frame. A duration over the whole is one clip. */
	CHECK_INT(plan_clips(index, CUT_ENCODE, 100000, 0, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 637);
	media_plan_finish(&plan);
	CHECK_INT(plan_clips(index, CUT_EXACT, 3600000000, 0, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 1);
	media_plan_finish(&plan);
	index_free(index);
}

/* 10 s and a third of a frame: the rest holds no frame of its own and is dropped. */
static void test_short_rest(void)
{
	struct media_index *index = make_index(300, 30, 1, 0, 300);
	struct media_plan plan = {0};
	struct error e = {0};

	CHECK_INT(plan_clips(index, CUT_EXACT, 9990000, 0, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 1);
	check_tiles(index, &plan, 0);
	media_plan_finish(&plan);
	index_free(index);
}

static void test_given_ranges(void)
{
	static const struct {
		const char *what;
		struct clip_range range;
		int code; /* 0: a clip of the frames first to last */
		size_t first, last;
	} rows[] = {
		{"whole", {0, 10000000}, 0, 0, 299},
		{"one frame", {1000000, 1033333}, 0, 30, 30},
		{"begins right behind a frame", {1000001, 1100000}, 0, 31, 32},
		{"printed time of frame 1", {33333, 66666}, 0, 1, 1},
		{"end rounded up by a millisecond", {9000000, 10001000}, 0, 270, 299},
		{"end a frame too late", {9000000, 10033333}, 0, 270, 299},
		{"end two frames too late", {9000000, 10067000}, SC_RANGE_BEYOND_END, 0, 0},
		{"begins at the end", {10000000, 10020000}, SC_RANGE_BEYOND_END, 0, 0},
		{"far beyond", {50000000, 60000000}, SC_RANGE_BEYOND_END, 0, 0},
		{"between two frames", {1000001, 1033332}, SC_NO_CLIPS, 0, 0},
		{"backwards", {2000000, 1000000}, SC_INVALID_REQUEST, 0, 0},
		{"negative", {-5, 1000000}, SC_INVALID_REQUEST, 0, 0},
	};
	struct media_index *index = make_index(300, 30, 1, 0, 50);

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		struct media_plan plan = {0};
		struct error e = {0};
		int r = plan_clips(index, CUT_EXACT, 0, 0, &rows[i].range, 1, &e, &plan);
		int before = check_failures;

		CHECK_INT(r == 0 ? 0 : e.code, rows[i].code);
		if (r == 0 && !rows[i].code) {
			CHECK_INT(index_shown_from(index->tracks, plan.ranges[0].start_us),
				  rows[i].first);
			CHECK_INT(index_shown_from(index->tracks, plan.ranges[0].end_us) - 1,
				  rows[i].last);
		}
		if (check_failures != before)
			fprintf(stderr, "row: %s: %s\n", rows[i].what, e.message);
		media_plan_finish(&plan);
	}
	index_free(index);
}

/* A range without a frame beside good ones is dropped, and told. */
static void test_dropped_range(void)
{
	const struct clip_range ranges[] = {{0, 1000000}, {1000001, 1033332}, {5000000, 6000000}};
	struct media_index *index = make_index(300, 30, 1, 0, 50);
	struct media_plan plan = {0};
	struct error e = {0};

	n_warnings = 0;
	CHECK_INT(plan_clips(index, CUT_EXACT, 0, 0, ranges, 3, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 2);
	CHECK_INT(plan.ranges[1].start_us, 5000000);
	CHECK_INT(n_warnings, 1);
	media_plan_finish(&plan);
	CHECK_INT(plan_clips(index, CUT_EXACT, 0, 1, ranges, 3, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 1);
	media_plan_finish(&plan);
	index_free(index);
}

/* Keyframes at 0, 5/3, 10/3 … s: bounds move to the one at or before; nothing is cut twice. */
static void test_given_keyframes(void)
{
	const struct clip_range tiling[] = {{0, 500000}, {500000, 2000000}, {2000000, 4000000}};
	const struct clip_range alone = {500000, 600000};
	struct media_index *index = make_index(300, 30, 1, 0, 50);
	struct media_plan plan = {0};
	struct error e = {0};

	CHECK_INT(plan_clips(index, CUT_KEYFRAME, 0, 0, tiling, 3, &e, &plan), 0);
	REQUIRE(plan.n_ranges == 2);
	CHECK_INT(plan.ranges[0].start_us, 0);
	CHECK_INT(plan.ranges[0].end_us, 1666667);
	CHECK_INT(plan.ranges[1].start_us, 1666667);
	CHECK_INT(plan.ranges[1].end_us, 3333333);
	media_plan_finish(&plan);
	CHECK_INT(plan_clips(index, CUT_KEYFRAME, 0, 0, &alone, 1, &e, &plan), 0);
	REQUIRE(plan.n_ranges == 1);
	CHECK_INT(plan.ranges[0].start_us, 0);
	CHECK_INT(plan.ranges[0].end_us, 1666667);
	/* What planning has moved stays where it is when the clips are cut. */
	CHECK_INT(plan_keyframe_at(index->tracks, 1666667), 50);
	CHECK_INT(plan_keyframe_at(index->tracks, 1666666), 0);
	CHECK_INT(plan_keyframe_at(index->tracks, plan.ranges[0].end_us), 50);
	media_plan_finish(&plan);
	index_free(index);
}

static void test_limit(void)
{
	struct media_index *index = make_index(40000, 30, 1, 0, 50);
	struct media_plan plan = {0};
	struct error e = {0};

	CHECK(plan_clips(index, CUT_EXACT, 100000, 0, NULL, 0, &e, &plan) < 0);
	CHECK_INT(e.code, SC_LIMIT_EXCEEDED);
	CHECK_INT(plan_clips(index, CUT_EXACT, 100000, 10000, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 10000);
	media_plan_finish(&plan);
	index_free(index);
}

/* Sound alone is cut anywhere, but not into less than a packet. */
static void test_sound(void)
{
	struct media_index *index = make_index(469, 48000, 1024, 0, 1);
	struct index_track *t = index->tracks;
	const struct clip_range short_one = {1000000, 1010000};
	struct media_plan plan = {0};
	struct error e = {0};

	t->is_video = false; /* 10.005 s */
	CHECK_INT(plan_clips(index, CUT_EXACT, 5000000, 0, NULL, 0, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 2);
	media_plan_finish(&plan);
	CHECK(plan_clips(index, CUT_EXACT, 0, 0, &short_one, 1, &e, &plan) < 0);
	CHECK_INT(e.code, SC_NO_CLIPS);
	index_free(index);
}

/* To the nearest microsecond and back: no tick is lost, order is kept. */
static void test_times(void)
{
	for (unsigned long seed = 1; seed <= 20000; seed++) {
		uint32_t timescale;
		int64_t tick;

		rng_state = seed;
		timescale = 1 + rng(999999);
		tick = (int64_t)rng(2000000000) - 1000000000;
		if (index_us_to_ticks_up(index_ticks_to_us(tick, timescale), timescale) == tick)
			continue;
		CHECK_INT(index_us_to_ticks_up(index_ticks_to_us(tick, timescale), timescale),
			  tick);
		fprintf(stderr, "tick %jd of 1/%u s\n", (intmax_t)tick, timescale);
		return;
	}
	CHECK_INT(index_ticks_to_us(1, 3), 333333);
	CHECK_INT(index_ticks_to_us(2, 3), 666667);
	CHECK_INT(index_ticks_to_us(-1, 3), -333333);
	CHECK_INT(index_rescale(-5, 1, 2), -3);
	CHECK_INT(index_rescale(INT64_MAX / 90000, 90000, 1), INT64_MAX / 90000 * 90000);
}

int main(void)
{
	test_tiling();
	test_main_job();
	test_short_rest();
	test_given_ranges();
	test_dropped_range();
	test_given_keyframes();
	test_limit();
	test_sound();
	test_times();
	return check_result();
}
