/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a request to ranges. Pure arithmetic, in whole microseconds: each frame has one time
 * (index_ticks_to_us()), so ranges that tile the time line give it to exactly one clip.
 */
#include "plan.h"

#include <string.h>

#include "source.h"

/* A caller's clock and ours may round differently. */
#define END_TOLERANCE_US 1000

struct planner {
	const struct index_track *track;
	enum cut_mode mode;
	int64_t end_us; /* the presented end, behind the last frame's time */
	size_t max_ranges;
	struct clip_range *ranges; /* owned */
	size_t n, cap;
};

/* The last keyframe (or packet of sound) whose time is time_us or earlier. */
static int64_t sync_pts_at(const struct index_track *t, int64_t time_us)
{
	int64_t tick = index_us_to_ticks_up(time_us + 1, t->timescale) - 1;
	size_t low = 0, high = t->is_video ? t->n_sync : t->n_samples;

	while (low < high) {
		size_t mid = low + (high - low) / 2, at = t->is_video ? t->sync[mid] : mid;

		if (t->samples[at].pts <= tick)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return t->shown_start;
	return t->samples[t->is_video ? t->sync[low - 1] : low - 1].pts;
}

/* Sound that is not copied has no list of packets to look keyframes up in, and that of several
 * parts none that rises. */
static enum cut_mode plan_mode(const struct index_track *t, enum cut_mode mode)
{
	bool has_list = t->is_video || (t->n_samples && !t->n_parts);

	return mode == CUT_KEYFRAME && !has_list ? CUT_EXACT : mode;
}

int64_t plan_keyframe_at(const struct index_track *track, int64_t time_us)
{
	int64_t pts;

	if (time_us >= index_ticks_to_us(track->shown_end, track->timescale))
		return track->shown_end;
	pts = plan_mode(track, CUT_KEYFRAME) == CUT_KEYFRAME
		      ? sync_pts_at(track, time_us)
		      : index_us_to_ticks_up(time_us, track->timescale);
	return pts > track->shown_start ? pts : track->shown_start;
}

/* The next keyframe behind a time, as microseconds; the end when there is none. */
static int64_t keyframe_after_us(const struct planner *p, int64_t time_us)
{
	const struct index_track *t = p->track;
	size_t n = t->is_video ? t->n_sync : t->n_samples;

	for (size_t i = 0; i < n; i++) {
		int64_t us = index_ticks_to_us(t->samples[t->is_video ? t->sync[i] : i].pts,
					       t->timescale);

		if (us > time_us)
			return us;
	}
	return p->end_us;
}

static struct clip_range snap(const struct planner *p, const struct clip_range *range)
{
	int64_t end = plan_keyframe_at(p->track, range->end_us);

	return (struct clip_range){
		.start_us = index_ticks_to_us(plan_keyframe_at(p->track, range->start_us),
					      p->track->timescale),
		.end_us = end == p->track->shown_end ? p->end_us
						     : index_ticks_to_us(end, p->track->timescale),
	};
}

/* Whether anything would be in the clip: a frame; of sound as much as a packet holds. */
static bool holds_frame(const struct planner *p, const struct clip_range *range)
{
	const struct index_track *t = p->track;
	int64_t start, end;

	if (t->is_video)
		return index_shown_from(t, range->start_us) < index_shown_from(t, range->end_us);
	start = index_us_to_ticks_up(range->start_us, t->timescale);
	end = index_us_to_ticks_up(range->end_us, t->timescale);
	start = start > t->shown_start ? start : t->shown_start;
	end = end < t->shown_end ? end : t->shown_end;
	return end - start >= t->frame_ticks;
}

static int add_range(struct planner *p, const struct clip_range *range)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 16;
		struct clip_range *more = realloc(p->ranges, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->ranges = more;
		p->cap = cap;
	}
	p->ranges[p->n++] = *range;
	return 0;
}

/* The first range of an even split that something begins in, at or behind range k; -1: none. */
static int64_t next_part(const struct planner *p, int64_t k, int64_t duration_us)
{
	const struct index_track *t = p->track;
	int64_t first_us;

	if (k > p->end_us / duration_us || k * duration_us >= p->end_us)
		return -1;
	if (t->is_video) {
		size_t at = index_shown_from(t, k * duration_us);

		if (at == t->n_shown)
			return -1;
		first_us = index_ticks_to_us(t->shown[at], t->timescale);
	} else {
		first_us = index_ticks_to_us(t->shown_start, t->timescale);
	}
	return first_us / duration_us > k ? first_us / duration_us : k;
}

static int split_evenly(struct planner *p, int64_t duration_us)
{
	for (int64_t k = next_part(p, 0, duration_us); k >= 0 && p->n < p->max_ranges;
	     k = next_part(p, k + 1, duration_us)) {
		struct clip_range range = {k * duration_us, (k + 1) * duration_us};
		int r;

		range.end_us = range.end_us < p->end_us ? range.end_us : p->end_us;
		if (p->mode == CUT_KEYFRAME)
			range = snap(p, &range);
		if (range.start_us >= range.end_us || !holds_frame(p, &range))
			continue;
		r = add_range(p, &range);
		if (r < 0)
			return r;
	}
	/* The last bound may have moved back to a keyframe that nothing was asked for behind. */
	if (p->mode == CUT_KEYFRAME && p->n && p->n < p->max_ranges &&
	    p->ranges[p->n - 1].end_us < p->end_us)
		return add_range(p, &(struct clip_range){p->ranges[p->n - 1].end_us, p->end_us});
	return 0;
}

/* Places in shown[] are compared with the bound itself; microseconds would be too coarse. */
static size_t shown_from_part(const struct index_track *t, unsigned int k, unsigned int parts)
{
	size_t low = 0, high = t->n_shown;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if ((__int128)t->shown[mid] * parts < (__int128)t->shown_end * k)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * Where part k of so many begins: k/parts of the presented time, as a microsecond that has the same
 * frames before and behind it.
 */
static int64_t part_bound_us(const struct planner *p, unsigned int k, unsigned int parts)
{
	const struct index_track *t = p->track;
	__int128 unit = (__int128)t->timescale * parts * 2;
	__int128 twice = (__int128)t->shown_end * k * 2 * 1000000;
	int64_t us = (int64_t)((twice + unit / 2) / unit), frame_us;
	size_t at;

	if (k == parts)
		return p->end_us;
	if (!t->is_video)
		return us;
	at = shown_from_part(t, k, parts);
	if (at > 0) {
		frame_us = index_ticks_to_us(t->shown[at - 1], t->timescale);
		us = us > frame_us ? us : frame_us + 1;
	}
	if (at < t->n_shown) {
		frame_us = index_ticks_to_us(t->shown[at], t->timescale);
		us = us < frame_us ? us : frame_us;
	}
	return us;
}

static int split_into_parts(struct planner *p, const struct media_listener *listener,
			    unsigned int parts)
{
	unsigned int n_empty = 0;

	for (unsigned int k = 0; k < parts && p->n < p->max_ranges; k++) {
		struct clip_range range = {part_bound_us(p, k, parts),
					   part_bound_us(p, k + 1, parts)};
		int r;

		if (p->mode == CUT_KEYFRAME)
			range = snap(p, &range);
		if (range.start_us >= range.end_us || !holds_frame(p, &range)) {
			n_empty++;
			continue;
		}
		r = add_range(p, &range);
		if (r < 0)
			return r;
	}
	if (n_empty)
		listener_warning(listener, "%u of %u parts hold no %s and give no clip", n_empty,
				 parts, p->mode == CUT_KEYFRAME ? "keyframe" : "frame");
	return 0;
}

static int check_range(const struct planner *p, size_t number, const struct clip_range *range,
		       struct error *e)
{
	int64_t frame_us = index_ticks_to_us(p->track->frame_ticks, p->track->timescale);
	int64_t tolerance_us = frame_us > END_TOLERANCE_US ? frame_us : END_TOLERANCE_US;

	if (range->start_us < 0 || range->start_us >= range->end_us)
		return error_set(e, SC_INVALID_REQUEST, "range %zu ends before it begins", number);
	if (range->end_us - tolerance_us > p->end_us || range->start_us >= p->end_us)
		return error_set(e, SC_RANGE_BEYOND_END,
				 "range %zu, %.3f to %.3f s, lies beyond the end at %.3f s", number,
				 (double)range->start_us / 1e6, (double)range->end_us / 1e6,
				 (double)p->end_us / 1e6);
	return 0;
}

/* Keyframes bound the range; one without a keyframe inside is left to the neighbour that touches
 * it, and alone it is widened to the next keyframe. */
static struct clip_range snap_given(const struct planner *p, const struct clip_range *ranges,
				    size_t n, size_t i)
{
	struct clip_range range = snap(p, &ranges[i]);
	bool touches = (i && ranges[i - 1].end_us == ranges[i].start_us) ||
		       (i + 1 < n && ranges[i + 1].start_us == ranges[i].end_us);

	if (range.start_us >= range.end_us && !touches)
		range.end_us = keyframe_after_us(p, range.start_us);
	return range;
}

/* Why a range gives no clip. */
static void tell_empty(const struct planner *p, const struct media_listener *listener,
		       size_t number, const struct clip_range *asked,
		       const struct clip_range *range)
{
	double start = (double)asked->start_us / 1e6, end = (double)asked->end_us / 1e6;

	if (p->mode == CUT_KEYFRAME && range->start_us >= range->end_us)
		listener_warning(
			listener,
			"range %zu, %.3f to %.3f s, gives no clip, as both its ends go to the "
			"keyframe at %.3f s",
			number, start, end, (double)range->start_us / 1e6);
	else
		listener_warning(listener,
				 "range %zu, %.3f to %.3f s, holds no frame and gives no clip",
				 number, start, end);
}

static int take_given(struct planner *p, const struct media_listener *listener,
		      const struct clip_range *ranges, size_t n, struct error *e)
{
	for (size_t i = 0; i < n && p->n < p->max_ranges; i++) {
		struct clip_range range = ranges[i];
		int r = check_range(p, i + 1, &range, e);

		if (r < 0)
			return r;
		range.end_us = range.end_us < p->end_us ? range.end_us : p->end_us;
		if (p->mode == CUT_KEYFRAME)
			range = snap_given(p, ranges, n, i);
		if (range.start_us >= range.end_us || !holds_frame(p, &range)) {
			tell_empty(p, listener, i + 1, &ranges[i], &range);
			continue;
		}
		r = add_range(p, &range);
		if (r < 0)
			return error_from_errno(e, r, "planning the clips");
	}
	return 0;
}

static int64_t last_frame_us(const struct index_track *t)
{
	return index_ticks_to_us(t->shown[t->n_shown - 1], t->timescale);
}

int plan_ranges(const struct media_index *index, const struct media_listener *listener,
		enum cut_mode mode, const struct media_split *split, struct error *e,
		struct media_plan *ret)
{
	struct planner p = {.track = index_main(index), .mode = mode};
	int r;

	p.mode = plan_mode(p.track, mode);
	p.end_us = index_ticks_to_us(p.track->shown_end, p.track->timescale);
	if (p.track->n_shown && p.end_us <= last_frame_us(p.track))
		p.end_us = last_frame_us(p.track) + 1;
	p.max_ranges = split->max_clips && split->max_clips <= REQUEST_MAX_CLIPS
			       ? split->max_clips
			       : REQUEST_MAX_CLIPS + 1;
	if (!split->n_ranges && !split->parts && split->clip_duration_us <= 0)
		return error_set(e, SC_INVALID_REQUEST, "a clip's duration must be over 0");
	if (split->n_ranges)
		r = take_given(&p, listener, split->ranges, split->n_ranges, e);
	else if ((r = split->parts ? split_into_parts(&p, listener, split->parts)
				   : split_evenly(&p, split->clip_duration_us)) < 0)
		error_from_errno(e, r, "planning the clips");
	if (r == 0 && p.n > REQUEST_MAX_CLIPS)
		r = error_set(e, SC_LIMIT_EXCEEDED, "this would be more than %d clips",
			      REQUEST_MAX_CLIPS);
	if (r == 0 && !p.n)
		r = error_set(e, SC_NO_CLIPS, "no range holds a whole frame, so there is no clip");
	if (r < 0) {
		free(p.ranges);
		return r;
	}
	*ret = (struct media_plan){.ranges = p.ranges, .n_ranges = p.n};
	return 0;
}

void media_plan_finish(struct media_plan *plan)
{
	free(plan->ranges);
	memset(plan, 0, sizeof(*plan));
}
