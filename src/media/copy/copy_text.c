/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subtitles into copied clips: their samples are made anew for each, so they go by way of a spool:
 * the recoder's, where it has put something into the clip, else one of their own.
 */
#include "copy_text.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../index/text_track.h"
#include "storyclip/common/file.h"

/* The bytes behind those that the clip has from a spool. @return 0 or a negative errno */
static int put_behind(struct copy_clip *clip, const struct buf *bytes)
{
	struct mp4_range *range = &clip->ranges[clip->movie.n_ranges - 1];
	int64_t length = range->length + (int64_t)bytes->len;
	int r = file_pwrite_all(clip->movie.spool_fd, bytes->data, bytes->len, range->length);

	if (r < 0)
		return r;
	/* What follows keeps its place within a block. */
	if (clip->movie.is_spool_first)
		length = (length + MP4_BLOCK - 1) / MP4_BLOCK * MP4_BLOCK;
	range->length = length;
	return ftruncate(clip->movie.spool_fd, length) < 0 ? -errno : 0;
}

/* An empty range of our own spool, if there is none of the recoder's. */
static int have_range(struct copy_clip *clip, struct spool *spool)
{
	size_t n = clip->movie.n_ranges;
	struct mp4_range *ranges;
	int64_t behind = 0;
	int r;

	if (n && mp4_range_is_spooled(&clip->movie, &clip->ranges[n - 1]))
		return 0;
	r = spool_reset(spool);
	if (r < 0)
		return r;
	ranges = reallocarray(clip->ranges, n + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	clip->movie.ranges = clip->ranges = ranges;
	if (n)
		behind = ranges[n - 1].offset + ranges[n - 1].length;
	clip->movie.spool_base = behind / MP4_BLOCK * MP4_BLOCK + MP4_BLOCK;
	clip->movie.spool_fd = spool->fd;
	clip->movie.is_spool_first = false;
	ranges[n] = (struct mp4_range){clip->movie.spool_base, 0};
	clip->movie.n_ranges = n + 1;
	return 0;
}

static int add_texts(const struct media_index *index, struct spool *spool,
		     const struct copy_cut *cut, struct copy_clip *clip)
{
	uint32_t timescale = index_main(index)->timescale;
	int64_t start = index_ticks_to_us(cut->start, timescale);
	int64_t end = index_ticks_to_us(cut->end, timescale);
	auto_buf struct buf bytes = BUF_EMPTY;
	int64_t base;
	int r = have_range(clip, spool);

	if (r < 0)
		return r;
	base = clip->movie.spool_base + clip->ranges[clip->movie.n_ranges - 1].length;
	for (size_t i = 0; i < index->n_texts && r == 0; i++) {
		size_t at = clip->movie.n_tracks;
		struct copy_track *track = &clip->tracks[at];

		*track = (struct copy_track){.is_spooled = true};
		r = text_track_cut(&index->texts[i], start, end, base, &bytes, &clip->out[at],
				   &track->samples);
		if (r < 0)
			return r;
		track->n_samples = clip->out[at].n_samples;
		clip->movie.n_tracks++;
	}
	return r < 0 ? r : put_behind(clip, &bytes);
}

int copy_text_add(const struct media_index *index, struct spool *spool, const struct copy_cut *cut,
		  unsigned int number, struct copy_clip *clip, struct error *e)
{
	int r = index->n_texts ? add_texts(index, spool, cut, clip) : 0;

	return r < 0 ? error_from_errno(e, r, "writing the subtitles of clip %u", number) : 0;
}
