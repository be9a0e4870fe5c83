/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Heads, by the encoder of the source's codec. Nothing in them is shown in another order than it is
 * coded, so that their times are known before they are made; the last of them is over before the
 * keyframe that is copied next, which begins anew under the source's own parameter sets. Entered by
 * the media thread.
 */
#include "recode_head.h"

#include <stdio.h>
#include <string.h>

#include "../encode/decode.h"
#include "../index/index_parts.h"
#include "head_codec.h"

/* Decoding so many frames on is quicker than seeking. */
#define NEAR_FRAMES 10

struct head_encoder {
	const struct media_source *source;
	const struct index_track *track;
	const struct index_track *part; /* of it, which holds the head; without parts itself */
	const struct head_codec *form;
	struct head_source sets;
	struct decoder *decoder; /* owned; NULL until the first head */
	AVCodecContext *codec;   /* owned; of the head that is being made */
	AVPacket *packet;
	AVFrame *frame;
};

static int refuse(struct error *e, const char *why)
{
	return error_set(
		e, SC_UNSUPPORTED_CODEC,
		"'smart' cannot encode frames like this picture's, %s: use \"cut\":\"exact\" "
		"or \"cut\":\"encode\"",
		why);
}

/* The encoder has no such profile, format or kind of frame. */
static int refuse_form(const struct head_encoder *head, struct error *e)
{
	char why[40];

	snprintf(why, sizeof(why), "whose form %s does not have", head->form->maker);
	return refuse(e, why);
}

static const struct head_codec *find_form(const char *codec)
{
	static const struct head_codec *const forms[] = {&head_h264, &head_hevc};

	for (size_t i = 0; i < SC_ARRAY_SIZE(forms); i++)
		if (!strcmp(codec, forms[i]->name))
			return forms[i];
	return NULL;
}

int head_open(const struct media_source *source, struct error *e, struct head_encoder **ret)
{
	auto_of(head_encoder) struct head_encoder *head = calloc(1, sizeof(*head));

	if (!head)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	head->source = source;
	head->track = index_video(source->index);
	head->packet = av_packet_alloc();
	head->frame = av_frame_alloc();
	if (!head->packet || !head->frame)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	head->form = head->track ? find_form(head->track->codec) : NULL;
	head->sets.set_ids = head->track ? head->track->set_ids : 0;
	if (!head->form ||
	    head->form->read(head->track->stsd, head->track->stsd_len, &head->sets) < 0)
		return refuse(e, "whose parameter sets leave no room for others");
	*ret = take_ptr(head);
	return 0;
}

void head_close(struct head_encoder *head)
{
	if (!head)
		return;
	decoder_close(head->decoder);
	avcodec_free_context(&head->codec);
	av_packet_free(&head->packet);
	av_frame_free(&head->frame);
	free(head);
}

/* ---- the decoder, at the head's first frame ---- */

/* When decoding begins for the frame shown at a time, in the track's ticks. */
static int64_t keyframe_before(const struct index_track *t, int64_t pts)
{
	return t->samples[t->sync[index_decoding_from(t, pts)]].pts;
}

/* Whether a keyframe lies between here and there, far enough to save time. */
static bool is_seeking_shorter(const struct head_encoder *head, int64_t start)
{
	const struct decoder *d = head->decoder;
	const struct index_track *t = head->part;

	return d->has_frame && decoder_can_seek(d) &&
	       keyframe_before(t, start) - decoder_presented(d, d->pts, t->timescale) >
		       (int64_t)NEAR_FRAMES * t->frame_ticks;
}

static int go_to(struct head_encoder *head, int64_t start, struct error *e)
{
	int64_t start_us = index_ticks_to_us(start, head->track->timescale);
	struct decoder *d;
	int r = 0;

	if (!head->decoder)
		r = decoder_open(head->source, head->part, e, &head->decoder);
	if (r < 0)
		return r;
	d = head->decoder;
	d->track = head->part;
	if (!d->has_frame ||
	    (d->passed != AV_NOPTS_VALUE && decoder_compare(d, d->passed, start_us) >= 0) ||
	    is_seeking_shorter(head, start))
		r = decoder_seek(d, start_us, e);
	while (r == 0 && d->has_frame && decoder_compare(d, d->pts, start_us) < 0)
		r = decoder_next(d, e);
	if (r == 0 && !d->has_frame)
		r = error_set(e, SC_INVALID_MEDIA, "the picture cannot be decoded at %.3f s",
			      (double)start_us / 1e6);
	return r;
}

/* ---- the encoder, like the source ---- */

static void describe(const struct head_encoder *head, const AVFrame *frame)
{
	AVCodecContext *codec = head->codec;

	codec->width = frame->width;
	codec->height = frame->height;
	codec->pix_fmt = (enum AVPixelFormat)frame->format;
	codec->sample_aspect_ratio = frame->sample_aspect_ratio;
	codec->color_primaries = frame->color_primaries;
	codec->color_trc = frame->color_trc;
	codec->colorspace = frame->colorspace;
	codec->color_range = frame->color_range;
	codec->chroma_sample_location = frame->chroma_location;
	/* Frames count; their times are those of the clip's samples. */
	av_reduce(&codec->framerate.num, &codec->framerate.den, head->track->timescale,
		  head->track->frame_ticks, 1001000);
	codec->time_base = (AVRational){codec->framerate.den, codec->framerate.num};
	codec->thread_count = 0;
	codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	codec->max_b_frames = 0;
}

static int open_encoder(struct head_encoder *head, const AVFrame *frame, struct error *e)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(head->form->encoder);
	AVDictionary *settings = NULL;
	int r;

	if (!codec)
		return error_set(e, SC_UNSUPPORTED_CODEC,
				 "'smart' cannot encode %s, as this libavcodec has no encoder %s: "
				 "use \"cut\":\"exact\" or \"cut\":\"encode\"",
				 head->form->name, head->form->encoder);
	avcodec_free_context(&head->codec);
	head->codec = avcodec_alloc_context3(codec);
	if (!head->codec)
		return error_from_errno(e, -ENOMEM, "opening the encoder");
	describe(head, frame);
	r = head->form->set_up(&head->sets, head->decoder->codec, frame, head->codec, &settings);
	if (r == 0)
		r = avcodec_open2(head->codec, codec, &settings);
	av_dict_free(&settings);
	if (r == AVERROR(ENOMEM)) /* which is -ENOMEM */
		return error_from_errno(e, -ENOMEM, "opening the encoder");
	return r < 0 ? refuse_form(head, e) : 0;
}

/* libavformat moves what an old kind of index shows before it decodes it, and does not say so. */
static int choose_part(struct head_encoder *head, int64_t start, struct error *e)
{
	head->part = head->track;
	if (!head->track->n_parts)
		return 0;
	if (head->track->max_lag > 0)
		return refuse(e,
			      "which an edit list shows in several parts, with times before those "
			      "of decoding");
	head->part = &head->track->parts[index_part_from(head->track, start)];
	return 0;
}

int head_probe(const struct media_source *source, int64_t start, struct error *e, bool *ret)
{
	auto_of(head_encoder) struct head_encoder *head = NULL;
	struct error why = {0};
	int r = head_open(source, &why, &head);

	if (r == 0)
		r = choose_part(head, start, &why);
	if (r == 0)
		r = go_to(head, start, &why);
	if (r == 0)
		r = open_encoder(head, head->decoder->frame, &why);
	if (r < 0 && why.code != SC_UNSUPPORTED_CODEC && why.code != SC_INVALID_MEDIA) {
		*e = why;
		return r;
	}
	*ret = r == 0;
	return 0;
}

static bool is_alike(const AVCodecContext *codec, const AVFrame *frame)
{
	return codec->width == frame->width && codec->height == frame->height &&
	       codec->pix_fmt == (enum AVPixelFormat)frame->format;
}

/* ---- one head ---- */

struct head {
	struct head_encoder *encoder;
	struct spool *spool;
	struct copy_track *track; /* its first n_head samples are to be filled */
	int64_t spool_base;
	size_t n_given, n_taken;
	size_t n_missing; /* frames that could not be decoded: their neighbour stands for them */
	int64_t last;     /* time of the frame that was decoded last */
	bool is_back;     /* a frame was earlier than one before it */
};

static int encode_error(int r, struct error *e)
{
	if (r == AVERROR(ENOMEM))
		return error_from_errno(e, -ENOMEM, "encoding a head");
	return error_set(e, SC_INTERNAL, "encoding a head: %s", av_err2str(r));
}

/* Packets come in the order of the frames: there are no B-frames. */
static int take_packets(struct head *h, struct error *e)
{
	AVPacket *packet = h->encoder->packet;
	int r;

	while ((r = avcodec_receive_packet(h->encoder->codec, packet)) == 0) {
		struct mp4_out_sample *s = &h->track->samples[h->n_taken];
		int64_t offset = h->spool->size;

		if (h->n_taken == h->n_given || packet->pts != (int64_t)h->n_taken)
			return error_set(e, SC_INTERNAL, "encoding a head: a packet too many");
		r = h->encoder->form->add(&h->encoder->sets, packet,
					  h->n_taken + 1 == h->track->n_head &&
						  h->track->n_head < h->track->n_samples,
					  h->spool);
		s->is_sync = packet->flags & AV_PKT_FLAG_KEY;
		av_packet_unref(packet);
		if (r == -EBADMSG || r == -E2BIG)
			return error_set(e, SC_INTERNAL, "encoding a head: an unusable packet");
		if (r < 0)
			return error_from_errno(e, r, "writing a head");
		s->offset = h->spool_base + offset;
		s->size = (uint32_t)(h->spool->size - offset);
		h->n_taken++;
	}
	return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : encode_error(r, e);
}

/* Encode h->encoder->frame as the next one. */
static int give_frame(struct head *h, struct error *e)
{
	AVFrame *frame = h->encoder->frame;
	int r;

	frame->pts = (int64_t)h->n_given;
	/* The encoder would take the source's for an order. */
	frame->pict_type = AV_PICTURE_TYPE_NONE;
	r = avcodec_send_frame(h->encoder->codec, frame);
	if (r < 0)
		return encode_error(r, e);
	h->n_given++;
	return take_packets(h, e);
}

static int keep_frame(struct head *h, struct error *e)
{
	AVFrame *frame = h->encoder->frame;
	int r;

	av_frame_unref(frame);
	r = av_frame_ref(frame, h->encoder->decoder->frame);
	if (r < 0)
		return encode_error(r, e);
	return is_alike(h->encoder->codec, frame) ? 0 : refuse(e, "which change their form midway");
}

/* The source's frames one after the other, each at its sample's time. */
static int encode_frames(struct head *h, uint32_t timescale, int64_t tolerance, struct error *e)
{
	struct decoder *d = h->encoder->decoder;
	int r = 0;

	while (r == 0 && h->n_given < h->track->n_head) {
		int64_t want = h->track->samples[h->n_given].pts;
		int64_t time = d->has_frame ? decoder_presented(d, d->pts, timescale) : INT64_MAX;

		h->is_back |= time < h->last;
		h->last = time;
		if (time < want - tolerance) {
			r = decoder_next(d, e);
			continue;
		}
		if (time > want + tolerance) {
			h->n_missing++;
			r = h->n_given ? 0 : keep_frame(h, e);
		} else {
			r = keep_frame(h, e);
		}
		if (r == 0)
			r = give_frame(h, e);
		listener_clip_progress(h->encoder->source->listener,
				       (double)h->n_given / (double)h->track->n_samples);
		if (r == 0 && d->has_frame && time <= want + tolerance &&
		    h->n_given < h->track->n_head)
			r = decoder_next(d, e);
	}
	/* A frame that is missing was not damaged then: it came before or behind its turn. */
	if (r == 0 && h->is_back && h->n_missing)
		r = refuse(e, "whose times go back midway");
	if (r < 0)
		return r;
	r = avcodec_send_frame(h->encoder->codec, NULL);
	if (r < 0)
		return encode_error(r, e);
	r = take_packets(h, e);
	if (r == 0 && h->n_taken != h->track->n_head)
		r = error_set(e, SC_INTERNAL, "encoding a head: %zu of %zu frames came back",
			      h->n_taken, h->track->n_head);
	return r;
}

/* The source's description, with the head's parameter sets beside its own. */
static int describe_track(const struct head_encoder *head, struct copy_clip *clip)
{
	auto_buf struct buf stsd = BUF_EMPTY;
	int r = head->form->describe(head->codec, &head->sets, head->track->stsd,
				     head->track->stsd_len, &stsd);

	if (r < 0)
		return r;
	clip->out[0].stsd_len = stsd.len;
	clip->tracks[0].stsd = (uint8_t *)buf_take(&stsd, NULL);
	clip->out[0].stsd = clip->tracks[0].stsd;
	return clip->out[0].stsd ? 0 : -ENOMEM;
}

int head_add(struct head_encoder *head, unsigned int number, struct spool *spool,
	     struct copy_clip *clip, struct error *e)
{
	struct copy_track *track = &clip->tracks[0];
	uint32_t timescale = clip->out[0].timescale, scale = timescale / head->track->timescale;
	struct head h = {.encoder = head,
			 .spool = spool,
			 .track = track,
			 .spool_base = clip->movie.spool_base,
			 .last = INT64_MIN};
	int r;

	r = choose_part(head, track->samples[0].pts / scale, e);
	if (r == 0)
		r = go_to(head, track->samples[0].pts / scale, e);
	if (r == 0)
		r = open_encoder(head, head->decoder->frame, e);
	if (r == 0)
		r = encode_frames(&h, timescale, (int64_t)scale * head->track->frame_ticks / 4, e);
	av_frame_unref(head->frame);
	if (r < 0)
		return r;
	r = describe_track(head, clip);
	avcodec_free_context(&head->codec);
	if (r == -EINVAL)
		return refuse_form(head, e);
	if (r < 0)
		return r == -ENOMEM ? error_from_errno(e, r, "encoding a head")
				    : refuse(e, "whose parameter sets leave no room for others");
	if (h.n_missing)
		listener_warning(
			head->source->listener,
			"clip %u: the source is damaged, %zu of its first %zu frames could "
			"not be decoded; their neighbours stand for them",
			number, h.n_missing, track->n_head);
	listener_log(head->source->listener, "clip %u: %zu frames encoded, %zu copied", number,
		     track->n_head, track->n_samples - track->n_head);
	return 0;
}
