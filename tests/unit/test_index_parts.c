/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edit lists made to take much: what their parts take has an end, and so have their times. */
#include "../../src/media/index/index_parts.h"

#include <errno.h>

#include "../../src/media/index/index.h"
#include "../../src/media/mp4/reader.h"
#include "check.h"

#define SAMPLES 200
#define TICKS   1024
#define PARTS   50

static const struct media_listener deaf;

/* Sound whose list has this part so many times. */
static int complete(struct edit_part part, size_t n_parts, size_t *samples_left)
{
	struct index_track track = {.timescale = 48000};
	struct mp4_sample samples[SAMPLES] = {0};
	struct edit_part parts[PARTS];
	int r;

	track.samples = calloc(SAMPLES + 1, sizeof(*track.samples));
	REQUIRE(track.samples);
	track.n_samples = SAMPLES;
	for (size_t i = 0; i < SAMPLES; i++) {
		samples[i].duration = TICKS;
		track.samples[i] = (struct index_sample){.dts = (int64_t)i * TICKS,
							 .pts = (int64_t)i * TICKS};
	}
	for (size_t i = 0; i < n_parts; i++) {
		parts[i] = part;
		parts[i].delay = (int64_t)i * part.duration;
	}
	r = index_parts_complete(&track, samples, parts, n_parts, samples_left, &deaf);
	index_track_finish(&track);
	return r;
}

static void test_bounds(void)
{
	const struct edit_part shown = {.media_time = 0, .duration = 10 * TICKS},
			       behind = {.media_time = 1000 * TICKS, .duration = 10 * TICKS};
	size_t left = 1000;

	CHECK_INT(complete(shown, 4, &left), 0);
	CHECK_INT(left, 1000 - 4 * 10);
	CHECK_INT(complete(shown, PARTS, &(size_t){PARTS * 10 - 1}), -E2BIG);
	/* Nothing is shown of these, but each is looked at. */
	CHECK_INT(complete(behind, 2, &left), -ENODATA);
	CHECK_INT(complete(behind, PARTS, &left), -E2BIG);
}

static void test_times(void)
{
	struct mp4_edit edits[] = {
		{.duration = UINT64_MAX, .media_time = -1},
		{.duration = UINT64_MAX / 3, .media_time = INT64_MAX, .is_normal_speed = true},
		{.duration = 1, .media_time = 5, .is_normal_speed = true}};
	const struct mp4_track t = {
		.timescale = UINT32_MAX, .edits = edits, .n_edits = SC_ARRAY_SIZE(edits)};
	const struct mp4_file file = {.timescale = 1};
	struct edit_part *parts = NULL;
	size_t n = 0;

	CHECK_INT(edit_parts_read(&file, &t, &parts, &n), 0);
	CHECK(n >= 1);
	for (size_t i = 0; i < n; i++) {
		CHECK(parts[i].delay >= 0 && parts[i].delay <= INT64_MAX / 4);
		CHECK(parts[i].duration >= 0 && parts[i].duration <= INT64_MAX / 4);
	}
	free(parts);
}

int main(void)
{
	test_bounds();
	test_times();
	return check_result();
}
