/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The header of an MP4, ISO/IEC 14496-12. Lengths do not depend on where the payload lies, so the
 * header is made once to measure it and once more with the true places.
 */
#include "header.h"

#include "bytes.h"
#include "storyclip/common/file.h"

static const int32_t matrix_upright[9] = {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000};

/** value * to / from, rounded to the nearest; all >= 0. */
static uint64_t rescale(struct mp4_header_state *state, int64_t value, uint32_t to, uint32_t from)
{
	unsigned __int128 scaled;

	if (value < 0 || !from) {
		mp4_state_fail(state, -EINVAL);
		return 0;
	}
	scaled = ((unsigned __int128)value * to + from / 2) / from;
	if (scaled > INT64_MAX) {
		mp4_state_fail(state, -ERANGE);
		return 0;
	}
	return (uint64_t)scaled;
}

/* The smallest shift that leaves no sample shown before it is decoded. */
static int64_t composition_shift(const struct mp4_out_track *t)
{
	int64_t shift = 0;

	for (size_t i = 0; i < t->n_samples; i++)
		if (t->samples[i].dts - t->samples[i].pts > shift)
			shift = t->samples[i].dts - t->samples[i].pts;
	return shift;
}

static uint64_t track_duration(struct mp4_header_state *state, const struct mp4_out_track *t)
{
	uint64_t shown =
		rescale(state, mp4_shown_ticks(t), state->movie->timescale, t->timescale);

	if (t->delay < 0)
		mp4_state_fail(state, -EINVAL);
	return (uint64_t)t->delay + shown;
}

static void put_minf(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		     int64_t shift)
{
	size_t minf = box_begin(b, "minf"), box, inner;

	if (t->is_video) {
		box = box_begin_full(b, "vmhd", 0, 1);
		put_zeros(b, 8);
	} else if (t->is_text) {
		box = box_begin_full(b, "nmhd", 0, 0);
	} else {
		box = box_begin_full(b, "smhd", 0, 0);
		put_zeros(b, 4);
	}
	box_end(b, box);
	box = box_begin(b, "dinf");
	inner = box_begin_full(b, "dref", 0, 0);
	put_be32(b, 1);
	box_end(b, box_begin_full(b, "url ", 0, 1)); /* the bytes are in this file */
	box_end(b, inner);
	box_end(b, box);

	box = box_begin(b, "stbl");
	inner = box_begin_full(b, "stsd", 0, 0);
	buf_add(b, t->stsd, t->stsd_len);
	box_end(b, inner);
	mp4_put_tables(state, b, t, shift);
	box_end(b, box);
	box_end(b, minf);
}

static unsigned int packed_language(const char language[4])
{
	const char *l = language[0] ? language : "und";
	unsigned int packed = 0;

	for (int i = 0; i < 3; i++)
		packed = packed << 5 | (((unsigned int)l[i] - 0x60) & 31);
	return packed;
}

static void put_mdia(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		     int64_t shift)
{
	const char *name = t->handler_name;
	uint64_t duration = (uint64_t)(t->end_dts - t->samples[0].dts);
	bool is_long = duration > UINT32_MAX;
	size_t mdia = box_begin(b, "mdia"), box = box_begin_full(b, "mdhd", is_long, 0);

	put_zeros(b, is_long ? 16 : 8); /* creation, modification */
	put_be32(b, t->timescale);
	if (is_long)
		put_be64(b, duration);
	else
		put_be32(b, (uint32_t)duration);
	put_be16(b, packed_language(t->language));
	put_be16(b, 0);
	box_end(b, box);

	if (!name)
		name = t->is_video  ? "VideoHandler"
		       : t->is_text ? "SubtitleHandler"
				    : "SoundHandler";
	box = box_begin_full(b, "hdlr", 0, 0);
	put_be32(b, 0);
	buf_add(b, t->is_video ? "vide" : t->is_text ? "sbtl" : "soun", 4);
	put_zeros(b, 12);
	buf_add(b, name, strlen(name) + 1);
	box_end(b, box);
	put_minf(state, b, t, shift);
	box_end(b, mdia);
}

static void put_matrix(struct buf *b, const int32_t matrix[9])
{
	static const int32_t none[9];

	if (!memcmp(matrix, none, sizeof(none)))
		matrix = matrix_upright;
	for (int i = 0; i < 9; i++)
		put_be32(b, (uint32_t)matrix[i]);
}

static void put_tkhd(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		     uint32_t id)
{
	uint64_t duration = track_duration(state, t);
	bool is_long = duration > UINT32_MAX;
	size_t box = box_begin_full(b, "tkhd", is_long, t->flags ? t->flags : MP4_TRACK_ENABLED);

	put_zeros(b, is_long ? 16 : 8);
	put_be32(b, id);
	put_be32(b, 0);
	if (is_long)
		put_be64(b, duration);
	else
		put_be32(b, (uint32_t)duration);
	put_zeros(b, 8);
	put_be16(b, 0); /* layer */
	put_be16(b, t->alternate_group);
	put_be16(b, t->is_video || t->is_text ? 0 : 0x100); /* volume */
	put_be16(b, 0);
	put_matrix(b, t->matrix);
	put_be32(b, t->width);
	put_be32(b, t->height);
	box_end(b, box);
}

static void put_edit(struct buf *b, uint64_t duration, int64_t media_time)
{
	put_be64(b, duration);
	put_be64(b, (uint64_t)media_time);
	put_be32(b, 0x10000); /* rate 1 */
}

static void put_edit_short(struct buf *b, uint64_t duration, int64_t media_time)
{
	put_be32(b, (uint32_t)duration);
	put_be32(b, (uint32_t)media_time);
	put_be32(b, 0x10000);
}

/* The parts' ends are rounded, not their lengths, whose errors would add up. */
static void put_parts(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		      int64_t zero, void (*put)(struct buf *, uint64_t, int64_t))
{
	uint32_t to = state->movie->timescale, from = t->timescale;
	int64_t elapsed = 0;

	for (size_t i = 0; i < t->n_edits; i++) {
		int64_t length = t->edits[i].end - t->edits[i].start;

		put(b, rescale(state, elapsed + length, to, from) - rescale(state, elapsed, to, from),
		    t->edits[i].start - zero);
		elapsed += length;
	}
}

static void put_elst(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		     int64_t shift)
{
	int64_t zero = t->samples[0].dts - shift, media_time = t->shown_start - zero;
	uint64_t whole = track_duration(state, t), delay = (uint64_t)t->delay;
	bool is_long = whole > INT32_MAX || t->shown_end - zero > INT32_MAX;
	void (*put)(struct buf *, uint64_t, int64_t) = is_long ? put_edit : put_edit_short;
	size_t edts = box_begin(b, "edts"), box = box_begin_full(b, "elst", is_long, 0);

	if (media_time < 0)
		mp4_state_fail(state, -EINVAL);
	put_be32(b, (uint32_t)(t->n_edits ? t->n_edits : 1) + (delay ? 1 : 0));
	if (delay)
		put(b, delay, -1);
	if (t->n_edits)
		put_parts(state, b, t, zero, put);
	else
		put(b, whole - delay, media_time);
	box_end(b, box);
	box_end(b, edts);
}

/* The name as QuickTime and libavformat have it: the bare text, without an end. */
static void put_user_data(struct buf *b, const struct mp4_out_track *t)
{
	bool has_name = t->name && t->name[0];
	size_t udta, box;

	if (!has_name && !t->is_forced)
		return;
	udta = box_begin(b, "udta");
	if (has_name) {
		box = box_begin(b, "name");
		buf_add(b, t->name, strlen(t->name));
		box_end(b, box);
	}
	if (t->is_forced) {
		box = box_begin_full(b, "kind", 0, 0);
		buf_add(b, MP4_KIND_FORCED, sizeof(MP4_KIND_FORCED));
		box_end(b, box);
	}
	box_end(b, udta);
}

static void put_track(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		      uint32_t id)
{
	int64_t shift = composition_shift(t);
	size_t trak = box_begin(b, "trak");

	put_tkhd(state, b, t, id);
	put_elst(state, b, t, shift);
	put_mdia(state, b, t, shift);
	put_user_data(b, t);
	box_end(b, trak);
}

static void put_moov(struct mp4_header_state *state, struct buf *b)
{
	const struct mp4_movie *movie = state->movie;
	size_t moov = box_begin(b, "moov"), box;
	uint64_t duration = 0;
	bool is_long;

	for (size_t i = 0; i < movie->n_tracks; i++) {
		uint64_t d = track_duration(state, &movie->tracks[i]);

		duration = d > duration ? d : duration;
	}
	is_long = duration > UINT32_MAX;
	box = box_begin_full(b, "mvhd", is_long, 0);
	for (int i = 0; i < 2; i++) { /* creation, modification */
		if (is_long)
			put_be32(b, 0);
		put_be32(b, movie->creation_time);
	}
	put_be32(b, movie->timescale);
	if (is_long)
		put_be64(b, duration);
	else
		put_be32(b, (uint32_t)duration);
	put_be32(b, 0x10000); /* rate */
	put_be16(b, 0x100);   /* volume */
	put_zeros(b, 10);
	put_matrix(b, matrix_upright);
	put_zeros(b, 24);
	put_be32(b, (uint32_t)movie->n_tracks + 1); /* next track's number */
	box_end(b, box);
	for (size_t i = 0; i < movie->n_tracks; i++)
		put_track(state, b, &movie->tracks[i], (uint32_t)i + 1);
	box_end(b, moov);
}

static void put_ftyp(struct buf *b, bool is_audio)
{
	static const char video_brands[] = "isomiso2avc1mp41", audio_brands[] = "M4A isomiso2mp42";
	size_t box = box_begin(b, "ftyp");

	buf_add(b, is_audio ? "M4A " : "isom", 4);
	put_be32(b, 0x200);
	buf_add(b, is_audio ? audio_brands : video_brands, 16);
	box_end(b, box);
}

/* Everything up to the payload, for one assumption about where that begins. */
static void put_all(struct mp4_header_state *state, struct buf *b, int64_t payload_bytes)
{
	bool is_large = payload_bytes > UINT32_MAX - 16;
	size_t mdat_header = is_large ? 16 : 8, pad, box;

	put_ftyp(b, state->movie->is_audio);
	put_moov(state, b);
	pad = MP4_BLOCK - (b->len + 8 + mdat_header) % MP4_BLOCK;
	box = box_begin(b, "free");
	put_zeros(b, pad % MP4_BLOCK);
	box_end(b, box);
	put_be32(b, is_large ? 1 : (uint32_t)(payload_bytes + 8));
	buf_add(b, "mdat", 4);
	if (is_large)
		put_be64(b, (uint64_t)payload_bytes + 16);
}

/* Each range's place in the payload. */
static int place_ranges(struct mp4_header_state *state, bool of_spool, int64_t *bytes)
{
	const struct mp4_movie *movie = state->movie;

	for (size_t i = 0; i < movie->n_ranges; i++) {
		if (mp4_range_is_spooled(movie, &movie->ranges[i]) != of_spool)
			continue;
		state->range_starts[i] = *bytes;
		if (__builtin_add_overflow(*bytes, movie->ranges[i].length, bytes) ||
		    *bytes > INT64_MAX / 2)
			return -EINVAL;
	}
	return 0;
}

static int state_init(struct mp4_header_state *state, const struct mp4_movie *movie,
		      int64_t *ret_bytes)
{
	int64_t bytes = 0;

	*state = (struct mp4_header_state){.movie = movie};
	state->range_starts = calloc(movie->n_ranges + 1, sizeof(*state->range_starts));
	if (!state->range_starts)
		return -ENOMEM;
	for (size_t i = 0; i < movie->n_ranges; i++) {
		const struct mp4_range *r = &movie->ranges[i];

		if (r->offset < 0 || r->length < 0 ||
		    (i && r->offset < movie->ranges[i - 1].offset + movie->ranges[i - 1].length))
			return -EINVAL;
	}
	if (place_ranges(state, movie->is_spool_first, &bytes) < 0 ||
	    place_ranges(state, !movie->is_spool_first, &bytes) < 0)
		return -EINVAL;
	for (size_t i = 0; i < movie->n_tracks; i++)
		if (!movie->tracks[i].n_samples || !movie->tracks[i].timescale ||
		    movie->tracks[i].n_samples > INT32_MAX)
			return -EINVAL;
	if (!movie->timescale || !movie->n_tracks)
		return -EINVAL;
	*ret_bytes = bytes;
	return 0;
}

static int build_header(struct mp4_header_state *state, struct buf *out, int64_t payload_bytes,
			struct mp4_header *ret)
{
	/* Usually two rounds: measure, place. A third when the places need 64 bits. */
	for (int round = 0; round < 3; round++) {
		buf_reset(out);
		put_all(state, out, payload_bytes);
		if (buf_error(out) < 0)
			return -ENOMEM;
		if (state->err)
			return state->err;
		if ((int64_t)out->len == state->payload_pos) {
			ret->payload_pos = state->payload_pos;
			ret->file_bytes = state->payload_pos + payload_bytes;
			return 0;
		}
		state->payload_pos = (int64_t)out->len;
		if (state->payload_pos + payload_bytes > UINT32_MAX && !state->has_large_offsets) {
			state->has_large_offsets = true;
			state->payload_pos = 0;
		}
	}
	return -EINVAL;
}

int mp4_build_header(const struct mp4_movie *movie, struct buf *out, struct mp4_header *ret)
{
	struct mp4_header_state state;
	int64_t payload_bytes = 0;
	int r = state_init(&state, movie, &payload_bytes);

	if (r == 0)
		r = build_header(&state, out, payload_bytes, ret);
	free(state.range_starts);
	return r;
}

int mp4_write_header(const struct mp4_movie *movie, int fd, struct mp4_header *ret)
{
	auto_buf struct buf out = BUF_EMPTY;
	int r = mp4_build_header(movie, &out, ret);

	return r < 0 ? r : file_pwrite_all(fd, out.data, out.len, 0);
}
