/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sound through libavcodec's AAC encoder into the spool. Entered by the media thread. */
#include "encode_sound.h"

#include <inttypes.h>
#include <string.h>

#include <libavutil/samplefmt.h>
#include <libswresample/swresample.h>

#include "../mp4/entry.h"
#include "sound_layout.h"

#define BITS_PER_CHANNEL 64000
#define PACKET_SAMPLES   1024
#define SEEK_PREROLL_US  200000 /* decoders of sound find their way within it: Opus 80 ms, MP3 100 \
				 */

/* Time stamps may be rounded to milliseconds; only more than this is a true gap or overlap. */
#define JITTER_PER_SECOND 50
/* How far a clock of milliseconds is off at most. */
#define CLOCK_PER_SECOND 800

static const uint32_t aac_rates[] = {96000, 88200, 64000, 48000, 44100, 32000, 24000,
				     22050, 16000, 12000, 11025, 8000,  7350};

/* A clock that jumps makes holes of days: no encoder shall fill these with silence. */
#define HOLE_MAX_SECONDS 3600

static uint32_t aac_rate(int rate)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(aac_rates); i++)
		if ((int64_t)aac_rates[i] == rate)
			return aac_rates[i];
	return 48000;
}

static int sound_error(int r, struct error *e)
{
	if (r == AVERROR(ENOMEM))
		return error_from_errno(e, -ENOMEM, "encoding the sound");
	return error_set(e, SC_INTERNAL, "encoding the sound: %s", av_err2str(r));
}

/* Where the channels become others: from the first on, or fewer from here on. */
static void tell_channels(struct sound_encoder *s, const AVChannelLayout *from)
{
	bool is_first = !s->source.rate;
	char was[64], is[64];

	if (s->is_told || sound_layout_is_kept(from, &s->layout) ||
	    (!is_first && from->nb_channels <= s->layout.nb_channels))
		return;
	s->is_told = true;
	av_channel_layout_describe(from, was, sizeof(was));
	av_channel_layout_describe(&s->layout, is, sizeof(is));
	listener_warning(s->decoder->source->listener,
			 "the channels of the sound (stream %u) become others%s: %s to %s",
			 s->track->number, is_first ? "" : " where they change", was, is);
}

/* Make the converter fit the frame; streams may change in the middle. */
static int fit_converter(struct sound_encoder *s, const AVFrame *frame)
{
	AVChannelLayout layout = {0};
	int r;

	if (s->swr && s->source.format == frame->format && s->source.rate == frame->sample_rate &&
	    av_channel_layout_compare(&s->source.layout, &frame->ch_layout) == 0)
		return 0;
	if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
		av_channel_layout_default(&layout, frame->ch_layout.nb_channels);
	else if ((r = av_channel_layout_copy(&layout, &frame->ch_layout)) < 0)
		return r;
	swr_free(&s->swr);
	r = swr_alloc_set_opts2(&s->swr, &s->layout, AV_SAMPLE_FMT_FLTP, (int)s->rate, &layout,
				(enum AVSampleFormat)frame->format, frame->sample_rate, 0, NULL);
	if (r >= 0)
		r = swr_init(s->swr);
	av_channel_layout_uninit(&layout);
	if (r < 0)
		return r;
	tell_channels(s, &frame->ch_layout);
	s->source.format = frame->format;
	s->source.rate = frame->sample_rate;
	return av_channel_layout_copy(&s->source.layout, &frame->ch_layout);
}

static int frame_alloc(const struct sound_encoder *s, AVFrame *frame, int n_samples)
{
	av_frame_unref(frame);
	frame->format = AV_SAMPLE_FMT_FLTP;
	frame->sample_rate = (int)s->rate;
	frame->nb_samples = n_samples;
	frame->ch_layout = s->layout; /* of the native order: nothing to free in it */
	return av_frame_get_buffer(frame, 0);
}

/*
 * A container's clock of milliseconds makes packets tremble; the index has mended that. The place
 * of a packet near a position, else that position itself.
 */
static int64_t mend_position(const struct sound_encoder *s, int64_t position)
{
	const struct index_track *t = s->track;
	int64_t reach = s->rate / CLOCK_PER_SECOND, best = position;
	size_t low = 0, high = s->decoder->source->index->is_packets ? t->n_samples : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (index_rescale(t->samples[mid].pts, s->rate, t->timescale) < position - reach)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < t->n_samples && s->decoder->source->index->is_packets)
		best = index_rescale(t->samples[low].pts, s->rate, t->timescale);
	return best <= position + reach ? best : position;
}

/* Another part of an edit list begins: nothing of the one before goes on in it. */
static void enter_part(struct sound_encoder *s)
{
	if (s->part == decoder_part(s->decoder))
		return;
	s->part = decoder_part(s->decoder);
	s->has_pcm = false;
	swr_free(&s->swr);
}

/* Keep of the current piece what its part shows. */
static void trim_to_part(struct sound_encoder *s)
{
	const struct index_track *part = s->part;
	int64_t start = index_rescale(part->shown_start, s->rate, part->timescale);
	int64_t skip = start > s->pcm_start ? start - s->pcm_start : 0, left;

	skip = skip < s->pcm->nb_samples ? skip : s->pcm->nb_samples;
	left = s->pcm->nb_samples - skip;
	s->pcm_start += skip;
	if (part->hidden_from != INT64_MAX) {
		int64_t end = index_rescale(part->hidden_from, s->rate, part->timescale);

		left = end - s->pcm_start < left ? end - s->pcm_start : left;
		left = left > 0 ? left : 0;
	}
	if (skip && left)
		av_samples_copy(s->pcm->extended_data, s->pcm->extended_data, 0, (int)skip,
				(int)left, s->layout.nb_channels, AV_SAMPLE_FMT_FLTP);
	s->pcm->nb_samples = (int)left;
}

/* Convert the decoder's current frame and say where it lies. */
static int convert(struct sound_encoder *s)
{
	const AVFrame *frame = s->decoder->frame;
	int64_t jitter = s->rate / JITTER_PER_SECOND, start, expected;
	int r;

	enter_part(s);
	expected = s->has_pcm ? s->pcm_start + s->pcm->nb_samples : INT64_MIN;
	r = fit_converter(s, frame);
	if (r < 0)
		return r;
	start = mend_position(s, decoder_presented(s->decoder, s->decoder->pts, s->rate)) -
		swr_get_delay(s->swr, s->rate);
	r = swr_get_out_samples(s->swr, frame->nb_samples);
	if (r >= 0)
		r = frame_alloc(s, s->pcm, r > 0 ? r : 1);
	if (r < 0)
		return r;
	r = swr_convert(s->swr, s->pcm->extended_data, s->pcm->nb_samples,
			(const uint8_t **)frame->extended_data, frame->nb_samples);
	if (r < 0)
		return r;
	s->pcm->nb_samples = r;
	if (expected != INT64_MIN && start >= expected - jitter && start <= expected + jitter)
		start = expected;
	s->pcm_start = start;
	s->has_pcm = true;
	if (s->decoder->track->n_parts)
		trim_to_part(s);
	return 0;
}

/* The next piece of sound. Without one has_pcm is false. */
static int load(struct sound_encoder *s, struct error *e)
{
	int r;

	s->passed_end = s->pcm_start + s->pcm->nb_samples;
	r = decoder_next(s->decoder, e);
	if (r < 0)
		return r;
	if (!s->decoder->has_frame) {
		s->has_pcm = false;
		return 0;
	}
	r = convert(s);
	return r < 0 ? sound_error(r, e) : 0;
}

static int seek(struct sound_encoder *s, int64_t position, struct error *e)
{
	int64_t time_us = index_ticks_to_us(position, s->rate) - SEEK_PREROLL_US;
	int r;

	r = decoder_seek(s->decoder, time_us > 0 ? time_us : 0, e);
	if (r < 0)
		return r;
	swr_free(&s->swr); /* with what it still held */
	s->has_pcm = false;
	s->passed_end = INT64_MIN;
	if (!s->decoder->has_frame)
		return 0;
	r = convert(s);
	return r < 0 ? sound_error(r, e) : 0;
}

int sound_open(const struct media_source *source, const struct index_track *track, struct error *e,
	       struct sound_encoder **ret)
{
	auto_of(sound_encoder) struct sound_encoder *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_from_errno(e, -ENOMEM, "opening the sound");
	s->track = track;
	s->passed_end = INT64_MIN;
	s->pcm = av_frame_alloc();
	s->packet = av_packet_alloc();
	s->block = av_frame_alloc();
	if (!s->pcm || !s->packet || !s->block)
		return error_from_errno(e, -ENOMEM, "opening the sound");
	r = decoder_open(source, track, e, &s->decoder);
	if (r < 0)
		return r;
	if (!s->decoder->has_frame || s->decoder->frame->sample_rate <= 0)
		return error_set(e, SC_INVALID_MEDIA, "nothing of the sound can be decoded");
	s->rate = aac_rate(s->decoder->frame->sample_rate);
	sound_layout_choose(&s->decoder->frame->ch_layout, &s->layout);
	r = convert(s);
	if (r < 0 && r != AVERROR(ENOMEM))
		return error_set(e, SC_UNSUPPORTED_CODEC, "its %d channels cannot be made AAC: %s",
				 s->decoder->frame->ch_layout.nb_channels, av_err2str(r));
	if (r < 0)
		return sound_error(r, e);
	*ret = take_ptr(s);
	return 0;
}

void sound_close(struct sound_encoder *s)
{
	if (!s)
		return;
	avcodec_free_context(&s->codec);
	spool_track_finish(&s->out);
	decoder_close(s->decoder);
	swr_free(&s->swr);
	av_channel_layout_uninit(&s->source.layout);
	av_frame_free(&s->pcm);
	av_frame_free(&s->block);
	av_packet_free(&s->packet);
	free(s);
}

int sound_leave_out(const struct media_source *source, const struct index_track *track,
		    const struct error *why, char **dropped)
{
	auto_buf struct buf names = BUF_EMPTY;

	listener_warning(source->listener, "the sound in %s (stream %u) is left out: %s",
			 track->codec, track->number, why->message);
	if (strcmp(*dropped, "[]") != 0)
		buf_add_str(&names, *dropped);
	index_add_dropped(&names, track->number, "audio", track->codec);
	if (buf_error(&names) < 0)
		return -ENOMEM;
	free(*dropped);
	*dropped = buf_take(&names, NULL);
	return 0;
}

static int open_encoder(struct sound_encoder *s, struct error *e)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("aac");
	int r;

	if (!codec)
		return error_set(e, SC_UNSUPPORTED_CODEC, "this libavcodec has no encoder aac");
	s->codec = avcodec_alloc_context3(codec);
	if (!s->codec)
		return error_from_errno(e, -ENOMEM, "opening the sound's encoder");
	s->codec->sample_fmt = AV_SAMPLE_FMT_FLTP;
	s->codec->sample_rate = (int)s->rate;
	s->codec->ch_layout = s->layout;
	s->codec->bit_rate = (int64_t)BITS_PER_CHANNEL * s->layout.nb_channels;
	s->codec->time_base = (AVRational){1, (int)s->rate};
	s->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	r = avcodec_open2(s->codec, codec, NULL);
	if (r >= 0)
		r = frame_alloc(s, s->block, s->codec->frame_size);
	if (r < 0)
		return sound_error(r, e);
	s->block->nb_samples = 0;
	return 0;
}

int sound_begin(struct sound_encoder *s, int64_t from, int64_t to, struct error *e)
{
	int r;

	avcodec_free_context(&s->codec);
	spool_track_reset(&s->out);
	s->from = s->position = from;
	s->to = to;
	s->n_real = 0;
	s->is_done = false;
	r = open_encoder(s, e);
	if (r < 0)
		return r;
	if (s->passed_end > from || (!s->has_pcm && s->passed_end != INT64_MIN) ||
	    decoder_is_far_before(s->decoder, index_ticks_to_us(from, s->rate)))
		return seek(s, from, e);
	return 0;
}

static int take_packets(struct sound_encoder *s, struct spool *spool, struct error *e)
{
	int r;

	while ((r = avcodec_receive_packet(s->codec, s->packet)) == 0) {
		r = spool_track_add(&s->out, spool, s->packet);
		av_packet_unref(s->packet);
		if (r < 0)
			return error_from_errno(e, r, "writing the sound");
	}
	return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : sound_error(r, e);
}

/* Give the encoder what the block holds; its times count from the clip's first sample. */
static int send_block(struct sound_encoder *s, struct spool *spool, struct error *e)
{
	int r;

	s->block->pts = s->position - s->from - s->block->nb_samples;
	r = avcodec_send_frame(s->codec, s->block);
	if (r < 0)
		return sound_error(r, e);
	r = take_packets(s, spool, e);
	if (r < 0)
		return r;
	/* The encoder may still look at the old one. */
	r = frame_alloc(s, s->block, s->codec->frame_size);
	s->block->nb_samples = 0;
	return r < 0 ? sound_error(r, e) : 0;
}

/* Add n samples, from the piece of sound at an offset or (NULL) silence. */
static int add(struct sound_encoder *s, const AVFrame *pcm, int64_t offset, int64_t n,
	       struct spool *spool, struct error *e)
{
	while (n > 0) {
		int filled = s->block->nb_samples, room = s->codec->frame_size - filled;
		int take = n < room ? (int)n : room, r;

		if (pcm)
			av_samples_copy(s->block->extended_data, pcm->extended_data, filled,
					(int)offset, take, s->layout.nb_channels,
					AV_SAMPLE_FMT_FLTP);
		else
			av_samples_set_silence(s->block->extended_data, filled, take,
					       s->layout.nb_channels, AV_SAMPLE_FMT_FLTP);
		s->block->nb_samples += take;
		s->position += take;
		offset += take;
		n -= take;
		if (s->block->nb_samples < s->codec->frame_size)
			continue;
		r = send_block(s, spool, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int sound_step(struct sound_encoder *s, struct spool *spool, struct error *e)
{
	int64_t end, until;
	int r;

	if (!s->has_pcm || s->position >= s->to) {
		s->is_done = true;
		return 0;
	}
	end = s->pcm_start + s->pcm->nb_samples;
	if (end <= s->position)
		return load(s, e);
	if (s->pcm_start > s->position) {
		until = s->pcm_start < s->to ? s->pcm_start : s->to;
		if (until - s->position > (int64_t)HOLE_MAX_SECONDS * s->rate) {
			av_log(NULL, AV_LOG_WARNING,
			       "a hole of %" PRId64 " s in the sound: it ends there in this clip\n",
			       (until - s->position) / s->rate);
			s->is_done = true;
			return 0;
		}
		return add(s, NULL, 0, until - s->position, spool, e);
	}
	until = end < s->to ? end : s->to;
	s->n_real += until - s->position;
	r = add(s, s->pcm, s->position - s->pcm_start, until - s->position, spool, e);
	s->is_done = s->position >= s->to;
	return r;
}

int sound_end(struct sound_encoder *s, struct spool *spool, struct error *e)
{
	int r;

	if (s->block->nb_samples) {
		r = send_block(s, spool, e);
		if (r < 0)
			return r;
	}
	r = avcodec_send_frame(s->codec, NULL);
	return r < 0 ? sound_error(r, e) : take_packets(s, spool, e);
}

bool sound_is_there(const struct sound_encoder *s)
{
	return s->n_real > 0 && s->out.n_samples > 0;
}

int sound_track(const struct sound_encoder *s, struct buf *stsd, struct mp4_out_track *ret)
{
	const struct entry_aac entry = {
		.channels = (unsigned int)s->layout.nb_channels,
		.rate = s->rate,
		.config = s->codec->extradata,
		.config_len = (size_t)s->codec->extradata_size,
		.bit_rate = (uint32_t)s->codec->bit_rate,
	};
	int r;

	r = entry_build_aac(&entry, stsd);
	if (r < 0)
		return r;
	*ret = (struct mp4_out_track){
		.timescale = s->rate,
		.stsd = (const uint8_t *)stsd->data,
		.stsd_len = stsd->len,
		.samples = s->out.samples,
		.n_samples = s->out.n_samples,
		.end_dts = s->out.samples[s->out.n_samples - 1].dts + PACKET_SAMPLES,
		.shown_start = 0,
		.shown_end = s->position - s->from,
		.preroll = 1,
		.alternate_group = s->track->alternate_group,
		.handler_name = s->track->handler_name,
		.name = s->track->name,
		.flags = index_track_flags(s->track),
	};
	memcpy(ret->language, s->track->language, sizeof(ret->language));
	return 0;
}
