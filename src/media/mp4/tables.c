/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sample tables of a header that is made, ISO/IEC 14496-12, 8.6 to 8.9. */
#include "header.h"

#include "bytes.h"

/** Where a sample's bytes will lie in the file, by binary search among the ranges. */
static int64_t sample_place(struct mp4_header_state *state, const struct mp4_out_sample *s)
{
	const struct mp4_range *ranges = state->movie->ranges;
	size_t low = 0, high = state->movie->n_ranges;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ranges[mid].offset <= s->offset)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || s->offset - ranges[low - 1].offset > ranges[low - 1].length - s->size) {
		mp4_state_fail(state, -EINVAL);
		return 0;
	}
	return state->payload_pos + state->range_starts[low - 1] + s->offset -
	       ranges[low - 1].offset;
}

static uint32_t sample_delta(struct mp4_header_state *state, const struct mp4_out_track *t,
			     size_t i)
{
	int64_t next = i + 1 < t->n_samples ? t->samples[i + 1].dts : t->end_dts;
	int64_t delta = next - t->samples[i].dts;

	if (delta < 0 || delta > UINT32_MAX) {
		mp4_state_fail(state, delta < 0 ? -EINVAL : -ERANGE);
		return 0;
	}
	return (uint32_t)delta;
}

static void put_stts(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t)
{
	size_t box = box_begin_full(b, "stts", 0, 0), count_at = b->len;
	uint32_t n_runs = 0, run = 0, run_delta = 0;

	put_be32(b, 0);
	for (size_t i = 0; i < t->n_samples; i++) {
		uint32_t delta = sample_delta(state, t, i);

		if (run && delta != run_delta) {
			put_be32(b, run);
			put_be32(b, run_delta);
			n_runs++;
			run = 0;
		}
		run_delta = delta;
		run++;
	}
	put_be32(b, run);
	put_be32(b, run_delta);
	set_be32_at(b, count_at, n_runs + 1);
	box_end(b, box);
}

static void put_ctts(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		     int64_t shift)
{
	size_t start = b->len, box = box_begin_full(b, "ctts", 0, 0), count_at = b->len;
	uint32_t n_runs = 0, run = 0, run_offset = 0;
	bool has_offset = false;

	put_be32(b, 0);
	for (size_t i = 0; i < t->n_samples; i++) {
		int64_t offset = t->samples[i].pts - t->samples[i].dts + shift;

		if (offset > INT32_MAX) /* readers take the number as signed */
			mp4_state_fail(state, -ERANGE);
		has_offset |= offset != 0;
		if (run && (uint32_t)offset != run_offset) {
			put_be32(b, run);
			put_be32(b, run_offset);
			n_runs++;
			run = 0;
		}
		run_offset = (uint32_t)offset;
		run++;
	}
	if (!has_offset) {
		b->len = b->is_failed ? b->len : start;
		return;
	}
	put_be32(b, run);
	put_be32(b, run_offset);
	set_be32_at(b, count_at, n_runs + 1);
	box_end(b, box);
}

static void put_stss(struct buf *b, const struct mp4_out_track *t)
{
	size_t n_sync = 0, box;

	for (size_t i = 0; i < t->n_samples; i++)
		n_sync += t->samples[i].is_sync;
	if (n_sync == t->n_samples)
		return; /* a missing table means that all are */
	box = box_begin_full(b, "stss", 0, 0);
	put_be32(b, (uint32_t)n_sync);
	for (size_t i = 0; i < t->n_samples; i++)
		if (t->samples[i].is_sync)
			put_be32(b, (uint32_t)(i + 1));
	box_end(b, box);
}

/* Each sample can be decoded once those before it were: a distance below 0. */
static void put_roll(struct buf *b, const struct mp4_out_track *t)
{
	size_t box = box_begin_full(b, "sgpd", 1, 0);

	buf_add(b, "roll", 4);
	put_be32(b, 2); /* default_length */
	put_be32(b, 1);
	put_be16(b, (unsigned int)-(int)t->preroll);
	box_end(b, box);
	box = box_begin_full(b, "sbgp", 0, 0);
	buf_add(b, "roll", 4);
	put_be32(b, 1);
	put_be32(b, (uint32_t)t->n_samples);
	put_be32(b, 1);
	box_end(b, box);
}

static void put_stsz(struct buf *b, const struct mp4_out_track *t)
{
	size_t box = box_begin_full(b, "stsz", 0, 0);

	put_be32(b, 0);
	put_be32(b, (uint32_t)t->n_samples);
	for (size_t i = 0; i < t->n_samples; i++)
		put_be32(b, t->samples[i].size);
	box_end(b, box);
}

/* A chunk is a run of samples whose bytes follow each other: stsc and stco or co64 in one pass. */
static void put_chunks(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t)
{
	struct buf offsets = BUF_EMPTY;
	size_t stsc = box_begin_full(b, "stsc", 0, 0), count_at = b->len, box;
	uint32_t n_chunks = 0, n_runs = 0, run_length = 0;

	put_be32(b, 0);
	for (size_t i = 0; i < t->n_samples;) {
		int64_t place = sample_place(state, &t->samples[i]),
			end = place + t->samples[i].size;
		uint32_t length = 1;

		for (i++; i < t->n_samples && sample_place(state, &t->samples[i]) == end; i++) {
			end += t->samples[i].size;
			length++;
		}
		if (state->has_large_offsets)
			put_be64(&offsets, (uint64_t)place);
		else
			put_be32(&offsets, (uint32_t)place);
		n_chunks++;
		if (length == run_length)
			continue;
		put_be32(b, n_chunks);
		put_be32(b, length);
		put_be32(b, 1); /* the only sample description */
		n_runs++;
		run_length = length;
	}
	set_be32_at(b, count_at, n_runs);
	box_end(b, stsc);
	box = box_begin_full(b, state->has_large_offsets ? "co64" : "stco", 0, 0);
	put_be32(b, n_chunks);
	buf_add(b, offsets.data, offsets.len);
	if (offsets.is_failed)
		b->is_failed = true;
	buf_finish(&offsets);
	box_end(b, box);
}

void mp4_put_tables(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		    int64_t shift)
{
	put_stts(state, b, t);
	put_ctts(state, b, t, shift);
	put_stss(b, t);
	if (t->preroll)
		put_roll(b, t);
	put_stsz(b, t);
	put_chunks(state, b, t);
}
