/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoded frames of one stream, one at a time. Entered by the media thread. */
#include "decode.h"

#include <string.h>

#include <libavutil/avstring.h>

#include "../index/index_parts.h"

/* Decoding is often faster than the seek, its retries, and the packets that it reads twice. */
#define FAR_US 10000000
/* Where to try next when a seek ended behind the time: so much earlier. Then from the start. */
static const int64_t seek_steps_us[] = {0, 2000000, 15000000};

/* So many packets in a row that give no frame are the end of what can be decoded. */
#define REFUSED_MAX 100000

/* Decoders of sound find their way within it: Opus 80 ms, MP3 100. */
#define SOUND_PREROLL_US 200000

/* Containers whose index names true keyframes. In others (transport streams) a seek lands anywhere
 * and the first frames are then broken. */
#define SEEKABLE_CONTAINERS "mov,matroska"

/* Presented time as a number of seconds / *ret_unit. The zero is a whole tick of the track, as in the
 * index: a frame's time here and there is the same. */
static __int128 presented_times(const struct decoder *d, int64_t pts, __int128 *ret_unit)
{
	const struct media_index *index = d->source->index;
	uint32_t timescale = d->track->timescale;
	int64_t zero = index->zero_timescale
			       ? index_rescale(index->zero, timescale, index->zero_timescale)
			       : 0;
	AVRational tb = d->stream->time_base;

	zero -= d->track->snapped;
	*ret_unit = (__int128)tb.den * timescale;
	return (__int128)pts * tb.num * timescale - (__int128)zero * tb.den;
}

const struct index_track *decoder_part(const struct decoder *d)
{
	return d->track->n_parts ? &d->track->parts[d->place] : d->track;
}

int decoder_compare(const struct decoder *d, int64_t pts, int64_t time_us)
{
	__int128 unit, time, bound;

	/* The time rounded to the nearest microsecond, as index_ticks_to_us() does. */
	time = presented_times(d, pts, &unit) * 2000000 + unit;
	bound = 2 * unit * time_us;
	return time < bound ? -1 : time >= bound + 2 * unit;
}

int64_t decoder_presented(const struct decoder *d, int64_t pts, uint32_t rate)
{
	__int128 unit, time, whole;

	time = presented_times(d, pts, &unit) * rate;
	time += unit / 2;
	whole = time / unit;
	return (int64_t)(time < 0 && time % unit ? whole - 1 : whole);
}

bool decoder_can_seek(const struct decoder *d)
{
	return !d->track->is_unpacked && !d->track->n_joins &&
	       av_match_list(d->input->format->iformat->name, SEEKABLE_CONTAINERS, ',') > 0;
}

bool decoder_is_far_before(const struct decoder *d, int64_t time_us)
{
	return d->has_frame && time_us > FAR_US && decoder_can_seek(d) &&
	       decoder_compare(d, d->pts, time_us - FAR_US) < 0;
}

AVRational decoder_sar(const struct decoder *d)
{
	return av_guess_sample_aspect_ratio(d->input->format, d->stream, d->frame);
}

/* The index counts tracks or streams as libavformat does; when they disagree the kind decides. */
static AVStream *find_stream(AVFormatContext *format, const struct index_track *track)
{
	enum AVMediaType type = track->is_video ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO;
	int best;

	if (track->number < format->nb_streams &&
	    format->streams[track->number]->codecpar->codec_type == type)
		return format->streams[track->number];
	best = av_find_best_stream(format, type, -1, -1, NULL, 0);
	return best < 0 ? NULL : format->streams[best];
}

static int open_input(struct decoder *d, struct error *e)
{
	AVFormatContext *format;
	int r;

	r = (d->is_unedited ? av_input_open_unedited : av_input_open)(
		d->source->fd, d->source->listener, e, &d->input);
	if (r < 0)
		return r;
	if (d->source->index->is_packets)
		d->input->clock_begin = d->source->index->clock_begin;
	format = d->input->format;
	r = avformat_find_stream_info(format, NULL);
	if (r < 0)
		return av_input_error(d->input, r, e, "looking at the streams");
	d->stream = find_stream(format, d->track);
	if (!d->stream)
		return error_set(e, SC_INVALID_MEDIA, "the %s stream is not found again",
				 d->track->is_video ? "picture" : "sound");
	for (unsigned int i = 0; i < format->nb_streams; i++)
		if (format->streams[i] != d->stream)
			format->streams[i]->discard = AVDISCARD_ALL;
	return 0;
}

/* libavcodec's own decoder of Speex doubles the frames of wideband from FFmpeg 7.0 on: behind 20 ms
 * of sound it puts as much silence (tickets 11054 and 11078 there). */
static const AVCodec *find_codec(enum AVCodecID id)
{
	const AVCodec *codec =
		id == AV_CODEC_ID_SPEEX ? avcodec_find_decoder_by_name("libspeex") : NULL;

	return codec ? codec : avcodec_find_decoder(id);
}

static int open_codec(struct decoder *d, struct error *e)
{
	const AVCodecParameters *par = d->stream->codecpar;
	const AVCodec *codec = find_codec(par->codec_id);
	int r;

	if (!codec)
		return error_set(e, SC_UNSUPPORTED_CODEC, "codec '%s' cannot be decoded here",
				 par->codec_id == AV_CODEC_ID_NONE
					 ? d->track->codec
					 : avcodec_get_name(par->codec_id));
	d->codec = avcodec_alloc_context3(codec);
	if (!d->codec)
		return error_from_errno(e, -ENOMEM, "opening the decoder");
	r = avcodec_parameters_to_context(d->codec, par);
	if (r < 0)
		return av_input_error(d->input, r, e, "opening decoder '%s'", codec->name);
	d->codec->pkt_timebase = d->stream->time_base;
	d->codec->thread_count = 0; /* as many as there are CPUs */
	r = avcodec_open2(d->codec, codec, NULL);
	if (r < 0)
		return av_input_error(d->input, r, e, "opening decoder '%s'", codec->name);
	return 0;
}

/*
 * Where a clock begins again, a packet's own time is not the one that it is shown at. What is before the
 * first join may have no times at all, and those that libavformat makes up differ with how far it has looked
 * ahead.
 */
static void shift_packet(struct decoder *d)
{
	const struct index_track *t = d->track;
	int64_t pts = d->packet->pts != AV_NOPTS_VALUE ? d->packet->pts : d->packet->dts, ticks;

	if (!t->n_joins)
		return;
	if (!d->is_begun && pts != AV_NOPTS_VALUE)
		d->shift_us = t->first_us - av_rescale_q(pts, d->stream->time_base, AV_TIME_BASE_Q);
	d->is_begun = true;
	for (size_t i = 0; i < t->n_joins && d->packet->pos >= t->joins[i].pos; i++)
		d->shift_us = t->joins[i].shift_us;
	ticks = av_rescale_q(d->shift_us, AV_TIME_BASE_Q, d->stream->time_base);
	d->packet->pts += d->packet->pts != AV_NOPTS_VALUE ? ticks : 0;
	d->packet->dts += d->packet->dts != AV_NOPTS_VALUE ? ticks : 0;
}

/* Feed the decoder one packet of the stream, or the sign that there are no more. */
static int feed(struct decoder *d, struct error *e)
{
	int r;

	do {
		av_packet_unref(d->packet);
		r = av_input_next(d->input, d->packet);
	} while (r >= 0 && d->packet->stream_index != d->stream->index);
	if (d->input->read_error)
		return av_input_error(d->input, r, e, "decoding");
	if (r == AVERROR(ENOMEM))
		return error_from_errno(e, -ENOMEM, "decoding");
	if (r < 0) { /* the end, or damage that the demuxer cannot get over */
		d->is_draining = true;
		r = avcodec_send_packet(d->codec, NULL);
	} else {
		shift_packet(d);
		r = avcodec_send_packet(d->codec, d->packet);
		av_packet_unref(d->packet);
	}
	if (r == AVERROR(ENOMEM))
		return error_from_errno(e, -ENOMEM, "decoding");
	if (r < 0 && r != AVERROR_EOF)
		d->n_damaged++;
	return 0;
}

/* A presented time in the stream's own. */
static int64_t stream_time(const struct decoder *d, int64_t ticks)
{
	const struct media_index *index = d->source->index;

	ticks += index_rescale(index->zero, d->track->timescale, index->zero_timescale);
	return av_rescale_q(ticks, (AVRational){1, (int)d->track->timescale}, d->stream->time_base);
}

/* The first frame shown later than pts, as a place in shown[]; n_shown: none. */
static size_t first_shown_behind(const struct decoder *d, int64_t pts)
{
	size_t low = 0, high = d->track->n_shown;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (stream_time(d, d->track->shown[mid]) <= pts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * Frames of a container that does not say when each is shown: the index knows, by their order. What
 * libav guesses only tells whether some are missing.
 */
static int64_t derived_time(const struct decoder *d, const AVFrame *frame)
{
	const struct index_track *t = d->track;
	int64_t guess = frame->best_effort_timestamp, next;
	size_t at = d->passed != AV_NOPTS_VALUE ? first_shown_behind(d, d->passed) : 0;

	if (at == t->n_shown)
		return guess != AV_NOPTS_VALUE && guess > d->passed ? guess : d->passed + 1;
	next = stream_time(d, t->shown[at]);
	if (guess == AV_NOPTS_VALUE || at + 4 >= t->n_shown ||
	    guess < stream_time(d, t->shown[at + 4]))
		return next;
	return stream_time(d, t->shown[first_shown_behind(d, guess) - 1]);
}

/* Give the frame a time when the container has none. */
static int64_t time_of(const struct decoder *d, const AVFrame *frame)
{
	if (d->track->is_derived && d->track->n_shown &&
	    (frame->pts == AV_NOPTS_VALUE || d->track->is_unpacked))
		return derived_time(d, frame);
	if (frame->best_effort_timestamp != AV_NOPTS_VALUE)
		return frame->best_effort_timestamp;
	if (d->passed == AV_NOPTS_VALUE)
		return d->stream->start_time == AV_NOPTS_VALUE ? 0 : d->stream->start_time;
	return d->passed + av_rescale_q(d->track->frame_ticks,
					(AVRational){1, (int)d->track->timescale},
					d->stream->time_base);
}

/* The track's ticks as the stream counts, from the same zero. */
static int64_t stream_ticks(const struct decoder *d, int64_t ticks)
{
	return av_rescale_q(ticks, (AVRational){1, (int)d->track->timescale}, d->stream->time_base);
}

/* The media's next frame, whatever parts there are. */
static int next_frame(struct decoder *d, struct error *e)
{
	unsigned int n_refused = 0;
	int r;

	d->has_frame = false;
	while (n_refused < REFUSED_MAX) {
		r = avcodec_receive_frame(d->codec, d->frame);
		if (r == 0)
			break;
		if (r == AVERROR(ENOMEM))
			return error_from_errno(e, r, "decoding");
		if (r == AVERROR_EOF || (d->is_draining && r == AVERROR(EAGAIN)))
			return 0;
		if (r != AVERROR(EAGAIN)) {
			n_refused++;
			d->n_damaged++;
			continue;
		}
		r = feed(d, e);
		if (r < 0)
			return r;
	}
	if (r != 0)
		return 0; /* nothing but damage: as if the stream ended here */
	if (d->frame->decode_error_flags || (d->frame->flags & AV_FRAME_FLAG_CORRUPT))
		d->n_damaged++;
	d->pts = time_of(d, d->frame);
	if (d->track->n_parts)
		d->pts += stream_ticks(d, decoder_part(d)->snapped);
	d->has_frame = true;
	listener_worked(d->source->listener, 1);
	return 0;
}

/*
 * Before which time decoding begins, for the frames from time_us on to be right: that time itself
 * where its keyframe is one for certain, else an earlier keyframe's, as for a copied clip.
 */
static int64_t begin_us(const struct decoder *d, int64_t time_us)
{
	const struct index_track *t = decoder_part(d);
	int64_t pts = index_rescale(time_us, t->timescale, 1000000), from_us;
	size_t sync;

	if (!t->is_video && d->track->n_parts)
		return time_us - SOUND_PREROLL_US;
	if (!t->is_video || !t->n_sync)
		return time_us;
	sync = index_decoding_from(t, pts);
	if (sync == index_sync_at_or_before(t, pts))
		return time_us;
	from_us = index_ticks_to_us(t->samples[t->sync[sync]].pts, t->timescale);
	return from_us < time_us ? from_us : time_us;
}

/* Open the source and the decoder anew: the one way back to the first frame that always works. */
static int decoder_restart(struct decoder *d, struct error *e)
{
	int r;

	avcodec_free_context(&d->codec);
	av_input_close(take_ptr(d->input));
	d->has_frame = false;
	d->is_draining = false;
	d->is_begun = false;
	d->shift_us = 0;
	d->passed = AV_NOPTS_VALUE;
	r = open_input(d, e);
	if (r < 0)
		return r;
	r = open_codec(d, e);
	if (r < 0)
		return r;
	return next_frame(d, e);
}

/*
 * A file without a table of keyframes claims that all its samples are some, and libavformat believes it:
 * it would begin amid frames that refer to earlier ones. The index has looked into them; what it found is
 * sought by the time that libavformat has for the same bytes.
 */
static int64_t aim_at_keyframe(const struct decoder *d, int64_t target_us, int64_t target)
{
	const struct index_track *t = decoder_part(d);
	int64_t pts = index_rescale(target_us, t->timescale, 1000000) + t->snapped;
	const struct index_sample *keyframe;
	int found;

	if (!t->is_video || !t->n_sync || d->source->index->is_packets)
		return target; /* without the samples' places */
	found = av_index_search_timestamp(d->stream, target, AVSEEK_FLAG_BACKWARD);
	keyframe = &t->samples[t->sync[index_sync_at_or_before(t, pts)]];
	for (int i = found; i >= 0; i--) {
		const AVIndexEntry *entry = avformat_index_get_entry(d->stream, i);

		if (entry && entry->pos == keyframe->offset)
			return i == found ? target : entry->timestamp;
	}
	return target;
}

/* Seek once. @return 1 when the current frame is at or before time_us, 0 when it is not */
static int seek_once(struct decoder *d, int64_t target_us, int64_t time_us, struct error *e)
{
	const struct media_index *index = d->source->index;
	int64_t target;
	int r;

	target = av_rescale_q(target_us, AV_TIME_BASE_Q, d->stream->time_base);
	if (index->zero_timescale)
		target += av_rescale_q(index->zero, (AVRational){1, (int)index->zero_timescale},
				       d->stream->time_base);
	target = aim_at_keyframe(d, target_us, target);
	r = avformat_seek_file(d->input->format, d->stream->index, INT64_MIN, target, target, 0);
	if (d->input->read_error)
		return av_input_error(d->input, r, e, "seeking");
	if (r < 0)
		return 0;
	avcodec_flush_buffers(d->codec);
	d->is_draining = false;
	d->has_frame = false;
	d->passed = AV_NOPTS_VALUE;
	r = next_frame(d, e);
	if (r < 0)
		return r;
	return d->has_frame && decoder_compare(d, d->pts, time_us) <= 0;
}

/* The same time as libavformat counts it, in the part that is decoded. */
static int64_t own_time_us(const struct decoder *d, int64_t time_us)
{
	return time_us - index_ticks_to_us(decoder_part(d)->snapped, d->track->timescale);
}

/* As decoder_seek(), within the part. */
static int seek_in_part(struct decoder *d, int64_t time_us, struct error *e)
{
	bool can_seek = decoder_can_seek(d);
	int64_t from_us = can_seek ? begin_us(d, time_us) : 0;
	int64_t own_us = own_time_us(d, from_us);

	for (size_t i = 0; can_seek && i < SC_ARRAY_SIZE(seek_steps_us); i++) {
		int64_t target_us = own_us - seek_steps_us[i];
		int r;

		if (target_us <= 0)
			break;
		r = seek_once(d, target_us, from_us, e);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return decoder_restart(d, e);
}

/* Where the current frame lies, of which a part may show the middle: -1 before what its part shows, 0
 * within, 1 behind it. */
static int place_in_part(const struct decoder *d)
{
	const struct index_track *part = decoder_part(d);
	int64_t length = 1;

	if (!part->is_video && d->frame->sample_rate > 0)
		length = av_rescale_q(d->frame->nb_samples, (AVRational){1, d->frame->sample_rate},
				      d->stream->time_base);
	if (d->pts + length <= stream_ticks(d, part->shown_start))
		return -1;
	return part->hidden_from != INT64_MAX && d->pts >= stream_ticks(d, part->hidden_from);
}

/* Go on until the frame is one that is shown: what a part hides is left out, and behind its last one
 * comes the next part's first. */
static int find_shown(struct decoder *d, struct error *e)
{
	int r = 0;

	while (r == 0 && d->track->n_parts) {
		int place = d->has_frame ? place_in_part(d) : 1;

		if (place == 0)
			break;
		if (place < 0) {
			r = next_frame(d, e);
			continue;
		}
		if (d->place + 1 == d->track->n_parts) {
			d->has_frame = false;
			break;
		}
		d->place++;
		r = seek_in_part(d, index_ticks_to_us(decoder_part(d)->shown_start,
						      d->track->timescale), e);
		d->passed = stream_ticks(d, decoder_part(d)->shown_start) - 1;
	}
	return r;
}

/* The part that shows a time, the last one behind all. */
static void choose_part(struct decoder *d, int64_t time_us)
{
	const struct index_track *t = d->track;

	if (!t->n_parts)
		return;
	d->place = index_part_from(t, index_rescale(time_us, t->timescale, 1000000));
	if (d->place == t->n_parts)
		d->place--;
}

int decoder_next(struct decoder *d, struct error *e)
{
	int r;

	if (d->has_frame)
		d->passed = d->pts;
	r = next_frame(d, e);
	return r < 0 ? r : find_shown(d, e);
}

int decoder_seek(struct decoder *d, int64_t time_us, struct error *e)
{
	int r;

	choose_part(d, time_us);
	r = seek_in_part(d, time_us, e);
	return r < 0 ? r : find_shown(d, e);
}

int decoder_try_behind(struct decoder *d, int64_t time_us, struct error *e)
{
	int r;

	if (!decoder_can_seek(d))
		return 0;
	choose_part(d, time_us);
	r = seek_once(d, own_time_us(d, time_us), time_us, e);
	return r < 0 ? r : find_shown(d, e);
}

int decoder_open(const struct media_source *source, const struct index_track *track,
		 struct error *e, struct decoder **ret)
{
	auto_of(decoder) struct decoder *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_from_errno(e, -ENOMEM, "opening the decoder");
	d->source = source;
	d->track = track;
	d->is_unedited = track->is_part || track->n_parts;
	d->packet = av_packet_alloc();
	d->frame = av_frame_alloc();
	if (!d->packet || !d->frame)
		return error_from_errno(e, -ENOMEM, "opening the decoder");
	r = decoder_restart(d, e);
	if (r == 0)
		r = find_shown(d, e);
	if (r < 0)
		return r;
	*ret = take_ptr(d);
	return 0;
}

void decoder_close(struct decoder *d)
{
	if (!d)
		return;
	av_frame_free(&d->frame);
	av_packet_free(&d->packet);
	avcodec_free_context(&d->codec);
	av_input_close(d->input);
	free(d);
}
