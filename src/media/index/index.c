/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both readers of sources share: exact arithmetic and the second half of making a track. */
#include "index.h"

#include <stdio.h>
#include <string.h>

#include "../mp4/nal.h"
#include "../mp4/writer.h"
#include "../source.h"
#include "text_track.h"

const struct index_track *index_video(const struct media_index *index)
{
	return index->n_tracks && index->tracks[0].is_video ? &index->tracks[0] : NULL;
}

const struct index_track *index_main(const struct media_index *index)
{
	return &index->tracks[0];
}

/* Quotients of these are rounded down, also below zero. */
static int64_t floor_div(__int128 value, __int128 by)
{
	__int128 whole = value / by;

	return (int64_t)(whole * by > value ? whole - 1 : whole);
}

int64_t index_ticks_to_us(int64_t ticks, uint32_t timescale)
{
	return floor_div((__int128)ticks * 2000000 + timescale, (__int128)timescale * 2);
}

int64_t index_us_to_ticks_up(int64_t us, uint32_t timescale)
{
	/* ticks * 2000000 + timescale >= us * 2 * timescale */
	return -floor_div(-(((__int128)us * 2 - 1) * timescale), 2000000);
}

int64_t index_rescale(int64_t ticks, uint32_t to, uint32_t from)
{
	__int128 scaled = (__int128)ticks * to;

	scaled += scaled < 0 ? -(__int128)(from / 2) : (__int128)(from / 2);
	return (int64_t)(scaled / from);
}

size_t index_sync_at_or_before(const struct index_track *t, int64_t pts)
{
	size_t low = 0, high = t->n_sync;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->samples[t->sync[mid]].pts <= pts)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : 0;
}

bool index_is_clean(const struct index_track *t, size_t sample)
{
	return sample == 0 || sample >= t->n_samples || t->samples[sample].is_idr ||
	       strcmp(t->codec, "h264") != 0;
}

bool index_is_bare(const struct index_track *t, size_t sample)
{
	return !index_is_clean(t, sample) && !t->samples[sample].is_recovery;
}

size_t index_sync_before_all(const struct index_track *t, size_t sync, int64_t pts)
{
	size_t at = t->n_sync ? t->sync[sync] : 0;

	while (at-- > 0 && t->samples[at].dts + t->max_lead >= pts) {
		if (t->samples[at].pts < pts)
			continue;
		while (sync > 0 && t->sync[sync] > at)
			sync--;
	}
	return sync;
}

size_t index_decoding_from(const struct index_track *t, int64_t pts)
{
	size_t sync = index_sync_before_all(t, index_sync_at_or_before(t, pts), pts), at = sync;

	if (!t->n_sync || index_is_clean(t, t->sync[sync]))
		return sync;
	while (at-- > 0 && t->sync[sync] - t->sync[at] <= INDEX_CLEAN_SAMPLES)
		if (index_is_clean(t, t->sync[at]))
			return at;
	return sync > INDEX_UNSURE_BACK ? sync - INDEX_UNSURE_BACK : 0;
}

size_t index_shown_at(const struct index_track *track, int64_t pts)
{
	size_t low = 0, high = track->n_shown;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (track->shown[mid] < pts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t index_shown_from(const struct index_track *track, int64_t time_us)
{
	return index_shown_at(track, index_us_to_ticks_up(time_us, track->timescale));
}

void index_add_dropped(struct buf *json, unsigned int number, const char *kind, const char *codec)
{
	if (!json->len)
		buf_add_str(json, "[");
	else
		json->data[json->len - 1] = ','; /* over the closing bracket */
	buf_printf(json, "\"stream %u: %s (%s)\"]", number, kind, codec);
}

void index_note_picture(struct index_sample *s, const struct nal_picture *picture)
{
	if (!picture->has_slice)
		return; /* trust the container */
	s->is_idr = picture->is_idr;
	s->is_recovery = picture->recovery_frames >= 0;
	s->is_gradual = !picture->is_idr && picture->recovery_frames > 0;
	s->is_sync = picture->is_intra || picture->recovery_frames >= 0;
}

static int compare_ticks(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Equal or falling decode times (damaged files) are spread by single ticks. */
static void mend_dts(struct index_track *t)
{
	for (size_t i = 1; i < t->n_samples; i++)
		if (t->samples[i].dts <= t->samples[i - 1].dts)
			t->samples[i].dts = t->samples[i - 1].dts + 1;
	if (t->n_samples && t->end_dts <= t->samples[t->n_samples - 1].dts)
		t->end_dts = t->samples[t->n_samples - 1].dts + 1;
}

/*
 * What comes before the first keyframe, in decode order or as its leading pictures, cannot be
 * decoded by anybody.
 */
static void drop_undecodable_start(struct index_track *t, const struct media_listener *listener)
{
	size_t first = 0, kept = 0, dropped;
	int64_t key_pts;

	while (first < t->n_samples && !t->samples[first].is_sync)
		first++;
	if (first == t->n_samples) {
		/* No keyframe at all: intra refresh without marks, or damage. Begin at the
		 * beginning. Decoders of HEVC may show nothing before the first one. */
		if (t->n_samples)
			t->samples[0].is_sync = true;
		if (!strcmp(t->codec, "hevc") && t->is_copyable) {
			t->is_copyable = false;
			t->obstacle = "without a picture that decoding can begin at";
		}
		listener_warning(listener, "the picture has no keyframe marked; it is cut as if it "
					   "had one at its beginning");
		return;
	}
	key_pts = t->samples[first].pts;
	for (size_t i = first; i < t->n_samples; i++)
		if (t->samples[i].pts >= key_pts)
			t->samples[kept++] = t->samples[i];
	dropped = t->n_samples - kept;
	t->n_samples = kept;
	if (dropped)
		listener_warning(
			listener,
			"the first %zu frames come before the first keyframe and cannot be "
			"decoded",
			dropped);
}

static int list_sync(struct index_track *t)
{
	t->n_sync = 0;
	for (size_t i = 0; i < t->n_samples; i++)
		t->n_sync += t->samples[i].is_sync;
	t->sync = malloc((t->n_sync + 1) * sizeof(*t->sync));
	if (!t->sync)
		return -ENOMEM;
	t->n_sync = 0;
	for (size_t i = 0; i < t->n_samples; i++)
		if (t->samples[i].is_sync)
			t->sync[t->n_sync++] = (uint32_t)i;
	return 0;
}

/* Decode order is nearly the order of showing: each time moves past few others. */
static void sort_ticks(int64_t *ticks, size_t n)
{
	size_t moves_left = 32 * n;

	for (size_t i = 1; i < n; i++) {
		int64_t one = ticks[i];
		size_t at = i;

		for (; at > 0 && ticks[at - 1] > one && moves_left; at--, moves_left--)
			ticks[at] = ticks[at - 1];
		ticks[at] = one;
	}
	if (!moves_left)
		qsort(ticks, n, sizeof(*ticks), compare_ticks);
}

static int list_shown(struct index_track *t, int64_t edit_start, int64_t edit_end)
{
	t->shown = malloc((t->n_samples + 1) * sizeof(*t->shown));
	if (!t->shown)
		return -ENOMEM;
	t->n_shown = 0;
	for (size_t i = 0; i < t->n_samples; i++)
		if (!t->samples[i].is_hidden && !t->samples[i].is_second &&
		    t->samples[i].pts >= edit_start && t->samples[i].pts < edit_end)
			t->shown[t->n_shown++] = t->samples[i].pts;
	sort_ticks(t->shown, t->n_shown);
	return t->n_shown ? 0 : -ENODATA;
}

/* The usual duration: the middle one of some steps, which neither gaps nor padding can move. */
static uint32_t usual_ticks(const struct index_track *t, int64_t fallback)
{
	size_t n = t->is_video ? t->n_shown : t->n_samples, n_steps = 0;
	int64_t steps[33];

	for (size_t i = 0; i < SC_ARRAY_SIZE(steps) && n > 1; i++) {
		size_t at = i * (n - 1) / SC_ARRAY_SIZE(steps);
		int64_t step = t->is_video ? t->shown[at + 1] - t->shown[at]
					   : t->samples[at + 1].dts - t->samples[at].dts;

		if (step > 0)
			steps[n_steps++] = step;
	}
	if (n_steps) {
		qsort(steps, n_steps, sizeof(*steps), compare_ticks);
		fallback = steps[n_steps / 2];
	}
	return fallback >= 1 && fallback <= UINT32_MAX ? (uint32_t)fallback : 1;
}

/* Leading pictures follow their keyframe at once, and there are at most as many as a decoder holds.
 */
static bool has_leading_pictures(const struct index_track *t)
{
	for (size_t k = 0; k < t->n_sync; k++)
		for (size_t i = t->sync[k] + 1u; i < t->n_samples && i <= t->sync[k] + 16u; i++)
			if (t->samples[i].pts < t->samples[t->sync[k]].pts)
				return true;
	return false;
}

static int complete_video(struct index_track *t, int64_t last_ticks, int64_t edit_start,
			  int64_t edit_end, const struct media_listener *listener)
{
	int64_t natural_end;
	int r;

	drop_undecodable_start(t, listener);
	if (!t->n_samples)
		return -ENODATA;
	r = list_sync(t);
	if (r == 0)
		r = list_shown(t, edit_start, edit_end);
	if (r < 0)
		return r;
	for (size_t i = 0; i < t->n_samples; i++) {
		int64_t lead = t->samples[i].pts - t->samples[i].dts;

		t->max_lead = lead > t->max_lead ? lead : t->max_lead;
		t->max_lag = -lead > t->max_lag ? -lead : t->max_lag;
	}
	t->has_open_groups = has_leading_pictures(t);
	t->frame_ticks = usual_ticks(t, last_ticks);
	t->shown_start = t->shown[0];
	/* An edit list that ends within rounding of the last frame's end does not cut it. */
	natural_end = t->shown[t->n_shown - 1] +
		      (last_ticks > 0 && !t->has_fields ? last_ticks : t->frame_ticks);
	t->shown_end = edit_end < natural_end && natural_end - edit_end > t->timescale / 500
			       ? edit_end
			       : natural_end;
	return 0;
}

/* Packets of sound that must be decoded for the next one to be right. */
static unsigned int sound_preroll(const struct index_track *t)
{
	static const struct {
		const char *codec;
		unsigned int packets;
		unsigned int ms; /* at least as much */
	} needs[] = {
		{"aac", 1, 0},  /* halves overlap */
		{"mp2", 1, 0},  /* the filter's memory */
		{"mp3", 9, 0},  /* the bit reservoir reaches so far back at low rates */
		{"ac3", 1, 0},  /* halves overlap */
		{"eac3", 1, 0}, /* the same */
		{"opus", 8, 80} /* its standard's convergence */
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(needs); i++) {
		uint64_t ticks = (uint64_t)needs[i].ms * t->timescale / 1000;
		uint64_t packets = (ticks + t->frame_ticks - 1) / t->frame_ticks;

		if (!strcmp(t->codec, needs[i].codec))
			return packets > needs[i].packets ? (unsigned int)packets
							  : needs[i].packets;
	}
	return 0;
}

int index_track_complete(struct index_track *track, int64_t last_ticks, int64_t edit_start,
			 int64_t edit_end, const struct media_listener *listener)
{
	if (!track->n_samples)
		return -ENODATA;
	mend_dts(track);
	if (track->is_video)
		return complete_video(track, last_ticks, edit_start, edit_end, listener);
	for (size_t i = 0; i < track->n_samples; i++) {
		track->samples[i].is_sync = true;
		track->samples[i].pts = track->samples[i].dts;
	}
	track->shown_start =
		track->samples[0].pts > edit_start ? track->samples[0].pts : edit_start;
	track->shown_end = track->end_dts < edit_end ? track->end_dts : edit_end;
	track->frame_ticks = usual_ticks(track, last_ticks);
	track->preroll = sound_preroll(track);
	return track->shown_start < track->shown_end ? 0 : -ENODATA;
}

void index_enable_sound(struct media_index *index)
{
	struct index_track *first = NULL;

	for (size_t i = 0; i < index->n_tracks; i++) {
		if (index->tracks[i].is_video)
			continue;
		if (!index->tracks[i].is_disabled)
			return;
		first = first ? first : &index->tracks[i];
	}
	if (first)
		first->is_disabled = false;
}

int64_t index_texts_end(const struct media_index *index)
{
	int64_t end = 0;

	for (size_t i = 0; i < index->n_texts; i++) {
		const struct text_track *t = &index->texts[i];

		if (t->n_cues && t->cues[t->n_cues - 1].end > end)
			end = t->cues[t->n_cues - 1].end;
	}
	return end;
}

uint32_t index_track_flags(const struct index_track *track)
{
	return track->is_disabled && !track->is_video ? MP4_TRACK_DISABLED : MP4_TRACK_ENABLED;
}

void index_track_finish(struct index_track *track)
{
	for (size_t i = 0; i < track->n_parts; i++) {
		free(track->parts[i].sync);
		free(track->parts[i].shown);
	}
	free(track->parts);
	free(track->samples);
	free(track->sync);
	free(track->shown);
	free(track->stsd);
	free(track->handler_name);
	free(track->name);
	memset(track, 0, sizeof(*track));
}

void index_free(struct media_index *index)
{
	if (!index)
		return;
	for (size_t i = 0; i < index->n_tracks; i++)
		index_track_finish(&index->tracks[i]);
	for (size_t i = 0; i < index->n_texts; i++)
		text_track_finish(&index->texts[i]);
	free(index->tracks);
	free(index->texts);
	free(index->dropped);
	free(index);
}
