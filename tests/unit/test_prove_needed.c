/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which clips are proven by decoding, and where decoding begins: by the kinds of keyframes alone. */
#include "../../src/media/prove/prove.h"
#include "check.h"

#define GROUP 10 /* samples from a keyframe to the next */

static const struct media_listener deaf;

/* One letter a group: I an IDR, R a recovery point, G a gradual one, b a bare I picture. */
static struct media_index *make_index(const char *codec, const char *groups)
{
	struct media_index *index = calloc(1, sizeof(*index));
	struct index_track *t;

	REQUIRE(index);
	index->n_tracks = 1;
	index->tracks = t = calloc(1, sizeof(*t));
	REQUIRE(t);
	t->is_video = t->is_copyable = true;
	t->timescale = 25;
	snprintf(t->codec, sizeof(t->codec), "%s", codec);
	t->samples = calloc(strlen(groups) * GROUP, sizeof(*t->samples));
	REQUIRE(t->samples);
	for (size_t i = 0; i < strlen(groups) * GROUP; i++) {
		char kind = groups[i / GROUP];
		bool is_first = i % GROUP == 0;

		t->samples[t->n_samples++] = (struct index_sample){
			.dts = (int64_t)i,
			.pts = (int64_t)i,
			.offset = (int64_t)i * 100,
			.size = 100,
			.is_sync = is_first,
			.is_idr = is_first && kind == 'I',
			.is_recovery = is_first && (kind == 'R' || kind == 'G'),
			.is_gradual = is_first && kind == 'G'};
	}
	t->end_dts = (int64_t)t->n_samples;
	REQUIRE(index_track_complete(t, 1, 0, INT64_MAX, &deaf) == 0);
	return index;
}

static void test_needed(void)
{
	static const struct {
		const char *codec, *groups;
		int64_t start;
		bool has_head, needs;
	} rows[] = {
		{"h264", "III", 15, false, false}, {"h264", "IRR", 5, false, false},
		{"h264", "IRR", 15, false, true},  {"h264", "Ibb", 15, false, true},
		{"h264", "IbI", 25, false, false}, {"h264", "RRR", 5, false, false}, /* the file's beginning */
		{"h264", "IGGGG", 25, false, false}, /* two back is the first one */
		{"h264", "IGGGG", 45, false, true},  {"hevc", "Ibb", 15, false, false},
		{"h264", "IbI", 15, true, false}, /* encoded up to an IDR */
		{"h264", "IRI", 10, true, true},  /* copied from there on */
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_of(media_index) struct media_index *index =
			make_index(rows[i].codec, rows[i].groups);
		const struct copy_selection selection = {.n_tracks = 1};
		const struct copy_cut cut = {.start = rows[i].start,
					     .end = (int64_t)index->tracks->n_samples,
					     .has_head = rows[i].has_head};

		CHECK_AT_(prove_is_needed(index, &selection, &cut, 1) == rows[i].needs,
			  "%s %s from %d on", rows[i].codec, rows[i].groups, (int)rows[i].start);
	}
}

static void test_decoding_from(void)
{
	static const struct {
		const char *groups;
		int64_t pts;
		size_t sync;
	} rows[] = {
		{"IIII", 35, 3}, {"IbIb", 35, 2}, {"IRRRR", 45, 0}, {"RRRRR", 45, 0},
	};
	char many[101] = {0};
	struct media_index *index;

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		index = make_index("h264", rows[i].groups);
		CHECK_INT(index_decoding_from(index->tracks, rows[i].pts), rows[i].sync);
		index_free(index);
	}
	/* too far from the only one for certain */
	memset(many, 'R', sizeof(many) - 1);
	index = make_index("h264", many);
	CHECK_INT(index_decoding_from(index->tracks, 905), 87);
	index_free(index);
}

/* A clip that was moved begins there, and names no later keyframe that decoding cannot begin at. */
static void test_moved(void)
{
	auto_of(media_index) struct media_index *index = make_index("h264", "IRbRI");
	const struct copy_selection selection = {.n_tracks = 1};
	const struct copy_options options = {.size_bytes = 100000};
	struct copy_cut cut = {.start = 35, .end = 50};
	auto_copy_clip struct copy_clip clip = {0};

	CHECK_INT(copy_first_sample(index->tracks, &cut), 30);
	copy_move_to_clean(index->tracks, &cut);
	CHECK(cut.is_moved);
	CHECK_INT(cut.sync, 0);
	REQUIRE(copy_clip_build(index, &selection, &cut, &options, &clip) == 0);
	CHECK_INT(clip.tracks[0].n_samples, 50);
	for (size_t i = 0; i < clip.tracks[0].n_samples; i++)
		CHECK_INT(clip.tracks[0].samples[i].is_sync, i == 0 || i == 40);
}

int main(void)
{
	test_needed();
	test_decoding_from();
	test_moved();
	return check_result();
}
