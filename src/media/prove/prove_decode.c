/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding for proofs: libav's messages about it are no news to anybody. Entered by the media thread. */
#include "prove_decode.h"

#include <string.h>

#include <libavutil/imgutils.h>
#include <libavutil/murmur3.h>
#include <libavutil/pixdesc.h>

#include "../av.h"
#include "../mp4/avcc.h"
#include "storyclip/common/file.h"

/* Behind every level that is shown; the sum has eight bits. */
#define SILENT_LEVELS 100

struct proving {
	AVCodecContext *codec;        /* owned */
	AVPacket *packet;             /* owned */
	AVFrame *frame;               /* owned */
	struct AVMurMur3 *hash;       /* owned */
	struct prove_frame *frames;
	size_t n_frames, n_seen;
	struct error *e;
};

static void proving_finish(struct proving *p)
{
	avcodec_free_context(&p->codec);
	av_packet_free(&p->packet);
	av_frame_free(&p->frame);
	av_free(p->hash);
}

static int no_memory(struct error *e)
{
	return error_from_errno(e, -ENOMEM, "decoding a clip's first frames");
}

/* Set up by what the clip's own description will say. */
static int open_codec(struct proving *p, const struct index_track *t)
{
	const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_H264);
	const uint8_t *avcc = NULL;
	size_t len = 0;
	int r;

	if (!codec)
		return error_set(p->e, SC_UNSUPPORTED_CODEC, "codec 'h264' cannot be decoded here");
	p->codec = avcodec_alloc_context3(codec);
	p->packet = av_packet_alloc();
	p->frame = av_frame_alloc();
	p->hash = av_murmur3_alloc();
	if (!p->codec || !p->packet || !p->frame || !p->hash)
		return no_memory(p->e);
	if (avcc_find(t->stsd, t->stsd_len, &avcc, &len) == 0 && len < INT32_MAX / 2) {
		p->codec->extradata = av_mallocz(len + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!p->codec->extradata)
			return no_memory(p->e);
		memcpy(p->codec->extradata, avcc, len);
		p->codec->extradata_size = (int)len;
	}
	p->codec->thread_count = 0; /* as many as there are CPUs */
	p->codec->log_level_offset = SILENT_LEVELS;
	r = avcodec_open2(p->codec, codec, NULL);
	if (r == AVERROR(ENOMEM))
		return no_memory(p->e);
	return r < 0 ? error_set(p->e, SC_UNSUPPORTED_CODEC, "the decoder of h264: %s",
				 av_err2str(r))
		     : 0;
}

static void hash_frame(struct proving *p, const AVFrame *frame, uint8_t ret[PROVE_HASH_BYTES])
{
	const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)frame->format);
	const int form[] = {frame->format, frame->width, frame->height};
	int n_planes = av_pix_fmt_count_planes((enum AVPixelFormat)frame->format);

	av_murmur3_init(p->hash);
	av_murmur3_update(p->hash, (const uint8_t *)form, sizeof(form));
	for (int k = 0; k < n_planes && format; k++) {
		int bytes = av_image_get_linesize((enum AVPixelFormat)frame->format, frame->width, k);
		int rows = k == 1 || k == 2 ? AV_CEIL_RSHIFT(frame->height, format->log2_chroma_h)
					    : frame->height;

		for (int y = 0; y < rows && bytes > 0; y++)
			av_murmur3_update(p->hash, frame->data[k] + (ptrdiff_t)y * frame->linesize[k],
					  (size_t)bytes);
	}
	av_murmur3_final(p->hash, ret);
}

static int take_frames(struct proving *p)
{
	int r;

	while ((r = avcodec_receive_frame(p->codec, p->frame)) == 0) {
		for (size_t i = 0; i < p->n_frames; i++) {
			struct prove_frame *f = &p->frames[i];

			if (f->is_there || f->pts != p->frame->pts)
				continue;
			f->is_there = true;
			f->is_bad = p->frame->decode_error_flags ||
				    (p->frame->flags & AV_FRAME_FLAG_CORRUPT);
			hash_frame(p, p->frame, f->hash);
			p->n_seen++;
			break;
		}
		av_frame_unref(p->frame);
	}
	return r == AVERROR(ENOMEM) ? no_memory(p->e) : 0;
}

static int give_sample(struct proving *p, const struct index_sample *s, int fd)
{
	ssize_t n;
	int r;

	if (s->size > INT32_MAX / 2)
		return 0; /* damage: no sample of a picture is so large */
	r = av_new_packet(p->packet, (int)s->size);
	if (r < 0)
		return no_memory(p->e);
	n = file_pread_full(fd, p->packet->data, s->size, s->offset);
	if (n < 0)
		return error_from_errno(p->e, (int)n, "reading the upload");
	av_shrink_packet(p->packet, (int)n);
	p->packet->pts = s->pts;
	p->packet->dts = s->dts;
	r = n ? avcodec_send_packet(p->codec, p->packet) : 0;
	av_packet_unref(p->packet);
	return r == AVERROR(ENOMEM) ? no_memory(p->e) : 0;
}

static int decode(struct proving *p, const struct media_source *source,
		  const struct prove_run *run, int fd)
{
	int r = open_codec(p, run->track);

	for (size_t i = 0; i < run->n && r == 0 && p->n_seen < p->n_frames; i++) {
		size_t number = run->numbers ? run->numbers[i] : run->first + i;

		r = give_sample(p, &run->track->samples[number], fd);
		if (r == 0)
			r = take_frames(p);
		listener_worked(source->listener, 1);
	}
	if (r < 0 || p->n_seen == p->n_frames)
		return r;
	avcodec_send_packet(p->codec, NULL);
	return take_frames(p);
}

int prove_decode(const struct media_source *source, const struct prove_run *run, int fd,
		 struct prove_frame *frames, size_t n_frames, struct error *e)
{
	struct proving p = {.frames = frames, .n_frames = n_frames, .e = e};
	int r;

	for (size_t i = 0; i < n_frames; i++)
		frames[i] = (struct prove_frame){.pts = frames[i].pts};
	r = decode(&p, source, run, fd);
	proving_finish(&p);
	return r;
}
