/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bytes of the source a copied clip takes, and how many of them nobody is shown. */
#include "copy.h"

/* Byte ranges: neighbours this near are copied with what lies between them. */
#define RANGE_GAP_BYTES (4 * MP4_BLOCK)

static bool is_shown(const struct mp4_out_track *out, size_t i)
{
	const struct mp4_out_edit whole = {out->shown_start, out->shown_end};
	const struct mp4_out_edit *edits = out->n_edits ? out->edits : &whole;
	size_t low = 0, high = out->n_edits ? out->n_edits : 1;
	int64_t start = out->samples[i].pts, end = start + 1;

	if (!out->is_video)
		end = i + 1 < out->n_samples ? out->samples[i + 1].dts : out->end_dts;
	while (low < high) { /* the first part that ends behind its beginning */
		size_t mid = low + (high - low) / 2;

		if (edits[mid].end <= start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < (out->n_edits ? out->n_edits : 1) && edits[low].start < end;
}

static int compare_ranges(const void *a, const void *b)
{
	int64_t x = ((const struct mp4_range *)a)->offset,
		y = ((const struct mp4_range *)b)->offset;

	return (x > y) - (x < y);
}

/* Join sorted extents, each grown to whole blocks, that touch or have gaps of up to gap_bytes. */
static size_t merge_ranges(struct mp4_range *ranges, size_t n, int64_t block, int64_t gap_bytes,
			   int64_t size_bytes)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t low = ranges[i].offset / block * block;
		int64_t high = ranges[i].offset + ranges[i].length;

		high = (high + block - 1) / block * block;
		high = high < size_bytes ? high : size_bytes;
		if (kept &&
		    low - (ranges[kept - 1].offset + ranges[kept - 1].length) <= gap_bytes) {
			struct mp4_range *before = &ranges[kept - 1];

			if (high > before->offset + before->length)
				before->length = high - before->offset;
			continue;
		}
		ranges[kept++] = (struct mp4_range){low, high - low};
	}
	return kept;
}

/**
 * Which bytes of the source the clip takes: all between its first and its last, in one piece, so
 * that blocks can be shared; several pieces where that would be much more than it needs, and
 * nothing beside the samples when the source's other bytes are nobody's business.
 */
static int build_ranges(struct copy_clip *clip, const struct copy_options *options)
{
	size_t n = 0, at = 0;
	int64_t used = 0, low, high = 0;
	struct mp4_range *ranges;

	for (size_t k = 0; k < clip->movie.n_tracks; k++)
		n += clip->out[k].n_samples - clip->tracks[k].n_head;
	ranges = clip->ranges = calloc(n + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (size_t k = 0; k < clip->movie.n_tracks; k++)
		for (size_t i = clip->tracks[k].n_head; i < clip->out[k].n_samples; i++) {
			const struct mp4_out_sample *s = &clip->out[k].samples[i];

			ranges[at++] = (struct mp4_range){s->offset, s->size};
			used += s->size;
			high = s->offset + s->size > high ? s->offset + s->size : high;
		}
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	low = ranges[0].offset;
	clip->movie.ranges = ranges;
	if (options->is_strict)
		clip->movie.n_ranges = merge_ranges(ranges, n, 1, 0, options->size_bytes);
	else
		clip->movie.n_ranges =
			merge_ranges(ranges, n, MP4_BLOCK,
				     high - low > used + used / 4 ? RANGE_GAP_BYTES : INT64_MAX / 2,
				     options->size_bytes);
	return 0;
}

/* Packets are written one by one: lay them out in the order in which the scan will give them. */
static int build_packet_places(struct copy_clip *clip)
{
	size_t next[INDEX_MAX_TRACKS];
	int64_t place = 0;

	clip->ranges = calloc(1, sizeof(*clip->ranges));
	if (!clip->ranges)
		return -ENOMEM;
	for (size_t k = 0; k < clip->movie.n_tracks; k++)
		next[k] = clip->tracks[k].n_head;
	for (;;) {
		struct mp4_out_sample *s = NULL;
		size_t from = 0;

		for (size_t k = 0; k < clip->movie.n_tracks; k++) {
			struct copy_track *t = &clip->tracks[k];

			if (next[k] < t->n_samples &&
			    (!s || t->samples[next[k]].offset < s->offset)) {
				s = &t->samples[next[k]];
				from = k;
			}
		}
		if (!s)
			break;
		next[from]++;
		s->offset = place;
		place += s->size;
	}
	clip->ranges[0] = (struct mp4_range){0, place};
	clip->movie.ranges = clip->ranges;
	clip->movie.n_ranges = 1;
	return 0;
}

static void count_hidden_bytes(struct copy_clip *clip)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < clip->movie.n_ranges; i++)
		bytes += clip->ranges[i].length;
	for (size_t k = 0; k < clip->movie.n_tracks; k++)
		for (size_t i = 0; i < clip->out[k].n_samples; i++)
			if (is_shown(&clip->out[k], i))
				bytes -= clip->out[k].samples[i].size;
	/* Samples of a damaged file may overlap. */
	clip->hidden_bytes = bytes > 0 ? bytes : 0;
}

int copy_clip_place(struct copy_clip *clip, bool is_packets, const struct copy_options *options)
{
	int r = is_packets ? build_packet_places(clip) : build_ranges(clip, options);

	if (r == 0)
		count_hidden_bytes(clip);
	return r;
}
