/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a copied clip holds and when: checked on random streams with closed and open groups, frames
 * that others refer to, any frame rate, and sound beside them.
 */
#include "../../src/media/copy/copy.h"
#include "check.h"

static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng_state >> 33) % below;
}

static const struct media_listener deaf;

static void add_sample(struct index_track *t, size_t place, bool is_sync, int64_t *offset)
{
	struct index_sample *s = &t->samples[t->n_samples];

	*s = (struct index_sample){.pts = (int64_t)place, /* its place in the order of showing */
				   .offset = *offset,
				   .size = 1 + rng(5000),
				   .is_sync = is_sync};
	*offset += s->size + (rng(3) ? 0 : rng(20000));
	t->n_samples++;
}

/* Mini-groups: a reference frame, then up to 3 frames shown before it. */
static void make_picture(struct index_track *t, size_t n, uint32_t group, bool is_open,
			 uint32_t reorder, int64_t *offset)
{
	size_t place = 0;

	t->samples = calloc(n + 8, sizeof(*t->samples));
	REQUIRE(t->samples);
	while (t->n_samples < n) {
		uint32_t in_group = 1 + rng(group), done = 1;
		uint32_t leading = is_open && place ? rng(reorder + 1) : 0;

		add_sample(t, place + leading, true, offset);
		for (uint32_t i = 0; i < leading && t->n_samples < n; i++)
			add_sample(t, place + i, false, offset);
		place += leading + 1;
		while (done < in_group && t->n_samples < n) {
			uint32_t between = rng(reorder + 1);

			add_sample(t, place + between, false, offset);
			for (uint32_t i = 0; i < between && t->n_samples < n + 8; i++)
				add_sample(t, place + i, false, offset);
			place += between + 1;
			done += between + 1;
		}
	}
}

static struct media_index *make_index(unsigned long seed)
{
	static const struct {
		uint32_t timescale, frame_ticks;
	} rates[] = {{30000, 1001}, {24000, 1001}, {90000, 3600},
		     {1000, 33},    {600, 20},     {12800, 512}};
	struct media_index *index = calloc(1, sizeof(*index));
	struct index_track *t;
	int64_t offset = 10000, delay = 4;
	uint32_t ticks;

	REQUIRE(index);
	index->tracks = calloc(2, sizeof(*index->tracks));
	REQUIRE(index->tracks);
	index->n_tracks = 2;
	rng_state = seed;
	t = index->tracks;
	t->is_video = t->is_copyable = true;
	t->timescale = rates[seed % SC_ARRAY_SIZE(rates)].timescale;
	ticks = rates[seed % SC_ARRAY_SIZE(rates)].frame_ticks;
	make_picture(t, 30 + rng(400), 1 + rng(90), rng(2), rng(4), &offset);
	for (size_t i = 0; i < t->n_samples; i++) {
		t->samples[i].pts *= ticks;
		t->samples[i].dts = ((int64_t)i - delay) * ticks;
	}
	t->end_dts = ((int64_t)t->n_samples - delay) * ticks;
	REQUIRE(index_track_complete(t, ticks, 0, INT64_MAX, &deaf) == 0);

	t = &index->tracks[1];
	t->is_copyable = true;
	memcpy(t->codec, "aac", 4);
	t->timescale = 48000;
	t->samples = calloc(2000, sizeof(*t->samples));
	REQUIRE(t->samples);
	for (; t->n_samples < 1000; t->n_samples++) {
		t->samples[t->n_samples] =
			(struct index_sample){.dts = 1024 * ((int64_t)t->n_samples - 1),
					      .offset = 5000 + (int64_t)t->n_samples * 700,
					      .size = 300};
	}
	t->end_dts = 1024 * 999;
	REQUIRE(index_track_complete(t, 1024, 0, INT64_MAX, &deaf) == 0);
	return index;
}

static int compare_pts(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Hidden samples take a tick each, right beside what is shown; shown ones keep their times. */
static void check_picture(const struct index_track *t, const struct copy_cut *cut,
			  const struct copy_clip *clip)
{
	const struct mp4_out_track *out = &clip->out[0];
	int64_t scale = out->timescale / t->timescale, old_sum, *sorted;
	size_t shown = 0, head = 0, want = 0;

	CHECK(out->timescale >= 90000 && out->timescale % t->timescale == 0);
	CHECK(out->samples[0].is_sync);
	CHECK_INT(out->shown_start, cut->start * scale);
	CHECK_INT(out->shown_end, cut->end * scale);
	sorted = calloc(out->n_samples, sizeof(*sorted));
	REQUIRE(sorted);
	for (size_t i = 0; i < out->n_samples; i++) {
		const struct mp4_out_sample *s = &out->samples[i];
		const struct index_sample *from = &t->samples[clip->tracks[0].numbers[i]];
		bool is_shown = s->pts >= out->shown_start && s->pts < out->shown_end;

		sorted[i] = s->pts;
		shown += is_shown;
		head += s->pts < out->shown_start;
		CHECK_INT(is_shown, from->pts >= cut->start && from->pts < cut->end);
		if (is_shown)
			CHECK_INT(s->pts, from->pts * scale);
		if (i)
			CHECK(s->dts > out->samples[i - 1].dts);
		CHECK(s->dts <= s->pts);
		CHECK_INT(s->size, from->size);
	}
	for (size_t i = 0; i < t->n_shown; i++)
		want += t->shown[i] >= cut->start && t->shown[i] < cut->end;
	CHECK_INT(shown, want);
	qsort(sorted, out->n_samples, sizeof(*sorted), compare_pts);
	for (size_t i = 0; i < out->n_samples; i++) {
		if (i < head)
			CHECK_INT(sorted[i], out->shown_start - (int64_t)(head - i));
		else if (i >= head + shown)
			CHECK_INT(sorted[i], out->shown_end + (int64_t)(i - head - shown));
		if (i)
			CHECK(sorted[i] > sorted[i - 1]);
	}
	free(sorted);
	/* The sum of all durations is the source's. */
	old_sum = clip->tracks[0].numbers[out->n_samples - 1] + 1u < t->n_samples
			  ? t->samples[clip->tracks[0].numbers[out->n_samples - 1] + 1].dts
			  : t->end_dts;
	old_sum -= t->samples[clip->tracks[0].numbers[0]].dts;
	CHECK_INT(out->end_dts - out->samples[0].dts, old_sum * scale);
}

/* To the sample, with one packet before, and none more than needed. */
static void check_sound(const struct index_track *picture, const struct copy_cut *cut,
			const struct copy_clip *clip)
{
	const struct mp4_out_track *out = &clip->out[1];
	int64_t start = index_rescale(cut->start, 48000, picture->timescale);
	int64_t end = index_rescale(cut->end, 48000, picture->timescale);

	CHECK_INT(out->shown_start, start);
	CHECK_INT(out->shown_end, end < 1024 * 999 ? end : 1024 * 999);
	CHECK_INT(out->delay, 0);
	CHECK(out->samples[0].dts <= start);
	CHECK(out->samples[0].dts > start - 2048);
	CHECK(out->samples[0].dts == -1024 || out->samples[0].dts <= start - 1024);
	CHECK(out->end_dts >= out->shown_end && out->end_dts < out->shown_end + 1024);
}

static void check_bytes(const struct copy_clip *clip, bool is_strict)
{
	int64_t block = is_strict ? 1 : MP4_BLOCK, held = 0, used = 0;
	struct buf header = BUF_EMPTY;
	struct mp4_header where;

	CHECK_INT(mp4_build_header(&clip->movie, &header, &where), 0);
	for (size_t i = 0; i < clip->movie.n_ranges; i++)
		CHECK_INT(clip->movie.ranges[i].offset % block, 0);
	for (size_t i = 0; i + 1 < clip->movie.n_ranges; i++)
		CHECK_INT(clip->movie.ranges[i].length % block, 0);
	for (size_t i = 0; i < clip->movie.n_ranges; i++)
		held += clip->movie.ranges[i].length;
	for (size_t k = 0; k < clip->movie.n_tracks; k++)
		for (size_t i = 0; i < clip->out[k].n_samples; i++)
			used += clip->out[k].samples[i].size;
	/* The two tracks of this index overlap here and there; that all is held the header tells. */
	if (is_strict)
		CHECK(held <= used);
	buf_finish(&header);
}

int main(void)
{
	static const struct copy_selection both = {.tracks = {0, 1}, .n_tracks = 2};
	static const uint8_t stsd[4];
	size_t n_hidden = 0, n_open = 0;

	for (unsigned long seed = 1; seed <= 400; seed++) {
		struct media_index *index = make_index(seed);
		struct index_track *t = index->tracks;
		size_t first = rng((uint32_t)t->n_shown), behind = first + 1 + rng(100);
		struct copy_cut cut = {t->shown[first],
				       behind < t->n_shown ? t->shown[behind] : t->shown_end};
		auto_copy_clip struct copy_clip clip = {0};
		const struct copy_options options = {30000000, seed % 2};
		int before = check_failures;

		t->stsd = index->tracks[1].stsd = NULL;
		REQUIRE(copy_clip_build(index, &both, &cut, &options, &clip) == 0);
		for (size_t i = 0; i < clip.movie.n_tracks; i++) {
			clip.out[i].stsd = stsd;
			clip.out[i].stsd_len = sizeof(stsd);
		}
		check_picture(t, &cut, &clip);
		REQUIRE(clip.movie.n_tracks == 2);
		check_sound(t, &cut, &clip);
		check_bytes(&clip, options.is_strict);
		n_hidden += clip.hidden_head_us > 0;
		n_open += t->has_open_groups;
		if (check_failures != before)
			fprintf(stderr, "seed %lu\n", seed);
		index_free(index);
	}
	/* The random streams must have had what this is about. */
	CHECK(n_hidden > 100);
	CHECK(n_open > 30);
	return check_result();
}
