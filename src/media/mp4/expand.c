/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sample tables unrolled: from runs and chunks to one row per sample. */
#include "reader.h"

#include "bytes.h"

static uint32_t sample_size(const struct mp4_track *t, size_t i)
{
	const uint8_t *sizes = t->sizes.data;

	if (t->uniform_size)
		return t->uniform_size;
	switch (t->size_bits) {
	case 4:
		return i % 2 ? sizes[i / 2] & 15 : sizes[i / 2] >> 4;
	case 8:
		return sizes[i];
	case 16:
		return get_be16(sizes + 2 * i);
	default:
		return get_be32(sizes + 4 * i);
	}
}

/* Places and sizes, by chunks. @return how many samples the chunks hold, or -EBADMSG */
static ssize_t expand_places(const struct mp4_track *t, struct mp4_sample *samples, size_t n)
{
	size_t done = 0, run = 0;

	for (uint32_t chunk = 0; chunk < t->offsets.n && done < n; chunk++) {
		const uint8_t *rule;
		uint32_t in_chunk, description;
		uint64_t place;

		/* A rule holds from its first chunk until the next rule's. */
		while (run + 1 < t->stsc.n && get_be32(t->stsc.data + 12 * (run + 1)) <= chunk + 1)
			run++;
		if (run >= t->stsc.n || get_be32(t->stsc.data) > chunk + 1)
			return -EBADMSG;
		rule = t->stsc.data + 12 * run;
		in_chunk = get_be32(rule + 4);
		description = get_be32(rule + 8);
		place = t->has_large_offsets ? get_be64(t->offsets.data + 8 * (size_t)chunk)
					     : get_be32(t->offsets.data + 4 * (size_t)chunk);
		if (place > INT64_MAX / 2)
			place = INT64_MAX / 2; /* outside any file, and sums stay in range */
		for (uint32_t k = 0; k < in_chunk && done < n; k++, done++) {
			struct mp4_sample *s = &samples[done];

			s->size = sample_size(t, done);
			s->offset = (int64_t)place;
			s->description = description;
			place += s->size;
		}
	}
	return (ssize_t)done;
}

/* Decode times. Samples beyond the table's end last as long as the last in it. */
static int expand_dts(const struct mp4_track *t, struct mp4_sample *samples, size_t n)
{
	uint32_t left = 0, delta = 1;
	int64_t dts = 0;
	size_t run = 0;

	for (size_t i = 0; i < n; i++) {
		while (!left && run < t->stts.n) {
			left = get_be32(t->stts.data + 8 * run);
			delta = get_be32(t->stts.data + 8 * run + 4);
			run++;
			/* Some writers encode "earlier than that" as a huge step. */
			if (delta > INT32_MAX)
				delta = 1;
		}
		if (left)
			left--;
		samples[i].dts = dts;
		samples[i].duration = delta;
		if (__builtin_add_overflow(dts, (int64_t)delta, &dts) || dts > INT64_MAX / 4)
			return -EBADMSG;
	}
	return 0;
}

static void expand_pts(const struct mp4_track *t, struct mp4_sample *samples, size_t n)
{
	uint32_t left = 0;
	int32_t offset = 0;
	size_t run = 0;

	for (size_t i = 0; i < n; i++) {
		while (!left && run < t->ctts.n) {
			left = get_be32(t->ctts.data + 8 * run);
			offset = (int32_t)get_be32(t->ctts.data + 8 * run + 4);
			run++;
		}
		if (left)
			left--;
		else
			offset = 0;
		samples[i].pts = samples[i].dts + offset;
	}
}

static void expand_sync(const struct mp4_track *t, struct mp4_sample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++)
		samples[i].is_sync = !t->has_sync_table;
	for (uint32_t i = 0; i < t->stss.n; i++) {
		uint32_t number = get_be32(t->stss.data + 4 * (size_t)i);

		if (number >= 1 && number <= n)
			samples[number - 1].is_sync = true;
	}
}

int mp4_track_expand(const struct mp4_track *track, size_t max_samples, struct mp4_sample **ret,
		     size_t *ret_n)
{
	auto_free struct mp4_sample *samples = NULL;
	ssize_t n;
	int r;

	if (track->n_samples > max_samples)
		return -E2BIG;
	samples = calloc(track->n_samples + (size_t)1, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	n = expand_places(track, samples, track->n_samples);
	if (n < 0)
		return (int)n;
	r = expand_dts(track, samples, (size_t)n);
	if (r < 0)
		return r;
	expand_pts(track, samples, (size_t)n);
	expand_sync(track, samples, (size_t)n);
	*ret = take_ptr(samples);
	*ret_n = (size_t)n;
	return 0;
}
