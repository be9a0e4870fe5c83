/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From pictures in decode order to times. libav's parsers read what a packet's picture is. */
#include "packet_order.h"

#include <string.h>

#include <libavutil/avstring.h>

/* Containers that may leave the time of showing out. */
#define SILENT_CONTAINERS "avi,asf,mpeg,mpegvideo,m4v,h264,hevc,mxf,rm,gxf,wtv"

struct picture {
	int64_t rank; /* pictures are shown in its order */
	bool is_known;
};

struct packet_order {
	AVCodecParserContext *parser;
	AVCodecContext *codec;
	struct picture *pictures; /* owned; in decode order */
	size_t n, cap;
	bool by_type;     /* MPEG: B pictures are shown at once, others when the next one comes */
	int64_t sequence; /* picture order counts begin anew */
	int64_t held;     /* MPEG: place of the picture that is not shown yet; -1: none */
	int64_t next_rank;
	size_t delay; /* of the decoder by the stream's own word, in frames */
	bool is_forgotten; /* what the packets say */
};

static bool is_by_type(enum AVCodecID id)
{
	return id == AV_CODEC_ID_MPEG1VIDEO || id == AV_CODEC_ID_MPEG2VIDEO ||
	       id == AV_CODEC_ID_MPEG4;
}

/*
 * A bare stream has no times to measure a mean by: from FFmpeg 7 on that is what its demuxer has been told to
 * take, whatever the stream says of itself.
 */
static AVRational frame_rate(AVFormatContext *format, AVStream *st)
{
	if (format->iformat->flags & AVFMT_NOTIMESTAMPS)
		return av_guess_frame_rate(format, st, NULL);
	return st->avg_frame_rate.num > 0 && st->avg_frame_rate.den > 0 ? st->avg_frame_rate
									: st->r_frame_rate;
}

int64_t packet_frame_ticks(AVFormatContext *format, AVStream *st)
{
	AVRational rate = frame_rate(format, st);
	int64_t ticks;

	if (rate.num <= 0 || rate.den <= 0 || st->time_base.num <= 0)
		return 0;
	ticks = av_rescale_q(1, av_inv_q(rate), st->time_base);
	return ticks > 0 ? ticks * st->time_base.num : 0;
}

bool packet_order_is_hidden(const AVFormatContext *format)
{
	return av_match_list(format->iformat->name, SILENT_CONTAINERS, ',') > 0;
}

int packet_order_open(const AVFormatContext *format, const AVStream *st, struct packet_order **ret)
{
	auto_of(packet_order) struct packet_order *order = NULL;
	enum AVCodecID id = st->codecpar->codec_id;

	*ret = NULL;
	/* MPEG-4 may turn out to be packed, whatever holds it. */
	if (id != AV_CODEC_ID_MPEG4 &&
	    (!packet_order_is_hidden(format) ||
	     (!is_by_type(id) && id != AV_CODEC_ID_H264 && id != AV_CODEC_ID_HEVC)))
		return 0;
	order = calloc(1, sizeof(*order));
	if (!order)
		return -ENOMEM;
	order->by_type = is_by_type(id);
	order->delay = st->codecpar->video_delay > 0 ? (size_t)st->codecpar->video_delay : 0;
	order->held = -1;
	order->parser = av_parser_init((int)id);
	order->codec = avcodec_alloc_context3(NULL);
	if (!order->codec || avcodec_parameters_to_context(order->codec, st->codecpar) < 0)
		return -ENOMEM;
	if (!order->parser)
		return 0; /* this libavcodec has none: then the order stays unknown */
	order->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
	*ret = take_ptr(order);
	return 0;
}

void packet_order_close(struct packet_order *order)
{
	if (!order)
		return;
	if (order->parser)
		av_parser_close(order->parser);
	avcodec_free_context(&order->codec);
	free(order->pictures);
	free(order);
}

void packet_order_forget(struct packet_order *order)
{
	order->is_forgotten = true;
}

/* MPEG: what is no B picture waits until the next such one comes. */
static void rank_by_type(struct packet_order *order, bool is_b)
{
	if (is_b) {
		order->pictures[order->n].rank = order->next_rank++;
		return;
	}
	if (order->held >= 0)
		order->pictures[order->held].rank = order->next_rank++;
	order->held = (int64_t)order->n;
}

int packet_order_add(struct packet_order *order, const AVPacket *packet, bool is_idr)
{
	uint8_t *out = NULL;
	int out_len = 0;

	if (order->n == order->cap) {
		size_t cap = order->cap ? 2 * order->cap : 1024;
		struct picture *more = reallocarray(order->pictures, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		order->pictures = more;
		order->cap = cap;
	}
	order->parser->pict_type = AV_PICTURE_TYPE_NONE;
	av_parser_parse2(order->parser, order->codec, &out, &out_len, packet->data, packet->size,
			 packet->pts, packet->dts, -1);
	order->pictures[order->n].is_known = packet->pts != AV_NOPTS_VALUE;
	if (order->by_type) {
		rank_by_type(order, order->parser->pict_type == AV_PICTURE_TYPE_B);
	} else {
		order->sequence += is_idr;
		order->pictures[order->n].rank =
			order->sequence * (1ll << 32) + order->parser->output_picture_number;
	}
	order->n++;
	return 0;
}

struct place {
	int64_t rank;
	size_t at; /* in decode order */
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static struct place *order_of_showing(struct packet_order *order)
{
	struct place *places = calloc(order->n + 1, sizeof(*places));

	if (!places)
		return NULL;
	if (order->held >= 0)
		order->pictures[order->held].rank = order->next_rank;
	for (size_t i = 0; i < order->n; i++)
		places[i] = (struct place){order->pictures[i].rank, i};
	qsort(places, order->n, sizeof(*places), compare_places);
	return places;
}

/* None is known: the k-th shown gets the dts of the one that is decoded `delay` later, or more. */
static void show_by_dts(const struct place *places, size_t n, size_t delay,
			const struct index_sample *samples, int64_t step, int64_t *pts)
{

	for (size_t k = 0; k < n; k++)
		if (places[k].at > k && places[k].at - k > delay)
			delay = places[k].at - k;
	for (size_t k = 0; k < n; k++)
		pts[places[k].at] =
			k + delay < n ? samples[k + delay].dts
				      : samples[n - 1].dts + (int64_t)(k + delay - n + 1) * step;
}

/* Some are known: the others lie evenly between their neighbours, a step apart at the ends. */
static void show_between(const struct packet_order *order, const struct place *places,
			 const struct index_sample *samples, int64_t step, int64_t *pts)
{
	size_t n = order->n, left = n;

	for (size_t k = 0; k < n; k++) {
		if (!order->pictures[places[k].at].is_known)
			continue;
		pts[places[k].at] = samples[places[k].at].pts;
		for (size_t i = left == n ? 0 : left + 1; i < k; i++) {
			int64_t right = pts[places[k].at];
			int64_t from = left == n ? right - (int64_t)k * step : pts[places[left].at];
			size_t first = left == n ? 0 : left;

			pts[places[i].at] =
				from + (right - from) * (int64_t)(i - first) / (int64_t)(k - first);
		}
		left = k;
	}
	for (size_t i = left + 1; i < n; i++)
		pts[places[i].at] = pts[places[left].at] + (int64_t)(i - left) * step;
}

int packet_order_apply(struct packet_order *order, struct index_sample *samples, int64_t step)
{
	auto_free struct place *places = order_of_showing(order);
	auto_free int64_t *pts = calloc(order->n + 1, sizeof(*pts));
	bool is_any_known = false;

	if (!places || !pts)
		return -ENOMEM;
	for (size_t i = 0; i < order->n; i++)
		is_any_known |= order->pictures[i].is_known && !order->is_forgotten;
	/* MPEG's times of B pictures are made up by libavformat, from the dts. */
	if (is_any_known)
		show_between(order, places, samples, step, pts);
	else
		show_by_dts(places, order->n, order->delay, samples, step, pts);
	for (size_t k = 1; k < order->n; k++)
		if (pts[places[k].at] <= pts[places[k - 1].at])
			return -EINVAL;
	for (size_t i = 0; i < order->n; i++)
		samples[i].pts = pts[i];
	return 0;
}
