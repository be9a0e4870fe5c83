/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each part of an edited track becomes a track with samples of its own: those that it presents and
 * those that must be decoded for it. What a part hides keeps the times that it would have, which
 * other parts present something else at: only within its part is a sample's time its name.
 */
#include "index_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../mp4/reader.h"
#include "index.h"
#include "storyclip/common/macros.h"

/* Frames that refer to each other stand no further apart; open groups need some behind their end. */
#define REACH_SAMPLES 64
/* Sound that is decoded before a part: more than any codec's pre-roll. */
#define SOUND_SAMPLES 100

static int64_t bounded(uint64_t ticks)
{
	return ticks < INT64_MAX / 4 ? (int64_t)ticks : INT64_MAX / 4;
}

/* Movie and track count in ticks of their own: a part's ends are rounded each for itself, so that
 * errors do not add up. */
static int64_t track_ticks(const struct mp4_file *file, const struct mp4_track *t, uint64_t ticks)
{
	/* Only then can the result be out of bounds. */
	if (t->timescale > file->timescale && file->timescale &&
	    (uint64_t)bounded(ticks) / file->timescale >= INT64_MAX / 4 / t->timescale)
		return INT64_MAX / 4;
	return file->timescale ? index_rescale(bounded(ticks), t->timescale, file->timescale) : 0;
}

/* Whether a part goes on where the one before it ended, but for rounding. */
static bool continues(const struct mp4_file *file, const struct edit_part *before,
		      const struct edit_part *part, const struct mp4_track *t)
{
	int64_t tick = t->timescale / file->timescale + 1;
	int64_t expected = before->media_time + before->duration;

	return part->delay == before->delay + before->duration &&
	       part->media_time >= expected - tick && part->media_time <= expected + tick;
}

int edit_parts_read(const struct mp4_file *file, const struct mp4_track *t, struct edit_part **ret,
		    size_t *ret_n)
{
	auto_free struct edit_part *parts = calloc(t->n_edits + 1, sizeof(*parts));
	uint64_t elapsed = 0;
	size_t n = 0;

	if (!parts)
		return -ENOMEM;
	parts[0].duration = INT64_MAX;
	for (size_t i = 0; i < t->n_edits; i++) {
		const struct mp4_edit *edit = &t->edits[i];
		bool is_last = i + 1 == t->n_edits || !file->timescale;
		uint64_t begin = elapsed;
		struct edit_part part;

		elapsed = (uint64_t)bounded(elapsed) + (uint64_t)bounded(edit->duration);
		if (edit->media_time < 0)
			continue;
		if (!edit->is_normal_speed)
			return -ENOTSUP;
		if (!edit->duration && !is_last && n)
			continue;
		part = (struct edit_part){.media_time = bounded((uint64_t)edit->media_time),
					  .delay = track_ticks(file, t, begin),
					  .duration = INT64_MAX};
		if (edit->duration && file->timescale)
			part.duration = track_ticks(file, t, elapsed) - part.delay;
		if (n && continues(file, &parts[n - 1], &part, t))
			parts[n - 1].duration = part.duration == INT64_MAX
							? INT64_MAX
							: parts[n - 1].duration + part.duration;
		else
			parts[n++] = part;
		if (part.duration == INT64_MAX)
			break;
		if (n > INDEX_MAX_PARTS)
			return -E2BIG;
	}
	/* An edit list of nothing but waiting delays all. */
	if (!n)
		parts[0].delay = track_ticks(file, t, elapsed);
	*ret = take_ptr(parts);
	*ret_n = n ? n : 1;
	return 0;
}

/* What decoding a part takes, as places in the media's samples. */
struct stretch {
	size_t first, last; /* last: one behind */
};

/* The first sample that is decoded at a time or later. */
static size_t decoded_from(const struct index_track *media, int64_t dts)
{
	size_t low = 0, high = media->n_samples;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (media->samples[mid].dts < dts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct stretch sound_stretch(const struct index_track *media, int64_t start, int64_t end)
{
	struct stretch s = {decoded_from(media, start), decoded_from(media, end)};

	s.first -= s.first < SOUND_SAMPLES ? s.first : SOUND_SAMPLES;
	return s;
}

/* From the keyframe before the first frame, and the three before it, which recovery points and open
 * groups may need, to behind the last frame in decode order. Bare I pictures are no keyframes here. */
static struct stretch picture_stretch(const struct index_track *media, int64_t start, int64_t end)
{
	struct stretch s = {0, media->n_samples};
	size_t n_keys = 0;

	if (end < INT64_MAX - media->max_lag)
		s.last = decoded_from(media, end + media->max_lag);
	for (size_t i = decoded_from(media, start + media->max_lag + 1); i-- > 0 && n_keys < 4;)
		if (media->samples[i].is_sync && media->samples[i].pts <= start) {
			s.first = i;
			n_keys += !index_is_bare(media, i);
		}
	if (n_keys < 4)
		s.first = 0;
	s.last = media->n_samples - s.last < REACH_SAMPLES ? media->n_samples
							   : s.last + REACH_SAMPLES;
	return s;
}

/* A track like the whole, with nothing of its own yet. */
static struct index_track like(const struct index_track *whole)
{
	struct index_track part = {
		.is_video = whole->is_video,
		.is_part = true,
		.is_copyable = whole->is_copyable,
		.nal_length_bytes = whole->nal_length_bytes,
		.number = whole->number,
		.timescale = whole->timescale,
		.stsd = whole->stsd, /* borrowed, as all that follows */
		.stsd_len = whole->stsd_len,
		.alternate_group = whole->alternate_group,
		.width = whole->width,
		.height = whole->height,
		.handler_name = whole->handler_name,
		.name = whole->name,
	};

	memcpy(part.codec, whole->codec, sizeof(part.codec));
	memcpy(part.matrix, whole->matrix, sizeof(part.matrix));
	memcpy(part.language, whole->language, sizeof(part.language));
	return part;
}

static const struct media_listener deaf;

/* The samples of one part behind those of the ones before it. */
static int add_part(struct index_track *track, const struct index_track *media,
		    const struct mp4_sample *samples, const struct edit_part *edit,
		    size_t *samples_left, const struct media_listener *listener)
{
	int64_t end = edit->duration == INT64_MAX ? INT64_MAX : edit->media_time + edit->duration;
	int64_t shift = edit->delay - edit->media_time, last = INT64_MIN, last_ticks = 0;
	struct stretch s = media->is_video ? picture_stretch(media, edit->media_time, end)
					   : sound_stretch(media, edit->media_time, end);
	struct index_track *part = &track->parts[track->n_parts];
	size_t n = s.last > s.first ? s.last - s.first : 0;

	if (!n)
		return -ENODATA;
	if (n > *samples_left)
		return -E2BIG;
	*samples_left -= n; /* also where nothing comes of them: it is work all the same */
	*part = like(track);
	/* A place for now: the array may still move. */
	part->samples = malloc(n * sizeof(*part->samples));
	if (!part->samples)
		return -ENOMEM;
	for (size_t i = s.first; i < s.last; i++) {
		struct index_sample *one = &part->samples[part->n_samples++];

		*one = media->samples[i];
		one->dts += shift;
		one->pts += shift;
		part->end_dts = one->dts + samples[i].duration;
		if (media->samples[i].pts >= last && media->samples[i].pts < end) {
			last = media->samples[i].pts;
			last_ticks = samples[i].duration;
		}
	}
	part->hidden_from = end == INT64_MAX ? INT64_MAX : edit->delay + edit->duration;
	part->snapped = shift; /* a decoder that knows of no edits is off by so much */
	/* What cannot be decoded at the media's beginning is worth a word, not what lies before
	 * some part's. */
	return index_track_complete(part, last_ticks, edit->delay, part->hidden_from,
				    s.first ? &deaf : listener);
}

static void release_part(struct index_track *part)
{
	free(part->sync);
	free(part->shown);
	memset(part, 0, sizeof(*part));
}

/* Until the next part begins a player holds the last frame; what the part hides behind its end comes
 * behind that, too. */
static void hold_last_frame(struct index_track *part, int64_t next_start)
{
	int64_t by = next_start - part->hidden_from;

	for (size_t i = 0; i < part->n_samples && by > 0; i++) {
		struct index_sample *s = &part->samples[i];

		if (s->pts < part->hidden_from)
			continue;
		s->pts += by;
		if (s->pts - s->dts > part->max_lead)
			part->max_lead = s->pts - s->dts;
	}
	part->shown_end = next_start;
}

/* All parts' samples into one array, which the parts then point into. */
static int join_samples(struct index_track *track)
{
	size_t at = 0;
	struct index_sample *all = malloc((track->n_samples + 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t k = 0; k < track->n_parts; k++) {
		struct index_track *part = &track->parts[k];

		memcpy(all + at, part->samples, part->n_samples * sizeof(*all));
		free(part->samples);
		part->samples = all + at;
		at += part->n_samples;
	}
	track->n_samples = at;
	free(track->samples);
	track->samples = all;
	return 0;
}

/* What the whole track presents: the parts' frames, and the keyframes among them. */
static int join_shown(struct index_track *track)
{
	size_t n_shown = 0, n_sync = 0;

	for (size_t k = 0; k < track->n_parts; k++) {
		n_shown += track->parts[k].n_shown;
		n_sync += track->parts[k].n_sync;
	}
	track->shown = malloc((n_shown + 1) * sizeof(*track->shown));
	track->sync = malloc((n_sync + 1) * sizeof(*track->sync));
	if (!track->shown || !track->sync)
		return -ENOMEM;
	track->n_shown = track->n_sync = 0;
	for (size_t k = 0; k < track->n_parts; k++) {
		const struct index_track *part = &track->parts[k];
		size_t base = (size_t)(part->samples - track->samples);

		if (part->n_shown) /* without any there may be no array */
			memcpy(track->shown + track->n_shown, part->shown,
			       part->n_shown * sizeof(*track->shown));
		track->n_shown += part->n_shown;
		for (size_t i = 0; i < part->n_sync; i++) {
			int64_t pts = part->samples[part->sync[i]].pts;

			if (pts >= part->shown_start && pts < part->shown_end)
				track->sync[track->n_sync++] = (uint32_t)(base + part->sync[i]);
		}
		track->max_lead = part->max_lead > track->max_lead ? part->max_lead : track->max_lead;
		track->max_lag = part->max_lag > track->max_lag ? part->max_lag : track->max_lag;
		track->has_open_groups |= part->has_open_groups;
	}
	return 0;
}

int index_parts_complete(struct index_track *track, const struct mp4_sample *samples,
			 const struct edit_part *parts, size_t n_parts, size_t *samples_left,
			 const struct media_listener *listener)
{
	struct index_track media = *track;
	int r = 0;

	for (size_t i = 0; i < media.n_samples; i++) {
		int64_t lead = media.samples[i].pts - media.samples[i].dts;

		media.max_lead = lead > media.max_lead ? lead : media.max_lead;
		media.max_lag = -lead > media.max_lag ? -lead : media.max_lag;
	}
	track->n_samples = 0;
	track->parts = calloc(n_parts, sizeof(*track->parts));
	if (!track->parts)
		return -ENOMEM;
	for (size_t i = 0; i < n_parts && r == 0; i++) {
		r = add_part(track, &media, samples, &parts[i], samples_left, listener);
		if (r == -ENODATA) { /* beyond the media's end */
			free(track->parts[track->n_parts].samples);
			release_part(&track->parts[track->n_parts]);
			r = 0;
			continue;
		}
		track->n_samples += track->parts[track->n_parts].n_samples;
		track->n_parts++;
	}
	if (r == 0 && !track->n_parts)
		r = -ENODATA;
	if (r == 0) {
		for (size_t k = 0; k + 1 < track->n_parts && track->is_video; k++)
			hold_last_frame(&track->parts[k], track->parts[k + 1].shown_start);
		r = join_samples(track);
	}
	if (r < 0) { /* the parts still own what they have */
		for (size_t k = 0; k < track->n_parts; k++)
			free(track->parts[k].samples);
		track->n_samples = 0;
		return r;
	}
	track->frame_ticks = track->parts[0].frame_ticks;
	track->preroll = track->parts[0].preroll;
	track->shown_start = track->parts[0].shown_start;
	track->shown_end = track->parts[track->n_parts - 1].shown_end;
	track->end_dts = track->parts[track->n_parts - 1].end_dts;
	return join_shown(track);
}

size_t index_part_from(const struct index_track *track, int64_t pts)
{
	size_t low = 0, high = track->n_parts;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (track->parts[mid].shown_end <= pts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
