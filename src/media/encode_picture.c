/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames through x264 into the spool. Entered by the media thread. */
#include "encode_picture.h"

#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "mp4/entry.h"

#define ENCODE_CRF "20"
#define ENCODE_PRESET "veryfast"

static bool is_full_range(const AVFrame *frame)
{
	return frame->color_range == AVCOL_RANGE_JPEG || frame->format == AV_PIX_FMT_YUVJ420P ||
	       frame->format == AV_PIX_FMT_YUVJ422P || frame->format == AV_PIX_FMT_YUVJ444P;
}

static bool is_rgb(int format)
{
	const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get((enum AVPixelFormat)format);

	return desc && (desc->flags & AV_PIX_FMT_FLAG_RGB);
}

static bool is_ready_format(int format)
{
	return format == AV_PIX_FMT_YUV420P || format == AV_PIX_FMT_YUVJ420P;
}

/* Players take untagged pictures for BT.601 when small, for BT.709 when large. */
static enum AVColorSpace matrix_for_rgb(int height)
{
	return height >= 720 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

static void set_colours(AVCodecContext *codec, const AVFrame *frame)
{
	codec->color_primaries = frame->color_primaries;
	codec->color_trc = frame->color_trc;
	codec->chroma_sample_location = frame->chroma_location;
	codec->colorspace = frame->colorspace;
	codec->color_range = is_full_range(frame) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	if (is_rgb(frame->format)) {
		codec->colorspace = matrix_for_rgb(frame->height);
		codec->color_range = AVCOL_RANGE_MPEG;
	}
}

static int open_encoder(struct picture_encoder *p, const AVFrame *first,
			const struct index_track *track, struct error *e)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
	AVDictionary *options = NULL;
	int r;

	if (!codec)
		return error_set(e, SC_UNSUPPORTED_CODEC, "this libavcodec has no encoder libx264");
	p->codec = avcodec_alloc_context3(codec);
	if (!p->codec)
		return -ENOMEM;
	/* 4:2:0 needs even sizes: an odd source loses its last column or row. */
	p->codec->width = first->width & ~1;
	p->codec->height = first->height & ~1;
	p->codec->pix_fmt = first->format == AV_PIX_FMT_YUVJ420P ? AV_PIX_FMT_YUVJ420P
								 : AV_PIX_FMT_YUV420P;
	p->codec->sample_aspect_ratio = first->sample_aspect_ratio;
	p->codec->time_base = (AVRational){1, (int)p->timescale};
	/* The true times are the frames' own; this is what x264 takes its level and lookahead from. */
	if (track->frame_ticks)
		av_reduce(&p->codec->framerate.num, &p->codec->framerate.den, track->timescale,
			  track->frame_ticks, 1001000);
	p->codec->thread_count = 0;
	p->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER; /* parameter sets into avcC */
	set_colours(p->codec, first);

	r = av_dict_set(&options, "preset", ENCODE_PRESET, 0);
	if (r >= 0)
		r = av_dict_set(&options, "crf", ENCODE_CRF, 0);
	if (r >= 0)
		r = avcodec_open2(p->codec, codec, &options);
	av_dict_free(&options);
	if (r == AVERROR(ENOMEM))
		return -ENOMEM;
	if (r < 0)
		return error_set(e, SC_UNSUPPORTED_CODEC, "a picture of %dx%d cannot be encoded",
				 first->width, first->height);
	return 0;
}

int picture_begin(struct picture_encoder *p, const AVFrame *first, uint32_t timescale,
		  const struct index_track *track, struct error *e)
{
	int r;

	p->timescale = timescale;
	p->written_dts = INT64_MIN;
	p->packet = av_packet_alloc();
	p->frame = av_frame_alloc();
	r = p->packet && p->frame ? open_encoder(p, first, track, e) : -ENOMEM;
	if (r == -ENOMEM)
		return error_from_errno(e, r, "opening the encoder");
	return r;
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
	int space = is_rgb(from->format) ? (int)matrix_for_rgb(p->codec->height)
					 : (int)from->colorspace;
	const int *matrix = sws_getCoefficients(space);
	int r;

	p->sws = sws_getCachedContext(p->sws, from->width, from->height,
				      (enum AVPixelFormat)from->format, p->codec->width,
				      p->codec->height, p->codec->pix_fmt,
				      SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL);
	if (!p->sws)
		return AVERROR(ENOMEM);
	sws_setColorspaceDetails(p->sws, matrix, is_rgb(from->format) || is_full_range(from), matrix,
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
	if (is_ready_format(from->format) && (from->width & ~1) == p->codec->width &&
	    (from->height & ~1) == p->codec->height &&
	    is_full_range(from) == (p->codec->color_range == AVCOL_RANGE_JPEG)) {
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

int picture_add(struct picture_encoder *p, const AVFrame *frame, int64_t time, struct spool *spool,
		struct error *e)
{
	int r;

	if (p->n_frames && time <= p->last)
		return 0;
	r = take_frame(p, frame);
	if (r < 0)
		return encode_error(r, e);
	p->frame->pts = time;
	r = avcodec_send_frame(p->codec, p->frame);
	if (r < 0)
		return encode_error(r, e);
	if (!p->n_frames)
		p->first = time;
	p->last = time;
	p->n_frames++;
	return take_packets(p, spool, e);
}

int picture_end(struct picture_encoder *p, struct spool *spool, struct error *e)
{
	int r = avcodec_send_frame(p->codec, NULL);

	return r < 0 ? encode_error(r, e) : take_packets(p, spool, e);
}

/* stsd's one entry, from what the encoder has chosen. */
static int build_entry(const struct picture_encoder *p, struct buf *stsd)
{
	const AVCodecContext *codec = p->codec;
	auto_buf struct buf avcc = BUF_EMPTY;
	struct entry_avc entry;
	int r;

	r = spool_build_avcc(codec->extradata, (size_t)codec->extradata_size, &avcc);
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
		.width = from->width ? from->width : (uint32_t)width << 16,
		.height = from->height ? from->height : (uint32_t)p->codec->height << 16,
		.handler_name = from->handler_name,
	};
	memcpy(ret->matrix, from->matrix, sizeof(ret->matrix));
	memcpy(ret->language, from->language, sizeof(ret->language));
	return 0;
}
