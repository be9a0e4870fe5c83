/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of modes, and what a listener that leaves functions out is spared. */
#include "../library/library.h"
#include "cut.h"

#include <stdarg.h>
#include <stdio.h>

/* So much sound beside the picture is no matter of whole packets any more. */
#define BARE_SOUND_US 100000

/* Where only sound is there, and an MP4 cannot hold it all, nothing is gained by copying a part. */
static enum cut_mode mode_for_sound(const struct media_index *index,
				    const struct media_listener *listener, enum cut_mode mode)
{
	if ((mode != CUT_EXACT && mode != CUT_KEYFRAME) || index_video(index))
		return mode;
	for (size_t i = 0; i < index->n_tracks; i++) {
		const struct index_track *t = &index->tracks[i];

		if (t->is_copyable)
			continue;
		listener_recoded(listener, t);
		return CUT_ENCODE;
	}
	return mode;
}

/* A sound that is over before a clip begins, or begins behind it, is not in it. */
static void warn_of_silence(const struct media_source *source, const struct media_plan *plan)
{
	for (size_t i = 0; index_video(source->index) && i < source->index->n_tracks; i++) {
		const struct index_track *t = &source->index->tracks[i];
		int64_t from = index_ticks_to_us(t->shown_start, t->timescale);
		int64_t to = index_ticks_to_us(t->shown_end, t->timescale);
		size_t n = 0;

		for (size_t k = 0; k < plan->n_ranges && !t->is_video; k++)
			n += plan->ranges[k].start_us >= to || plan->ranges[k].end_us <= from;
		if (n)
			listener_warning(
				source->listener,
				"the sound (stream %u) lasts from %.3f to %.3f s: %zu of %zu "
				"clips lie outside of it and have none",
				t->number, (double)from / 1e6, (double)to / 1e6, n, plan->n_ranges);
	}
}

void cut_tell_bare_sound(const struct media_source *source, int64_t first, int64_t last)
{
	const struct index_track *picture = index_video(source->index);
	int64_t start, end;

	if (!picture)
		return;
	start = index_ticks_to_us(picture->shown_start, picture->timescale);
	end = index_ticks_to_us(picture->shown_end, picture->timescale);
	for (size_t i = 0; i < source->index->n_tracks; i++) {
		const struct index_track *t = &source->index->tracks[i];
		int64_t from = index_ticks_to_us(t->shown_start, t->timescale);
		int64_t to = index_ticks_to_us(t->shown_end, t->timescale);

		if (t->is_video)
			continue;
		if (first == picture->shown_start && start - from > BARE_SOUND_US)
			listener_warning(source->listener,
					 "the sound (stream %u) from %.3f s to %.3f s, before the "
					 "first frame, is in no clip",
					 t->number, (double)from / 1e6,
					 (double)(to < start ? to : start) / 1e6);
		if (last == picture->shown_end && to - end > BARE_SOUND_US)
			listener_warning(source->listener,
					 "the sound (stream %u) from %.3f s to %.3f s, behind the "
					 "last frame, is in no clip",
					 t->number, (double)(from > end ? from : end) / 1e6,
					 (double)to / 1e6);
	}
}

int media_cut(struct media_source *source, enum cut_mode mode, const struct encode_options *encode,
	      bool is_strict, const struct media_plan *plan, int dir_fd,
	      void (*made)(void *context, const struct artifact *artifact), void *made_context,
	      struct error *e)
{
	/* The others decode. */
	static const cut_mode_function modes[CUT_MODE_COUNT] = {
		[CUT_EXACT] = cut_exact_clips,
		[CUT_SMART] = cut_smart_clips,
		[CUT_KEYFRAME] = cut_keyframe_clips,
	};
	cut_mode_function cut;
	const struct media_library *library;
	int r;

	if (!plan->n_ranges)
		return error_set(e, SC_NO_CLIPS, "there is no clip to cut");
	source->encode = *encode;
	source->is_strict = is_strict;
	warn_of_silence(source, plan);
	mode = mode_for_sound(source->index, source->listener, mode);
	cut = modes[mode];
	if (!cut) {
		r = media_library_get(e, &library);
		if (r < 0)
			return r;
		cut = library->cut[mode];
	}
	return cut(source, plan, dir_fd, made, made_context, e);
}

void listener_recoded(const struct media_listener *listener, const struct index_track *sound)
{
	listener_warning(
		listener,
		"the sound in %s (stream %u) is encoded anew, as AAC, because an MP4 cannot "
		"hold it as it is%s%s",
		sound->codec, sound->number, sound->obstacle ? ": " : "",
		sound->obstacle ? sound->obstacle : "");
}

void listener_worked(const struct media_listener *listener, uint64_t units)
{
	if (listener->worked && units)
		listener->worked(listener->context, units);
}

void listener_synced(const struct media_listener *listener, int64_t us)
{
	if (listener->synced)
		listener->synced(listener->context, us);
}

void listener_clip_progress(const struct media_listener *listener, double part)
{
	if (listener->clip_progress)
		listener->clip_progress(listener->context, part < 1 ? part : 1);
}

void listener_prepared(const struct media_listener *listener, double part)
{
	if (listener->prepared)
		listener->prepared(listener->context, part);
}

void listener_log(const struct media_listener *listener, const char *fmt, ...)
{
	char line[ERROR_MESSAGE_SIZE];
	va_list args;

	if (!listener->log)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	listener->log(listener->context, line);
}

void listener_warning(const struct media_listener *listener, const char *fmt, ...)
{
	char line[ERROR_MESSAGE_SIZE];
	va_list args;

	if (!listener->warning)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	listener->warning(listener->context, line);
}
