/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parts over made-up indexes of random frame rates: they tile the time line, each frame lies in
 * exactly one, and in the one that rational arithmetic gives it.
 */
#include "../../src/media/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/media/source.h"
#include "check.h"

#define ROUNDS    4000
#define SEED_NAME "STORYCLIP_SEED"

struct random {
	uint64_t state;
};

/* xorshift64*: the same row of numbers everywhere. From 0 to below n. */
static uint64_t random_below(struct random *random, uint64_t n)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return (random->state * UINT64_C(2685821657736338717) >> 11) % n;
}

static const struct media_listener deaf;

/* A picture of up to 400 frames at a steady or a varying rate. */
static struct index_track make_track(struct random *random)
{
	static const struct {
		uint32_t timescale, ticks;
	} rates[] = {
		{24, 1},       {25, 1},    {30000, 1001}, {60000, 1001},   {24000, 1001},
		{90000, 3003}, {1000, 33}, {12800, 512},  {1000000, 7},    {10000000, 3},
		{15, 1},       {48000, 1}, {3, 7},        {705600000, 11}, {600, 20},
	};
	size_t rate = random_below(random, SC_ARRAY_SIZE(rates));
	size_t n = 1 + random_below(random, 400);
	bool varies = random_below(random, 3) == 0;
	struct index_track t = {.is_video = true,
				.timescale = rates[rate].timescale,
				.frame_ticks = rates[rate].ticks,
				.shown = calloc(n, sizeof(int64_t)),
				.n_shown = n};
	int64_t at = random_below(random, 4) ? 0 : (int64_t)random_below(random, t.timescale * 3);

	REQUIRE(t.shown);
	t.shown_start = at;
	for (size_t i = 0; i < n; i++) {
		t.shown[i] = at;
		at += t.frame_ticks * (varies ? 1 + (int64_t)random_below(random, 9) : 1);
	}
	t.shown_end = at;
	return t;
}

/* Microseconds tell the frames apart (else no range in them can). */
static bool frames_are_distinct(const struct index_track *t)
{
	for (size_t i = 1; i < t->n_shown; i++)
		if (index_ticks_to_us(t->shown[i - 1], t->timescale) ==
		    index_ticks_to_us(t->shown[i], t->timescale))
			return false;
	return true;
}

/* Ranges follow each other, and from the first to the last no frame is outside of them. */
static void check_tiling(const struct index_track *t, const struct media_plan *plan)
{
	size_t next = 0;

	for (size_t i = 0; i < plan->n_ranges; i++) {
		size_t first = index_shown_from(t, plan->ranges[i].start_us);
		size_t behind = index_shown_from(t, plan->ranges[i].end_us);

		CHECK(plan->ranges[i].start_us < plan->ranges[i].end_us);
		CHECK_INT(first, next);
		CHECK(behind > first);
		next = behind;
	}
	CHECK_INT(next, t->n_shown);
}

/* Frame i is in part floor(pts * parts / end). */
static void check_parts(const struct index_track *t, const struct media_plan *plan,
			unsigned int parts)
{
	int64_t before = -1;

	for (size_t i = 0; i < plan->n_ranges; i++) {
		size_t first = index_shown_from(t, plan->ranges[i].start_us);
		size_t behind = index_shown_from(t, plan->ranges[i].end_us);
		int64_t part = (int64_t)((__int128)t->shown[first] * parts / t->shown_end);

		CHECK(part > before);
		for (size_t k = first; k < behind; k++)
			CHECK_INT((__int128)t->shown[k] * parts / t->shown_end, part);
		before = part;
	}
}

static void run_round(struct random *random)
{
	struct index_track t = make_track(random);
	struct media_index index = {.tracks = &t, .n_tracks = 1};
	struct media_split split = {0};
	struct media_plan plan = {0};
	struct error e = {0};

	split.parts = 1 + (unsigned int)random_below(random, random_below(random, 2) ? 500 : 12);
	CHECK_INT(plan_ranges(&index, &deaf, CUT_EXACT, &split, &e, &plan), 0);
	check_tiling(&t, &plan);
	if (frames_are_distinct(&t))
		check_parts(&t, &plan, split.parts);
	media_plan_finish(&plan);
	free(t.shown);
}

/* Parts of known videos: how many, and where they begin. */
static void test_known_parts(void)
{
	int64_t shown[10];
	struct index_track t = {.is_video = true,
				.timescale = 30000,
				.frame_ticks = 1001,
				.shown = shown,
				.n_shown = 10,
				.shown_end = 10010};
	struct media_index index = {.tracks = &t, .n_tracks = 1};
	static const struct {
		unsigned int parts, max_clips;
		size_t n;
		int64_t second_us; /* where the second begins */
	} rows[] = {
		{1, 0, 1, 0},       {2, 0, 2, 166833}, {3, 0, 3, 111222},
		{10, 0, 10, 33367}, {3, 2, 2, 111222}, {10000, 0, 10, 33367},
	};

	for (int i = 0; i < 10; i++)
		shown[i] = i * 1001;
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		const struct media_split split = {.parts = rows[i].parts,
						  .max_clips = rows[i].max_clips};
		struct media_plan plan = {0};
		struct error e = {0};

		CHECK_INT(plan_ranges(&index, &deaf, CUT_EXACT, &split, &e, &plan), 0);
		CHECK_INT(plan.n_ranges, rows[i].n);
		CHECK_INT(plan.ranges[0].start_us, 0);
		if (rows[i].n > 1)
			CHECK_INT(plan.ranges[1].start_us, rows[i].second_us);
		media_plan_finish(&plan);
	}
}

/* Sound alone is tiled to the sample. */
static void test_sound_parts(void)
{
	struct index_track t = {.timescale = 44100, .frame_ticks = 1024, .shown_end = 441001};
	struct media_index index = {.tracks = &t, .n_tracks = 1};
	const struct media_split split = {.parts = 7};
	struct media_plan plan = {0};
	struct error e = {0};

	CHECK_INT(plan_ranges(&index, &deaf, CUT_EXACT, &split, &e, &plan), 0);
	CHECK_INT(plan.n_ranges, 7);
	for (size_t i = 1; i < plan.n_ranges; i++)
		CHECK_INT(plan.ranges[i].start_us, plan.ranges[i - 1].end_us);
	CHECK_INT(index_us_to_ticks_up(plan.ranges[6].end_us, t.timescale), t.shown_end);
	media_plan_finish(&plan);
}

int main(void)
{
	const char *seed = getenv(SEED_NAME);
	struct random random = {seed ? strtoull(seed, NULL, 10) | 1 : 88172645463325253};

	printf("%s=%llu\n", SEED_NAME, (unsigned long long)random.state);
	for (int i = 0; i < ROUNDS; i++)
		run_round(&random);
	test_known_parts();
	test_sound_parts();
	return check_result();
}
