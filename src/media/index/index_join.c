/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A clock that begins again within a file is made to go on. */
#include "index_join.h"

#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>

#include "../source.h"
#include "index.h"

/* Containers that are a row of packets with times: they may be put one behind the other. */
#define JOINED_CONTAINERS "matroska,mpegts"

/* A frame is shown before at most 16 that are decoded before it, each perhaps in two fields. */
#define REORDERED_MAX 32

/* Smaller steps back are a clock that trembles. */
#define BACK_SECONDS_NUM 1
#define BACK_SECONDS_DEN 2

/* In packets of a stream: no further beside its picture's does a recording's begin in the file. */
#define SEAM_REACH 100

/* A packet that is earlier than so many before it is not only shown in another order. */
static size_t reach_of(bool is_video)
{
	return is_video ? REORDERED_MAX + 1 : 1;
}

/* Where the k-th part of a track begins and ends in its samples. */
static size_t part_begin(const struct scan_track *t, size_t k)
{
	return k ? t->returns[k - 1].sample : 0;
}

static size_t part_end(const struct scan_track *t, size_t k)
{
	return k < t->n_returns ? t->returns[k].sample : t->n;
}

bool index_join_is_possible(const struct packet_scan *scan)
{
	return av_match_list(scan->reader->input->format->iformat->name, JOINED_CONTAINERS, ',') > 0;
}

static bool is_picture(const struct packet_scan *scan, size_t number)
{
	return scan->reader->streams[number]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
}

/* Whether the track's newest sample is earlier than any before it can be. */
static bool is_early(const struct scan_track *t, bool is_video)
{
	const struct index_sample *s = &t->samples[t->n];
	size_t reach = reach_of(is_video);

	if (t->n < reach || s->pts >= s[-1].pts)
		return false;
	for (size_t i = 1; i <= reach; i++)
		if (s[-(ptrdiff_t)i].pts <= s->pts)
			return false;
	return true;
}

void index_join_note(struct packet_scan *scan, size_t number, bool is_decoded_earlier, int64_t pos)
{
	struct scan_track *t = &scan->tracks[number];
	bool is_video = is_picture(scan, number);

	if (pos < 0 || (!(is_video && is_decoded_earlier) && !is_early(t, is_video)))
		return;
	if (t->n_returns < INDEX_MAX_JOINS) {
		t->returns[t->n_returns] = (struct scan_return){
			.sample = t->n, .pos = pos, .seam = (unsigned int)t->n_returns};
		for (size_t i = 0; i < scan->reader->n_streams && is_video; i++)
			scan->seams[t->n_returns][i] = scan->tracks[i].n;
	}
	t->n_returns++;
}

static int64_t largest_pts(const struct scan_track *t, size_t begin, size_t end)
{
	int64_t largest = INT64_MIN;

	for (size_t i = begin; i < end; i++)
		largest = t->samples[i].pts > largest ? t->samples[i].pts : largest;
	return largest;
}

static int64_t smallest_pts(const struct scan_track *t, size_t begin, size_t end)
{
	int64_t smallest = INT64_MAX;

	for (size_t i = begin; i < end; i++)
		smallest = t->samples[i].pts < smallest ? t->samples[i].pts : smallest;
	return smallest;
}

/* Where the last sample of a part ends: it lasts as long as the one before it. */
static int64_t part_end_pts(const struct scan_track *t, size_t k)
{
	size_t begin = part_begin(t, k), end = part_end(t, k);
	int64_t largest = largest_pts(t, begin, end), before = INT64_MIN;

	for (size_t i = begin; i < end; i++)
		if (t->samples[i].pts < largest && t->samples[i].pts > before)
			before = t->samples[i].pts;
	return before == INT64_MIN ? largest + t->step : largest + (largest - before);
}

/* Whether the clock has gone back for good: none of the next samples goes on where it was. */
static bool is_beginning(const struct scan_track *t, const AVStream *st, size_t k)
{
	bool is_video = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
	size_t at = t->returns[k].sample, end = part_end(t, k + 1), reach = reach_of(is_video);
	int64_t before = largest_pts(t, part_begin(t, k), at);
	int64_t back = (int64_t)st->time_base.den * BACK_SECONDS_NUM / BACK_SECONDS_DEN;

	end = end - at > reach + 1 ? at + reach + 1 : end;
	return end - at > 1 && largest_pts(t, at, end) < before &&
	       before - t->samples[at].pts >= back;
}

/* Whether pictures of another recording have times of the one before: its clock begins a little too
 * early. Without that nothing is wrong, whatever is said of decoding. */
static bool is_overlapping(const struct scan_track *t, size_t k)
{
	size_t at = t->returns[k].sample, end = part_end(t, k + 1);

	end = end - at > REORDERED_MAX ? at + REORDERED_MAX : end;
	return smallest_pts(t, at, end) <= largest_pts(t, part_begin(t, k), at);
}

static void drop_return(struct scan_track *t, size_t k)
{
	t->n_returns--;
	for (size_t i = k; i < t->n_returns; i++)
		t->returns[i] = t->returns[i + 1];
}

/* Those that are none go; of sound the near ones stay for now. */
static void keep_beginnings(struct scan_track *t, const AVStream *st)
{
	bool is_video = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
	size_t k = 0;

	if (t->n_returns > INDEX_MAX_JOINS) /* it goes back all the time: that is no row of parts */
		return;
	while (k < t->n_returns) {
		t->returns[k].is_far = is_beginning(t, st, k);
		if (t->returns[k].is_far || !is_video || (t->is_clocked && is_overlapping(t, k)))
			k++;
		else
			drop_return(t, k);
	}
}

/* Where a track's part ends that the picture's k-th return ends: at a step back of its own near it in
 * the file, else there. */
static struct scan_return find_near(const struct packet_scan *scan, const struct scan_track *picture,
				    size_t k, size_t number)
{
	const struct scan_track *t = &scan->tracks[number];
	size_t at = scan->seams[picture->returns[k].seam][number], best = SEAM_REACH + 1;
	struct scan_return found = {.sample = at, .pos = picture->returns[k].pos};

	for (size_t i = 0; i < t->n_returns; i++) {
		size_t sample = t->returns[i].sample;
		size_t off = sample > at ? sample - at : at - sample;

		if (t->returns[i].is_far || off >= best)
			continue;
		best = off;
		found = t->returns[i];
	}
	return found;
}

/* The returns of a track beside the picture: its own far ones, and one for each near one of the picture's. */
static void take_near(struct packet_scan *scan, const struct scan_track *picture, size_t number)
{
	struct scan_track *t = &scan->tracks[number];
	struct scan_return found[2 * INDEX_MAX_JOINS];
	size_t n = 0, far = 0;

	if (t->n_returns > INDEX_MAX_JOINS)
		return;
	for (size_t k = 0; picture && k < picture->n_returns; k++) {
		if (!picture->returns[k].is_far) {
			found[n++] = find_near(scan, picture, k, number);
			continue;
		}
		while (far < t->n_returns && !t->returns[far].is_far)
			far++;
		if (far < t->n_returns)
			found[n++] = t->returns[far++];
	}
	for (; far < t->n_returns; far++)
		if (t->returns[far].is_far)
			found[n++] = t->returns[far];
	t->n_returns = n <= INDEX_MAX_JOINS ? n : INDEX_MAX_JOINS + 1;
	memcpy(t->returns, found, (n <= INDEX_MAX_JOINS ? n : 0) * sizeof(*found));
	for (size_t k = 1; k < n && n <= INDEX_MAX_JOINS; k++)
		if (t->returns[k].sample < t->returns[k - 1].sample)
			t->n_returns = INDEX_MAX_JOINS + 1;
}

static void find_beginnings(struct packet_scan *scan)
{
	const struct scan_track *picture = NULL;

	for (size_t i = 0; i < scan->reader->n_streams; i++)
		keep_beginnings(&scan->tracks[i], scan->reader->streams[i]);
	if (scan->reader->n_streams && is_picture(scan, 0) &&
	    scan->tracks[0].n_returns <= INDEX_MAX_JOINS)
		picture = &scan->tracks[0];
	for (size_t i = picture ? 1 : 0; i < scan->reader->n_streams; i++)
		take_near(scan, picture, i);
}

/* How often the clock of every track begins again; SIZE_MAX: not of all the same. */
static size_t count_joins(const struct packet_scan *scan)
{
	size_t n = SIZE_MAX;

	for (size_t i = 0; i < scan->reader->n_streams; i++) {
		const struct scan_track *t = &scan->tracks[i];

		if (!t->n)
			continue;
		if (t->n_returns > INDEX_MAX_JOINS || (n != SIZE_MAX && n != t->n_returns))
			return SIZE_MAX;
		n = t->n_returns;
	}
	return n == SIZE_MAX ? 0 : n;
}

static int64_t ticks_us(const struct packet_scan *scan, size_t number, int64_t ticks)
{
	return av_rescale(ticks, 1000000, scan->reader->streams[number]->time_base.den);
}

/* Where the first part begins. */
static int64_t begin_us(const struct packet_scan *scan)
{
	int64_t begin = INT64_MAX;

	for (size_t i = 0; i < scan->reader->n_streams; i++) {
		const struct scan_track *t = &scan->tracks[i];
		int64_t us;

		if (part_end(t, 0) == 0)
			continue;
		us = ticks_us(scan, i, smallest_pts(t, 0, part_end(t, 0)));
		begin = us < begin ? us : begin;
	}
	return begin;
}

/*
 * How much later the part behind the k-th join is shown than it says; the one before is in place.
 * So late that in no track it begins before the other ends: streams lie a little beside each other
 * in a file, and what was one is one again.
 *
 * @param ret_at  where it begins then, from the first part's beginning on
 */
static int64_t find_shift(const struct packet_scan *scan, size_t k, int64_t *ret_at)
{
	int64_t shift = INT64_MIN, start = INT64_MAX;

	for (size_t i = 0; i < scan->reader->n_streams; i++) {
		const struct scan_track *t = &scan->tracks[i];
		int64_t begin, late;

		if (part_begin(t, k) == part_end(t, k) || part_begin(t, k + 1) == part_end(t, k + 1))
			continue;
		begin = ticks_us(scan, i,
				 smallest_pts(t, part_begin(t, k + 1), part_end(t, k + 1)));
		late = ticks_us(scan, i, part_end_pts(t, k)) - begin;
		shift = late > shift ? late : shift;
		start = begin < start ? begin : start;
	}
	*ret_at = start + shift - begin_us(scan);
	return shift;
}

/* The part behind the k-th join, in one track. */
static void move_part(struct scan_track *t, const AVStream *st, size_t k, int64_t shift_us)
{
	int64_t ticks = av_rescale_q(shift_us, AV_TIME_BASE_Q, st->time_base) * st->time_base.num;

	for (size_t i = part_begin(t, k + 1); i < part_end(t, k + 1); i++) {
		t->samples[i].pts += ticks;
		t->samples[i].dts += ticks;
	}
	t->joins[t->n_joins++] = (struct index_join){t->returns[k].pos, shift_us};
}

/* What the scan has found out by the times as they were. */
static void look_again(struct scan_track *t)
{
	t->is_jumping = false;
	for (size_t i = 1, k = 0; i < t->n && t->is_clocked; i++) {
		while (k < t->n_returns && t->returns[k].sample < i)
			k++;
		t->is_jumping |= t->samples[i].dts < t->samples[i - 1].dts &&
				 (k == t->n_returns || t->returns[k].sample != i);
	}
	t->shown_min = smallest_pts(t, 0, t->n);
	t->shown_max = largest_pts(t, 0, t->n);
}

void index_join_parts(struct packet_scan *scan)
{
	bool can_join = index_join_is_possible(scan);
	size_t n;

	if (can_join)
		find_beginnings(scan);
	n = can_join ? count_joins(scan) : 0;
	if (n == SIZE_MAX)
		listener_warning(scan->listener,
				 "the upload's clock goes back, not in all of its streams alike: "
				 "frames that have the time of others may be left out");
	for (size_t i = 0; i < scan->reader->n_streams && n == SIZE_MAX; i++)
		scan->tracks[i].is_jumping |= scan->tracks[i].n_returns > 0;
	for (size_t k = 0; k < n && n != SIZE_MAX; k++) {
		int64_t at, shift_us = find_shift(scan, k, &at);

		for (size_t i = 0; i < scan->reader->n_streams; i++)
			if (scan->tracks[i].n)
				move_part(&scan->tracks[i], scan->reader->streams[i], k, shift_us);
		listener_warning(scan->listener,
				 "the upload's clock begins again at %.3f s: what comes behind it "
				 "is put there",
				 (double)at / 1e6);
	}
	for (size_t i = 0; i < scan->reader->n_streams && n && n != SIZE_MAX; i++)
		if (scan->tracks[i].n)
			look_again(&scan->tracks[i]);
}
