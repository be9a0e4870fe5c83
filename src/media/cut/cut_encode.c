/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `encode`: frame-exact clips of anything that libav decodes, the whole of each encoded anew to
 * H.264 and AAC. The source is decoded once from clip to clip; only ranges that overlap or go
 * backwards make it decode a part again. Times are kept, so a variable frame rate stays one.
 *
 * Entered by the media thread.
 */
#include <string.h>

#include "../encode/decode.h"
#include "../encode/encode_picture.h"
#include "../encode/encode_sound.h"
#include "../encode/encode_spool.h"
#include "../index/text_track.h"
#include "cut.h"
#include "storyclip/common/hook.h"

#define FINE_TIMESCALE 90000

struct encoding {
	struct media_source *source;
	struct decoder *pictures; /* NULL: only sound */
	struct picture_filter filter;
	struct picture_encoder picture;
	struct sound_encoder *sounds[INDEX_MAX_TRACKS];
	size_t n_sounds;
	struct spool spool;
	struct clip_set set;
	char *dropped; /* owned; the index's, and what turned out not to be decodable */
	size_t n_made;
};

/* One clip, on the presented timeline. */
struct encode_clip {
	unsigned int number;
	const struct clip_range *range;
	int64_t start, end; /* first shown to behind the last, in ticks of the main track */
	size_t n_frames;    /* that the index promises; 0 with only sound */
	uint64_t n_damaged; /* of all decoders when the clip began */
	bool is_picture_done;
};

static void encoding_finish(struct encoding *enc)
{
	for (size_t i = 0; i < enc->n_sounds; i++)
		sound_close(enc->sounds[i]);
	picture_finish(&enc->picture);
	picture_filter_finish(&enc->filter);
	decoder_close(enc->pictures);
	spool_close(&enc->spool);
	clip_set_finish(&enc->set);
	free(enc->dropped);
}

/* Sound that nobody here can decode is left out with a warning, if something else remains. */
static int open_sound(struct encoding *enc, const struct index_track *track, struct error *e)
{
	struct error why = {0};
	int r;

	r = sound_open(enc->source, track, &why, &enc->sounds[enc->n_sounds]);
	if (r == 0) {
		enc->n_sounds++;
		return 0;
	}
	if (why.code != SC_UNSUPPORTED_CODEC && why.code != SC_INVALID_MEDIA) {
		*e = why;
		return r;
	}
	r = sound_leave_out(enc->source, track, &why, &enc->dropped);
	return r < 0 ? error_from_errno(e, r, "preparing the clips") : 0;
}

static int open_streams(struct encoding *enc, struct error *e)
{
	const struct media_index *index = enc->source->index;
	int r;

	r = picture_filter_init(&enc->filter, enc->source, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < index->n_tracks; i++) {
		const struct index_track *track = &index->tracks[i];

		r = track->is_video ? decoder_open(enc->source, track, e, &enc->pictures)
				    : open_sound(enc, track, e);
		if (r < 0)
			return r;
	}
	if (enc->pictures && !enc->pictures->has_frame)
		return error_set(e, SC_INVALID_MEDIA, "no frame of the picture can be decoded");
	if (!enc->pictures && !enc->n_sounds)
		return error_set(e, SC_INVALID_MEDIA, "no stream of the upload can be decoded");
	return 0;
}

/* From the range's first frame to the first one behind it; sound alone is cut to the sample. */
static void clip_init(struct encode_clip *clip, const struct index_track *track,
		      const struct clip_range *range, size_t i)
{
	size_t first, behind;

	*clip = (struct encode_clip){.number = (unsigned int)i + 1, .range = range};
	if (track->is_video) {
		first = index_shown_from(track, range->start_us);
		behind = index_shown_from(track, range->end_us);
		clip->start = first < track->n_shown ? track->shown[first] : track->shown_end;
		clip->end = behind < track->n_shown ? track->shown[behind] : track->shown_end;
		clip->n_frames = behind - first;
		return;
	}
	clip->start = index_us_to_ticks_up(range->start_us, track->timescale);
	clip->end = index_us_to_ticks_up(range->end_us, track->timescale);
	if (clip->start < track->shown_start)
		clip->start = track->shown_start;
	if (clip->end > track->shown_end)
		clip->end = track->shown_end;
}

static uint32_t main_timescale(const struct encoding *enc)
{
	return index_main(enc->source->index)->timescale;
}

/*
 * The picture's times within its clip: in the stream's own unit, or a part of it, so that sound and
 * its edit list, which count in it too, are not rounded to the milliseconds of Matroska.
 */
static uint32_t picture_timescale(const struct encoding *enc)
{
	uint32_t own = (uint32_t)enc->pictures->stream->time_base.den;

	return own >= FINE_TIMESCALE ? own : own * ((FINE_TIMESCALE + own - 1) / own);
}

static int64_t picture_time(const struct encoding *enc, const struct encode_clip *clip,
			    int64_t ticks)
{
	return index_rescale(ticks, picture_timescale(enc), main_timescale(enc)) -
	       index_rescale(clip->start, picture_timescale(enc), main_timescale(enc));
}

/* Bring the decoder to the clip's first frame. */
static int find_first_frame(struct encoding *enc, const struct encode_clip *clip, struct error *e)
{
	struct decoder *d = enc->pictures;
	int64_t start_us = clip->range->start_us;
	bool is_behind =
		d->passed != AV_NOPTS_VALUE && decoder_compare(d, d->passed, start_us) >= 0;
	int r = 0;

	if (is_behind || decoder_is_far_before(d, start_us))
		r = decoder_seek(d, start_us, e);
	else if (!d->has_frame) /* it ended early, at damage: perhaps there is more behind it */
		r = decoder_try_behind(d, start_us, e);
	while (r == 0 && d->has_frame && decoder_compare(d, d->pts, start_us) < 0)
		r = decoder_next(d, e);
	return r;
}

static uint64_t count_damaged(const struct encoding *enc)
{
	uint64_t n = enc->pictures ? enc->pictures->n_damaged : 0;

	for (size_t i = 0; i < enc->n_sounds; i++)
		n += enc->sounds[i]->decoder->n_damaged;
	return n;
}

/* @return 1, or 0 when nothing of the clip's picture can be decoded, or a negative errno */
static int begin_clip(struct encoding *enc, struct encode_clip *clip, struct error *e)
{
	int r;

	r = spool_reset(&enc->spool);
	if (r < 0)
		return error_from_errno(e, r, "writing clip %u", clip->number);
	clip->is_picture_done = true;
	clip->n_damaged = count_damaged(enc);
	if (enc->pictures) {
		r = find_first_frame(enc, clip, e);
		if (r < 0)
			return r;
		if (!enc->pictures->has_frame ||
		    decoder_compare(enc->pictures, enc->pictures->pts, clip->range->end_us) >= 0)
			return 0;
		picture_finish(&enc->picture);
		r = picture_begin(&enc->picture, &enc->filter, enc->pictures->frame,
				  decoder_sar(enc->pictures), picture_timescale(enc),
				  index_main(enc->source->index), e);
		if (r < 0)
			return r;
		clip->is_picture_done = false;
	}
	for (size_t i = 0; i < enc->n_sounds && r == 0; i++) {
		uint32_t rate = enc->sounds[i]->rate;

		r = sound_begin(enc->sounds[i],
				index_rescale(clip->start, rate, main_timescale(enc)),
				index_rescale(clip->end, rate, main_timescale(enc)), e);
	}
	return r < 0 ? r : 1;
}

/* Encode the decoder's frame, or end the picture when that lies behind the clip. */
static int step_picture(struct encoding *enc, struct encode_clip *clip, struct error *e)
{
	struct decoder *d = enc->pictures;
	int64_t time, length = picture_time(enc, clip, clip->end);
	int r;

	if (!d->has_frame || decoder_compare(d, d->pts, clip->range->end_us) >= 0) {
		clip->is_picture_done = true;
		return picture_end(&enc->picture, &enc->spool, e);
	}
	time = decoder_presented(d, d->pts, picture_timescale(enc)) -
	       index_rescale(clip->start, picture_timescale(enc), main_timescale(enc));
	r = picture_add(&enc->picture, d->frame, time < 0 ? 0 : time, &enc->spool, e);
	if (r < 0)
		return r;
	listener_worked(enc->source->listener, 1);
	if (length > 0)
		listener_clip_progress(enc->source->listener, (double)time / (double)length);
	return decoder_next(d, e);
}

/* Whether the sound's next packet comes before the picture's in the clip, so that a player which
 * reads from front to back has both. */
static bool sound_is_due(const struct encoding *enc, const struct encode_clip *clip,
			 const struct sound_encoder *sound)
{
	int64_t position = sound->position - sound->from, written = enc->picture.written_dts;

	if (sound->is_done)
		return false;
	if (clip->is_picture_done)
		return true;
	return written != INT64_MIN &&
	       index_rescale(position, picture_timescale(enc), sound->rate) <= written;
}

static int encode_streams(struct encoding *enc, struct encode_clip *clip, struct error *e)
{
	bool is_done = false;
	int r = 0;

	while (!is_done && r == 0) {
		is_done = clip->is_picture_done;
		for (size_t i = 0; i < enc->n_sounds && r == 0; i++) {
			while (r == 0 && sound_is_due(enc, clip, enc->sounds[i])) {
				r = sound_step(enc->sounds[i], &enc->spool, e);
				listener_worked(enc->source->listener, 1);
			}
			is_done = is_done && enc->sounds[i]->is_done;
		}
		if (r == 0 && !clip->is_picture_done)
			r = step_picture(enc, clip, e);
	}
	for (size_t i = 0; i < enc->n_sounds && r == 0; i++)
		r = sound_end(enc->sounds[i], &enc->spool, e);
	return r;
}

static void tell_damage(const struct encoding *enc, const struct encode_clip *clip)
{
	size_t n_frames = enc->pictures ? enc->picture.n_frames : 0;
	size_t n_left_out = enc->pictures ? enc->picture.n_left_out : 0;
	uint64_t n_damaged = count_damaged(enc) - clip->n_damaged;
	double start = (double)clip->range->start_us / 1e6, end = (double)clip->range->end_us / 1e6;

	if (n_left_out && n_frames + n_left_out >= clip->n_frames && n_frames < clip->n_frames)
		listener_warning(enc->source->listener,
				 "clip %u (%.3f to %.3f s): %zu of %zu frames are left out, as the "
				 "source's times go back before them",
				 clip->number, start, end, clip->n_frames - n_frames,
				 clip->n_frames);
	else if (n_frames < clip->n_frames)
		listener_warning(
			enc->source->listener,
			"clip %u (%.3f to %.3f s): the source is damaged, %zu of %zu frames "
			"could be decoded",
			clip->number, start, end, n_frames, clip->n_frames);
	else if (n_damaged)
		listener_warning(enc->source->listener,
				 "clip %u (%.3f to %.3f s): the source is damaged in %llu places",
				 clip->number, start, end, (unsigned long long)n_damaged);
}

/* What the clip shows of the subtitles, behind all else in the spool. */
static int add_texts(struct encoding *enc, const struct encode_clip *clip, struct mp4_movie *movie,
		     struct mp4_out_track *tracks, struct mp4_out_sample **samples, struct error *e)
{
	const struct media_index *index = enc->source->index;
	int64_t start = index_ticks_to_us(clip->start, main_timescale(enc));
	int64_t end = index_ticks_to_us(clip->end, main_timescale(enc));
	auto_buf struct buf bytes = BUF_EMPTY;
	int r = 0;

	for (size_t i = 0; i < index->n_texts && r == 0; i++) {
		r = text_track_cut(&index->texts[i], start, end, enc->spool.size, &bytes,
				   &tracks[movie->n_tracks], &samples[i]);
		movie->n_tracks += r == 0;
	}
	if (r == 0)
		r = spool_write(&enc->spool, bytes.data, bytes.len);
	return r < 0 ? error_from_errno(e, r, "writing the subtitles of clip %u", clip->number) : 0;
}

/* Header, payload, check and name of what lies in the spool. */
static int write_clip(struct encoding *enc, const struct encode_clip *clip, struct error *e)
{
	struct mp4_range range = {0};
	struct mp4_out_track tracks[INDEX_MAX_TRACKS];
	struct mp4_out_sample *texts[INDEX_MAX_TEXTS] = {0}; /* owned */
	struct buf stsds[INDEX_MAX_TRACKS] = {0};
	struct mp4_movie movie = {.timescale = enc->pictures ? picture_timescale(enc)
							     : main_timescale(enc),
				  .is_audio = !enc->pictures,
				  .creation_time = enc->source->index->creation_time,
				  .tracks = tracks,
				  .ranges = &range,
				  .n_ranges = 1};
	struct artifact artifact = {
		.number = clip->number,
		.method = CLIP_ENCODE,
		.start_us = index_rescale(clip->start, 1000000, main_timescale(enc)),
		.duration_us = index_rescale(clip->end - clip->start, 1000000, main_timescale(enc)),
		.dropped = enc->dropped,
	};
	size_t n_coded = 0;
	int r = 0;

	if (enc->pictures) {
		r = picture_track(&enc->picture, index_main(enc->source->index),
				  picture_time(enc, clip, clip->end), &stsds[0], &tracks[0]);
		movie.n_tracks = 1;
	}
	for (size_t i = 0; i < enc->n_sounds && r == 0; i++) {
		if (!sound_is_there(enc->sounds[i]))
			continue;
		r = sound_track(enc->sounds[i], &stsds[movie.n_tracks], &tracks[movie.n_tracks]);
		movie.n_tracks++;
	}
	n_coded = movie.n_tracks;
	if (r < 0)
		error_set(e, r == -ENOMEM ? SC_OUT_OF_MEMORY : SC_INTERNAL,
			  "clip %u cannot be described as MP4", clip->number);
	else if (!movie.n_tracks)
		r = error_set(e, SC_INVALID_MEDIA, "nothing of clip %u can be decoded",
			      clip->number);
	else
		r = add_texts(enc, clip, &movie, tracks, texts, e);
	range.length = enc->spool.size;
	if (r == 0)
		r = clip_set_add(&enc->set, &movie, enc->spool.fd, &artifact, e);
	for (size_t i = 0; i < n_coded; i++)
		buf_finish(&stsds[i]);
	for (size_t i = 0; i < INDEX_MAX_TEXTS; i++)
		free(texts[i]);
	return r;
}

static int encode_clip(struct encoding *enc, struct encode_clip *clip, struct error *e)
{
	int r;

	hook_reach("cut-clip");
	r = begin_clip(enc, clip, e);
	if (r < 0)
		return r;
	if (r == 0) {
		listener_warning(
			enc->source->listener,
			"clip %u (%.3f to %.3f s) is left out: the source is damaged, none of "
			"its %zu frames can be decoded",
			clip->number, (double)clip->range->start_us / 1e6,
			(double)clip->range->end_us / 1e6, clip->n_frames);
		return 0;
	}
	r = encode_streams(enc, clip, e);
	if (r < 0)
		return r;
	tell_damage(enc, clip);
	enc->n_made++;
	return write_clip(enc, clip, e);
}

static void tell_bare_sound(const struct encoding *enc, const struct media_plan *plan)
{
	const struct index_track *track = index_main(enc->source->index);
	int64_t first = INT64_MAX, last = INT64_MIN;

	for (size_t i = 0; i < plan->n_ranges; i++) {
		struct encode_clip clip;

		clip_init(&clip, track, &plan->ranges[i], i);
		first = clip.start < first ? clip.start : first;
		last = clip.end > last ? clip.end : last;
	}
	cut_tell_bare_sound(enc->source, first, last);
}

static int encode_all(struct encoding *enc, const struct media_plan *plan, int dir_fd,
		      struct error *e)
{
	const struct index_track *track = index_main(enc->source->index);
	struct encode_clip clip;
	int r;

	enc->dropped = strdup(enc->source->index->dropped);
	if (!enc->dropped)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	r = spool_open(&enc->spool, dir_fd);
	if (r < 0)
		return error_from_errno(e, r, "opening the spool");
	r = open_streams(enc, e);
	if (r == 0)
		tell_bare_sound(enc, plan);
	for (size_t i = 0; i < plan->n_ranges && r == 0; i++) {
		clip_init(&clip, track, &plan->ranges[i], i);
		r = encode_clip(enc, &clip, e);
	}
	if (r == 0 && !enc->n_made)
		r = error_set(e, SC_INVALID_MEDIA, "no frame of %s can be decoded",
			      plan->n_ranges > 1 ? "any clip" : "the clip");
	return r < 0 ? r : clip_set_sync(&enc->set, e);
}

int cut_encode_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		     clip_made made, void *made_context, struct error *e)
{
	struct encoding enc = {.source = source, .spool = {.fd = -1}};
	int r;

	clip_set_init(&enc.set, source, dir_fd, made, made_context);
	r = encode_all(&enc, plan, dir_fd, e);
	encoding_finish(&enc);
	return r;
}
