/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Edit lists of several parts: the parts of a track that are presented one behind the other, each
 * made a track of its own on the presented timeline. Private to src/media, no libav. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_track;
struct media_listener;
struct mp4_file;
struct mp4_sample;
struct mp4_track;

/* More are left to a scan by libavformat, which cannot copy them. */
#define INDEX_MAX_PARTS 10000

/* One part, in the track's own timescale. */
struct edit_part {
	int64_t media_time;
	int64_t delay;    /* presented time of media_time */
	int64_t duration; /* INT64_MAX: to the end */
};

/**
 * The parts that an edit list presents; those that continue each other are one.
 * @param ret  freed by free(); at least one part: without a list, all
 * @return 0, -ENOMEM, -ENOTSUP (a speed that is not 1), -E2BIG
 */
int edit_parts_read(const struct mp4_file *file, const struct mp4_track *t, struct edit_part **ret,
		    size_t *ret_n);

/**
 * Put a track together from its parts: track->samples are the media's own (no edit applied, looked
 * at already) and become those of all parts; the rest of the track is completed as by
 * index_track_complete().
 *
 * @param samples    the same samples with their durations
 * @param samples_left  -E2BIG beyond: parts may show the same samples many times; what they take is
 *                      taken off
 * @return 0, -ENOMEM, -ENODATA (nothing is presented), -E2BIG
 */
int index_parts_complete(struct index_track *track, const struct mp4_sample *samples,
			 const struct edit_part *parts, size_t n_parts, size_t *samples_left,
			 const struct media_listener *listener);

/** The first part that ends behind a presented time; n_parts: none. */
size_t index_part_from(const struct index_track *track, int64_t pts);
