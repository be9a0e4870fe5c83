/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which samples a copied clip holds, and at which times. Pure arithmetic on an index. */
#include "../index/index_parts.h"
#include "copy.h"

#include <string.h>

/* A track's ticks are made at least this fine, so that hidden samples take next to no time. */
#define FINE_TIMESCALE 90000

/* A decoder that begins at a keyframe without IDR gives nothing back before it has seen more frames
 * than it delays; the largest delay is 16. */
#define OPEN_GROUP_SAMPLES 20

struct hidden {
	int64_t pts;
	size_t at; /* in the clip's samples */
};

static int compare_hidden(const void *a, const void *b)
{
	const struct hidden *x = a, *y = b;

	if (x->pts != y->pts)
		return x->pts < y->pts ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Recovery points: what decoding from one has begun is only right two of them later. */
static size_t step_back_gradual(const struct index_track *t, size_t sync)
{
	for (int i = 0; i < 2 && sync > 0 && t->samples[t->sync[sync]].is_gradual; i++)
		sync--;
	return sync;
}

/**
 * Where decoding begins for a clip. In a sane stream that is the last keyframe at or before its
 * first frame; where shown frames are decoded before that keyframe, an earlier one.
 */
static size_t find_first(const struct index_track *t, int64_t start)
{
	size_t sync = step_back_gradual(t, index_sync_at_or_before(t, start));

	return t->sync[index_sync_before_all(t, sync, start)];
}

/** One behind the last sample, in decode order, that is shown before `end`. */
static size_t find_last(const struct index_track *t, size_t first, const struct copy_cut *cut)
{
	size_t last = first;

	for (size_t i = first; i < t->n_samples && t->samples[i].dts - t->max_lag < cut->end; i++)
		if (t->samples[i].pts >= cut->start && t->samples[i].pts < cut->end)
			last = i + 1;
	return last;
}

/* Very short clips of open groups get more frames behind their end, or else before their start. */
static void lengthen(const struct index_track *t, bool is_moved, size_t *first, size_t *last)
{
	size_t sync;

	if (*last - *first >= OPEN_GROUP_SAMPLES || !t->has_open_groups)
		return;
	*last = *first + OPEN_GROUP_SAMPLES;
	if (*last <= t->n_samples)
		return;
	*last = t->n_samples;
	if (is_moved)
		return;
	sync = index_sync_at_or_before(t, t->samples[*first].pts - 1);
	if (t->sync[sync] < *first)
		*first = t->sync[sync];
}

/**
 * Where copying begins behind an encoded head: at the first keyframe from the cut on that is an
 * IDR. Before others a decoder must not lose its place: pictures behind them are numbered on from
 * those before, and shown in the order of these numbers. n_samples: there is none in the clip.
 */
static size_t find_behind_head(const struct index_track *t, const struct copy_cut *cut)
{
	for (size_t k = index_sync_at_or_before(t, cut->start); k < t->n_sync; k++) {
		const struct index_sample *s = &t->samples[t->sync[k]];

		if (s->pts >= cut->end)
			break;
		if (s->is_idr ? s->pts >= cut->start
			      : s->pts == cut->start && !s->is_gradual && !cut->needs_idr)
			return t->sync[k];
	}
	return t->n_samples;
}

/* What one sample says of its time, for qsort(). */
static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/**
 * Frames decoded before the one that copying begins at, but shown with or behind it: of two
 * recordings that were joined so that their times overlap. Nothing else has them than the head.
 * @param ret  their times, rising; NULL: only count them
 */
static size_t list_overlapping(const struct index_track *t, const struct copy_cut *cut,
			       size_t first, int64_t *ret)
{
	size_t n = 0;

	if (first == t->n_samples)
		return 0;
	for (size_t i = first;
	     i-- > 0 && t->samples[i].dts + t->max_lead >= t->samples[first].pts;) {
		const struct index_sample *s = &t->samples[i];

		if (s->is_hidden || s->is_second || s->pts < t->samples[first].pts ||
		    s->pts < t->shown_start || s->pts >= cut->end)
			continue;
		if (ret)
			ret[n] = s->pts;
		n++;
	}
	if (ret)
		qsort(ret, n, sizeof(*ret), compare_times);
	return n;
}

/* Where a clip's picture begins. */
struct beginning {
	size_t from, n_before; /* of shown: what is encoded anew, up to the time of `first` */
	size_t n_head;         /* with what overlaps */
	size_t first;          /* of samples: what is copied, behind it; n_samples: nothing */
};

static struct beginning find_beginning(const struct index_track *t, const struct copy_cut *cut)
{
	struct beginning ret = {.from = index_shown_at(t, cut->start)};

	if (cut->has_head) {
		ret.first = find_behind_head(t, cut);
		ret.n_before =
			index_shown_at(t, ret.first < t->n_samples ? t->samples[ret.first].pts
								   : cut->end) -
			ret.from;
		ret.n_head = ret.n_before + list_overlapping(t, cut, ret.first, NULL);
	}
	if (!ret.n_head)
		ret.first = cut->is_moved ? t->sync[cut->sync] : find_first(t, cut->start);
	return ret;
}

/**
 * The frames of the head, in the order of presentation, which is the one that they will be encoded
 * in; their sizes and places are known later.
 * @return 0 or -ENOMEM
 */
static int add_head(const struct index_track *t, const struct copy_cut *cut,
		    const struct beginning *begin, int64_t scale, struct copy_track *track)
{
	const struct index_sample *next =
		begin->first < t->n_samples ? &t->samples[begin->first] : NULL;
	size_t n = begin->n_head;
	auto_free int64_t *times = malloc((n + 1) * sizeof(*times));
	int64_t delay = next ? next->pts - next->dts : 0,
		limit = next ? next->dts * scale : INT64_MAX;

	if (!times)
		return -ENOMEM;
	memcpy(times, &t->shown[begin->from], begin->n_before * sizeof(*times));
	list_overlapping(t, cut, begin->first, times + begin->n_before);
	for (size_t i = n; i-- > 0;) {
		int64_t dts = (times[i] - delay) * scale;

		limit = dts < limit ? dts : limit - 1;
		track->numbers[i] = UINT32_MAX;
		track->samples[i] = (struct mp4_out_sample){
			.dts = limit, .pts = times[i] * scale, .is_sync = i == 0};
	}
	track->n_samples = track->n_head = n;
	return 0;
}

size_t copy_first_sample(const struct index_track *t, const struct copy_cut *cut)
{
	return find_beginning(t, cut).first;
}

/* Whether the clip may call a keyframe one: a player would begin there, though decoding cannot, or
 * without frames that are shown behind it but lie before it. */
static bool can_begin(const struct index_track *t, const struct copy_cut *cut, size_t sample,
		      size_t first, size_t n_head)
{
	const struct index_sample *s = &t->samples[sample];

	if (sample == first && !n_head)
		return true;
	if (sample != first &&
	    (s->is_gradual || index_is_bare(t, sample) || (cut->is_moved && !s->is_idr)))
		return false;
	return s->pts > cut->start || !list_overlapping(t, cut, sample, NULL);
}

static int collect_video(const struct index_track *t, const struct copy_cut *cut, int64_t scale,
			 struct copy_track *track, int64_t *ret_end_dts)
{
	struct beginning begin = find_beginning(t, cut);
	size_t first = begin.first, n_head = begin.n_head, last;
	int64_t key_pts;

	last = find_last(t, first, cut);
	if (last == first && !n_head)
		return -ENODATA;
	if (!n_head)
		lengthen(t, cut->is_moved || index_is_clean(t, first), &first, &last);
	key_pts = first < t->n_samples ? t->samples[first].pts : cut->end;
	track->samples = calloc(n_head + last - first, sizeof(*track->samples));
	track->numbers = calloc(n_head + last - first, sizeof(*track->numbers));
	if (!track->samples || !track->numbers)
		return -ENOMEM;
	if (n_head && add_head(t, cut, &begin, scale, track) < 0)
		return -ENOMEM;
	for (size_t i = first; i < last; i++) {
		const struct index_sample *s = &t->samples[i];

		/* Leading pictures of an open group refer to the one before, which is not here. */
		if (s->pts < key_pts && (s->pts < cut->start || n_head))
			continue;
		track->numbers[track->n_samples] = (uint32_t)i;
		track->samples[track->n_samples++] = (struct mp4_out_sample){
			.dts = s->dts * scale,
			.pts = s->pts * scale,
			.offset = s->offset,
			.size = s->size,
			.is_sync = s->is_sync && can_begin(t, cut, i, first, n_head)};
	}
	if (last == first)
		*ret_end_dts = cut->end * scale;
	else
		*ret_end_dts = (last < t->n_samples ? t->samples[last].dts : t->end_dts) * scale;
	return 0;
}

/* Give the hidden samples of one side consecutive ticks from `from` on, in their order. */
static void squeeze_pts(struct mp4_out_sample *samples, struct hidden *hidden, size_t n,
			int64_t from)
{
	qsort(hidden, n, sizeof(*hidden), compare_hidden);
	for (size_t i = 0; i < n; i++)
		samples[hidden[i].at].pts = from + (int64_t)i;
}

/**
 * Squeeze what is hidden (CUTTING.md, "The squeezed pre-roll"): before `start` it ends up in the
 * ticks right before it, from `end` on in those right after it; decode times before the first
 * shown sample and behind the last become one tick each. What that takes from the whole is given to
 * the last sample, so that frames by duration stay the source's frame rate.
 */
static int squeeze(struct mp4_out_track *out, struct mp4_out_sample *samples, int64_t *ret_last_pts)
{
	auto_free struct hidden *hidden = calloc(out->n_samples, 2 * sizeof(*hidden));
	struct hidden *head = hidden, *tail = hidden ? hidden + out->n_samples : NULL;
	size_t n_head = 0, n_tail = 0, first_shown = out->n_samples, last_shown = 0;
	int64_t old_start = samples[0].dts, last_pts = INT64_MIN;

	if (!hidden)
		return -ENOMEM;
	for (size_t i = 0; i < out->n_samples; i++) {
		int64_t pts = samples[i].pts;

		last_pts = pts > last_pts ? pts : last_pts;
		if (pts < out->shown_start) {
			head[n_head++] = (struct hidden){pts, i};
		} else if (pts >= out->shown_end) {
			tail[n_tail++] = (struct hidden){pts, i};
		} else {
			first_shown = i < first_shown ? i : first_shown;
			last_shown = i;
		}
	}
	squeeze_pts(samples, head, n_head, out->shown_start - (int64_t)n_head);
	squeeze_pts(samples, tail, n_tail, out->shown_end);
	for (size_t i = 0; i < first_shown; i++)
		samples[i].dts = samples[first_shown].dts - (int64_t)(first_shown - i);
	for (size_t i = last_shown + 1; i < out->n_samples; i++)
		samples[i].dts = samples[last_shown].dts + (int64_t)(i - last_shown);
	out->end_dts += samples[0].dts - old_start;
	*ret_last_pts = last_pts;
	return 0;
}

static void describe(const struct index_track *t, struct mp4_out_track *out)
{
	out->is_video = t->is_video;
	out->timescale = t->timescale;
	out->stsd = t->stsd;
	out->stsd_len = t->stsd_len;
	out->preroll = t->preroll;
	out->alternate_group = t->alternate_group;
	memcpy(out->matrix, t->matrix, sizeof(out->matrix));
	out->width = t->width;
	out->height = t->height;
	memcpy(out->language, t->language, sizeof(out->language));
	out->handler_name = t->handler_name;
	out->name = t->name;
	out->flags = index_track_flags(t);
}

/* @param clip  is told how much is hidden */
static int build_video(const struct index_track *t, const struct copy_cut *cut,
		       struct copy_track *track, struct mp4_out_track *out, struct copy_clip *clip)
{
	int64_t scale = t->timescale >= FINE_TIMESCALE
				? 1
				: (FINE_TIMESCALE + t->timescale - 1) / t->timescale;
	int64_t last_pts = 0, fine;
	int r;

	track->source = t;
	describe(t, out);
	r = collect_video(t, cut, scale, track, &out->end_dts);
	if (r < 0)
		return r;
	out->timescale = (uint32_t)(t->timescale * scale);
	out->samples = track->samples;
	out->n_samples = track->n_samples;
	out->shown_start = cut->start * scale;
	out->shown_end = cut->end * scale;
	fine = track->samples[0].pts;
	if (fine < out->shown_start)
		clip->hidden_head_us =
			index_rescale(out->shown_start - fine, 1000000, out->timescale);
	r = squeeze(out, track->samples, &last_pts);
	if (r < 0)
		return r;
	if (last_pts >= out->shown_end)
		clip->hidden_tail_us =
			index_rescale(last_pts + t->frame_ticks * scale - out->shown_end, 1000000,
				      out->timescale);
	clip->movie.timescale = out->timescale;
	return 0;
}

/* The last packet that begins at or before a time, 0 when there is none. */
static size_t packet_at(const struct index_track *t, int64_t dts)
{
	size_t low = 0, high = t->n_samples;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->samples[mid].dts <= dts)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : 0;
}

/* A gap behind a hidden packet would be taken for sound of its by players that skip samples. */
static void close_hidden_gaps(struct copy_track *track, int64_t shown, int64_t frame_ticks)
{
	for (size_t i = track->n_samples - 1; i-- > 0;) {
		struct mp4_out_sample *s = &track->samples[i];

		if (s[1].dts <= shown && s[1].dts - s->dts > frame_ticks)
			s->dts = s->pts = s[1].dts - frame_ticks;
	}
}

/* @return 0, -ENOMEM, -ENODATA: there is no sound in this clip */
static int build_sound(const struct index_track *t, const struct copy_cut *cut,
		       uint32_t cut_timescale, uint32_t movie_timescale, struct copy_track *track,
		       struct mp4_out_track *out)
{
	int64_t start = index_rescale(cut->start, t->timescale, cut_timescale);
	int64_t end = index_rescale(cut->end, t->timescale, cut_timescale);
	int64_t shown = start > t->shown_start ? start : t->shown_start;
	size_t first, last;

	end = end < t->shown_end ? end : t->shown_end;
	if (shown >= end)
		return -ENODATA;
	first = packet_at(t, shown);
	/* In a gap behind a packet nothing sounds: begin late, with the next one. */
	if (first + 1 < t->n_samples && t->samples[first].dts + t->frame_ticks <= shown &&
	    t->samples[first + 1].dts - t->samples[first].dts >
		    t->frame_ticks + t->frame_ticks / 4) {
		shown = t->samples[++first].dts;
		if (shown >= end)
			return -ENODATA;
	}
	first -= t->preroll < first ? t->preroll : first;
	last = packet_at(t, end - 1) + 1;
	/* FFmpeg takes the last packet of all to last as long as what is shown; where that begins
	 * later within the packet it would be left out, and the clip silent. */
	if (last < t->n_samples && shown - t->samples[last - 1].dts >= end - shown)
		last++;
	track->source = t;
	track->samples = malloc((last - first) * sizeof(*track->samples));
	track->numbers = malloc((last - first) * sizeof(*track->numbers));
	if (!track->samples || !track->numbers)
		return -ENOMEM;
	for (size_t i = first; i < last; i++) {
		const struct index_sample *s = &t->samples[i];

		track->numbers[track->n_samples] = (uint32_t)i;
		track->samples[track->n_samples++] = (struct mp4_out_sample){.dts = s->dts,
									     .pts = s->dts,
									     .offset = s->offset,
									     .size = s->size,
									     .is_sync = true};
	}
	close_hidden_gaps(track, shown, t->frame_ticks);
	describe(t, out);
	out->samples = track->samples;
	out->n_samples = track->n_samples;
	out->end_dts = last < t->n_samples ? t->samples[last].dts : t->end_dts;
	out->shown_start = shown;
	out->shown_end = end;
	out->delay = index_rescale(shown - start, movie_timescale, t->timescale);
	return 0;
}

void copy_move_to_clean(const struct index_track *t, struct copy_cut *cut)
{
	size_t first = copy_first_sample(t, cut), sync = t->n_sync - 1;

	while (t->sync[sync] > first || (sync > 0 && !index_is_clean(t, t->sync[sync])))
		sync--;
	cut->is_moved = true;
	cut->sync = (uint32_t)sync;
}

/* One part of an edit list, as far as it lies within the cut. */
static int build_part(const struct index_track *t, const struct copy_cut *cut, bool is_first,
		      struct copy_clip *clip, struct copy_part *part)
{
	uint32_t cut_timescale = clip->cut_timescale;
	struct copy_cut own = *cut;
	int64_t head_us = clip->hidden_head_us;
	int r;

	if (!t->is_video)
		return build_sound(t, cut, cut_timescale, clip->movie.timescale, &part->track,
				   &part->out);
	own.start = own.start > t->shown_start ? own.start : t->shown_start;
	own.end = own.end < t->shown_end ? own.end : t->shown_end;
	own.has_head = cut->has_head && is_first;
	if (own.start >= own.end)
		return -ENODATA;
	/* These are not proven (prove.h), and rare. */
	if (!index_is_clean(t, copy_first_sample(t, &own))) {
		if (own.has_head)
			own.needs_idr = true;
		else
			copy_move_to_clean(t, &own);
	}
	clip->hidden_tail_us = 0; /* the last part's is the clip's */
	clip->hidden_head_us = 0;
	r = build_video(t, &own, &part->track, &part->out, clip);
	if (is_first)
		return r;
	if (clip->hidden_head_us > clip->hidden_within_us)
		clip->hidden_within_us = clip->hidden_head_us;
	clip->hidden_head_us = head_us;
	return r;
}

static int build_parts(const struct index_track *t, const struct copy_cut *cut,
		       struct copy_clip *clip, struct copy_track *track, struct mp4_out_track *out)
{
	int64_t start = index_rescale(cut->start, t->timescale, clip->cut_timescale);
	int64_t end = index_rescale(cut->end, t->timescale, clip->cut_timescale);
	size_t at = index_part_from(t, start), behind = at, n = 0;
	struct copy_part *parts;
	int r = 0;

	while (behind < t->n_parts && t->parts[behind].shown_start < end)
		behind++;
	if (behind == at)
		return -ENODATA;
	parts = calloc(behind - at, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	for (; at < behind && (r == 0 || r == -ENODATA); at++) {
		r = build_part(&t->parts[at], cut, n == 0, clip, &parts[n]);
		n += r == 0 || r != -ENODATA;
	}
	if (r == 0 || r == -ENODATA)
		r = n ? copy_parts_join(t, parts, n, track, out) : -ENODATA;
	copy_parts_finish(parts, n);
	return r;
}

static int build_track(const struct index_track *t, const struct copy_cut *cut,
		       struct copy_clip *clip)
{
	struct copy_track *track = &clip->tracks[clip->movie.n_tracks];
	struct mp4_out_track *out = &clip->out[clip->movie.n_tracks];

	if (t->n_parts)
		return build_parts(t, cut, clip, track, out);
	return t->is_video ? build_video(t, cut, track, out, clip)
			   : build_sound(t, cut, clip->cut_timescale, clip->movie.timescale, track,
					 out);
}

int copy_clip_build(const struct media_index *index, const struct copy_selection *selection,
		    const struct copy_cut *cut, const struct copy_options *options,
		    struct copy_clip *ret)
{
	struct copy_clip *clip = ret;
	int r;

	memset(clip, 0, sizeof(*clip));
	clip->cut_timescale = index_main(index)->timescale;
	clip->movie.tracks = clip->out;
	clip->movie.creation_time = index->creation_time;
	clip->movie.is_audio = !index_video(index);
	clip->movie.timescale = clip->cut_timescale;
	for (size_t i = 0; i < selection->n_tracks; i++) {
		const struct index_track *t = &index->tracks[selection->tracks[i]];

		r = build_track(t, cut, clip);
		if (r == -ENODATA && !t->is_video)
			continue;
		if (r < 0)
			return r;
		clip->movie.n_tracks++;
	}
	if (!clip->movie.n_tracks)
		return -ENODATA;
	return copy_clip_place(clip, index->is_packets, options);
}

void copy_clip_finish(struct copy_clip *clip)
{
	for (size_t i = 0; i < INDEX_MAX_TRACKS; i++) {
		free(clip->tracks[i].samples);
		free(clip->tracks[i].numbers);
		free(clip->tracks[i].edits);
		free(clip->tracks[i].stsd);
	}
	free(clip->ranges);
	memset(clip, 0, sizeof(*clip));
}
