/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames through x264 into the spool. Entered by the media thread. */
#include "encode_picture.h"

#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "../index/annexb.h"
#include "../mp4/entry.h"
#include "picture_colour.h"

/* At 0 x264 would be lossless, in a profile (High 4:4:4 Predictive) that next to no player shows.
 */
#define BEST_QUALITY 1

static void set_colours(AVCodecContext *codec, const AVFrame *frame, bool is_tone_mapped)
{
	codec->color_primaries = frame->color_primaries;
	codec->color_trc = frame->color_trc;
	codec->chroma_sample_location = frame->chroma_location;
	codec->colorspace = frame->colorspace;
	codec->color_range = colour_is_full_range(frame) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	if (colour_is_rgb(frame->format)) {
		codec->colorspace = colour_space_for_rgb(frame->height);
		codec->color_range = AVCOL_RANGE_MPEG;
	}
	if (is_tone_mapped) {
		codec->color_primaries = AVCOL_PRI_BT709;
		codec->color_trc = AVCOL_TRC_BT709;
		codec->colorspace = AVCOL_SPC_BT709;
		codec->color_range = AVCOL_RANGE_MPEG;
	}
}

static int open_encoder(struct picture_encoder *p, const AVFrame *first,
			const struct encode_options *options, const struct index_track *track,
			struct error *e)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
	AVDictionary *settings = NULL;
	int r;

	if (!codec)
		return error_set(e, SC_UNSUPPORTED_CODEC, "this libavcodec has no encoder libx264");
	p->codec = avcodec_alloc_context3(codec);
	if (!p->codec)
		return -ENOMEM;
	p->codec->width = p->filter->width;
	p->codec->height = p->filter->height;
	p->codec->pix_fmt = AV_PIX_FMT_YUV420P;
	p->codec->sample_aspect_ratio = picture_filter_sar(p->filter);
	p->codec->time_base = (AVRational){1, (int)p->timescale};
	/* The true times are the frames' own; this is what x264 takes its level and lookahead from.
	 */
	if (track->frame_ticks)
		av_reduce(&p->codec->framerate.num, &p->codec->framerate.den, track->timescale,
			  track->frame_ticks, 1001000);
	p->codec->thread_count = 0;
	p->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER; /* parameter sets into avcC */
	set_colours(p->codec, first, p->filter->is_tone_mapped);

	r = av_dict_set(&settings, "preset", encode_preset_name(options->preset), 0);
	if (r >= 0)
		r = av_dict_set_int(&settings, "crf",
				    options->quality ? options->quality : BEST_QUALITY, 0);
	if (r >= 0)
		r = avcodec_open2(p->codec, codec, &settings);
	av_dict_free(&settings);
	if (r == AVERROR(ENOMEM))
		return -ENOMEM;
	if (r < 0)
		return error_set(e, SC_UNSUPPORTED_CODEC, "a picture of %dx%d cannot be encoded",
				 p->filter->width, p->filter->height);
	return 0;
}

int picture_begin(struct picture_encoder *p, struct picture_filter *filter, const AVFrame *first,
		  AVRational sar, uint32_t timescale, const struct index_track *track,
		  struct error *e)
{
	int r;

	p->filter = filter;
	p->timescale = timescale;
	p->written_dts = INT64_MIN;
	p->packet = av_packet_alloc();
	p->frame = av_frame_alloc();
	if (!p->packet || !p->frame)
		return error_from_errno(e, -ENOMEM, "opening the encoder");
	r = picture_filter_begin(filter, first, sar, (AVRational){1, (int)timescale}, e);
	if (r < 0)
		return r;
	r = open_encoder(p, first, &filter->source->encode, track, e);
	return r == -ENOMEM ? error_from_errno(e, r, "opening the encoder") : r;
}

void picture_finish(struct picture_encoder *p)
{
	avcodec_free_context(&p->codec);
	av_packet_free(&p->packet);
	av_frame_free(&p->frame);
	sws_freeContext(p->sws);
	spool_track_finish(&p->out);
	*p = (struct picture_encoder){0};
}

/* Into the encoder's format and size; both may change in the middle of a stream. */
static int convert(struct picture_encoder *p, const AVFrame *from)
{
	int space = colour_is_rgb(from->format) ? (int)colour_space_for_rgb(p->codec->height)
						: (int)from->colorspace;
	const int *matrix = sws_getCoefficients(space);
	int r;

	p->sws = sws_getCachedContext(p->sws, from->width, from->height,
				      (enum AVPixelFormat)from->format, p->codec->width,
				      p->codec->height, p->codec->pix_fmt,
				      SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL);
	if (!p->sws)
		return AVERROR(ENOMEM);
	sws_setColorspaceDetails(p->sws, matrix,
				 colour_is_rgb(from->format) || colour_is_full_range(from), matrix,
				 p->codec->color_range == AVCOL_RANGE_JPEG, 0, 1 << 16, 1 << 16);
	p->frame->format = p->codec->pix_fmt;
	p->frame->width = p->codec->width;
	p->frame->height = p->codec->height;
	r = av_frame_get_buffer(p->frame, 0);
	if (r < 0)
		return r;
	r = sws_scale(p->sws, (const uint8_t *const *)from->data, from->linesize, 0, from->height,
		      p->frame->data, p->frame->linesize);
	return r < 0 ? r : 0;
}

/* Make p->frame: the source's own bytes where they fit. */
static int take_frame(struct picture_encoder *p, const AVFrame *from)
{
	int r;

	av_frame_unref(p->frame);
	if (colour_is_ready(from->format) && (from->width & ~1) == p->codec->width &&
	    (from->height & ~1) == p->codec->height &&
	    colour_is_full_range(from) == (p->codec->color_range == AVCOL_RANGE_JPEG)) {
		r = av_frame_ref(p->frame, from);
		p->frame->width = p->codec->width;
		p->frame->height = p->codec->height;
		p->frame->format = p->codec->pix_fmt;
	} else {
		r = convert(p, from);
	}
	p->frame->pict_type = AV_PICTURE_TYPE_NONE; /* x264 would take the source's for an order */
	return r;
}

static int encode_error(int r, struct error *e)
{
	if (r == AVERROR(ENOMEM))
		return error_from_errno(e, -ENOMEM, "encoding the picture");
	return error_set(e, SC_INTERNAL, "encoding the picture: %s", av_err2str(r));
}

static int take_packets(struct picture_encoder *p, struct spool *spool, struct error *e)
{
	int r;

	while ((r = avcodec_receive_packet(p->codec, p->packet)) == 0) {
		r = spool_track_add_h264(&p->out, spool, p->packet);
		p->written_dts = p->packet->dts;
		av_packet_unref(p->packet);
		if (r == -EBADMSG)
			return error_set(e, SC_INTERNAL, "encoding the picture: an empty packet");
		if (r < 0)
			return error_from_errno(e, r, "writing the picture");
	}
	return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : encode_error(r, e);
}

/* Encode p->frame. */
static int encode_frame(struct picture_encoder *p, struct spool *spool, struct error *e)
{
	int64_t time = p->frame->pts;
	int r = avcodec_send_frame(p->codec, p->frame);

	av_frame_unref(p->frame);
	if (r < 0)
		return encode_error(r, e);
	if (!p->n_frames)
		p->first = time;
	p->last = time;
	p->n_frames++;
	return take_packets(p, spool, e);
}

/* What the filters have ready. */
static int encode_filtered(struct picture_encoder *p, struct spool *spool, struct error *e)
{
	int r;

	while ((r = picture_filter_take(p->filter, p->frame)) > 0) {
		r = encode_frame(p, spool, e);
		if (r < 0)
			return r;
	}
	return r < 0 ? encode_error(r, e) : 0;
}

/* Give the filters a frame, or NULL for the end, and encode what comes of it. */
static int filter_frame(struct picture_encoder *p, const AVFrame *frame, int64_t time,
			struct spool *spool, struct error *e)
{
	int r = picture_filter_give(p->filter, frame, time);

	return r < 0 ? encode_error(r, e) : encode_filtered(p, spool, e);
}

int picture_add(struct picture_encoder *p, const AVFrame *frame, int64_t time, struct spool *spool,
		struct error *e)
{
	int r = 0;

	if (p->is_begun && time <= p->given) {
		p->n_left_out++;
		return 0;
	}
	p->is_begun = true;
	p->given = time;
	if (!picture_filter_fits(p->filter, frame)) {
		if (p->filter->graph)
			r = filter_frame(p, NULL, 0, spool, e);
		if (r == 0)
			r = picture_filter_change(p->filter, frame, e);
		if (r < 0)
			return r;
	}
	if (p->filter->graph)
		return filter_frame(p, frame, time, spool, e);
	r = take_frame(p, frame);
	if (r < 0)
		return encode_error(r, e);
	p->frame->pts = time;
	return encode_frame(p, spool, e);
}

int picture_end(struct picture_encoder *p, struct spool *spool, struct error *e)
{
	int r = p->filter->graph ? filter_frame(p, NULL, 0, spool, e) : 0;

	if (r < 0)
		return r;
	r = avcodec_send_frame(p->codec, NULL);
	return r < 0 ? encode_error(r, e) : take_packets(p, spool, e);
}

/* stsd's one entry, from what the encoder has chosen. */
static int build_entry(const struct picture_encoder *p, struct buf *stsd)
{
	const AVCodecContext *codec = p->codec;
	auto_buf struct buf avcc = BUF_EMPTY;
	struct entry_avc entry;
	int r;

	r = annexb_build_avcc(codec->extradata, (size_t)codec->extradata_size, &avcc);
	if (r < 0)
		return r;
	entry = (struct entry_avc){
		.width = (uint16_t)codec->width,
		.height = (uint16_t)codec->height,
		.pixel_width = (uint32_t)codec->sample_aspect_ratio.num,
		.pixel_height = (uint32_t)codec->sample_aspect_ratio.den,
		.avcc = (const uint8_t *)avcc.data,
		.avcc_len = avcc.len,
		.primaries = (uint16_t)codec->color_primaries,
		.transfer = (uint16_t)codec->color_trc,
		.matrix = (uint16_t)codec->colorspace,
		.is_full_range = codec->color_range == AVCOL_RANGE_JPEG,
	};
	return entry_build_avc(&entry, stsd);
}

int picture_track(const struct picture_encoder *p, const struct index_track *from, int64_t end,
		  struct buf *stsd, struct mp4_out_track *ret)
{
	AVRational aspect = p->codec->sample_aspect_ratio;
	bool is_own = picture_filter_reshapes(p->filter);
	int64_t width = p->codec->width;
	int r;

	r = build_entry(p, stsd);
	if (r < 0)
		return r;
	if (aspect.num > 0 && aspect.den > 0)
		width = av_rescale(width, aspect.num, aspect.den);
	*ret = (struct mp4_out_track){
		.is_video = true,
		.timescale = p->timescale,
		.stsd = (const uint8_t *)stsd->data,
		.stsd_len = stsd->len,
		.samples = p->out.samples,
		.n_samples = p->out.n_samples,
		.end_dts = p->out.samples[p->out.n_samples - 1].dts + (end - p->last),
		.shown_start = p->first,
		.shown_end = end,
		.delay = p->first,
		.alternate_group = from->alternate_group,
		.width = from->width && !is_own ? from->width : (uint32_t)width << 16,
		.height = from->height && !is_own ? from->height : (uint32_t)p->codec->height << 16,
		.handler_name = from->handler_name,
		.name = from->name,
		.flags = index_track_flags(from),
	};
	if (!is_own || !p->filter->is_upright)
		memcpy(ret->matrix, from->matrix, sizeof(ret->matrix));
	memcpy(ret->language, from->language, sizeof(ret->language));
	return 0;
}
