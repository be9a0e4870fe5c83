/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An index made by reading all packets once, for what has no sample tables of ours: Matroska, and
 * MP4 that is fragmented or edited in several parts. What the container's coarse clock has rounded
 * is mended here: the sound's packets follow each other without gaps of a millisecond.
 */
#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/dict.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/pixdesc.h>

#include "damage.h"
#include "index_text.h"
#include "mp4/entry.h"
#include "mp4/keyframe.h"
#include "packet_order.h"
#include "packets.h"
#include "source.h"

/* A step of the clock beyond it is no pause. */
#define CLOCK_GAP_SECONDS 10

/* Of tkhd: one of these sounds is played, as libavformat writes it. */
#define SOUND_GROUP 1

struct scan_track {
	struct index_sample *samples; /* owned; pts in the stream's own ticks */
	size_t n, cap;
	bool has_dts;    /* every packet so far had one */
	bool lacks_pts;  /* some packet had none: the order of showing is not known */
	bool has_hidden; /* packets that an edit list hides */
	int64_t hidden_min, hidden_max, shown_min, shown_max; /* pts of both kinds */
	int64_t last_ticks; /* duration of the packet with the largest pts; 0 unknown */
	bool is_fields;     /* half pictures come one by one */
	bool is_jumping;    /* its clock goes back */
	bool is_clocked;    /* its decode times are the container's, not libavformat's guesses */
	int64_t max_dts;    /* so far */
	bool is_behind_damage; /* libavformat has skipped something since the last packet */
	struct packet_order *order; /* owned; NULL: the container tells it */
	int64_t step;               /* of packets without any time; > 0 */
	int64_t skipped, padded; /* samples of sound that its coder has put before and behind it */
	int64_t duration;        /* of the last packet so far; 0 unknown */
	uint8_t head[16];        /* of the first packet */
	size_t head_len;         /* that packet's whole size */
};

struct scan {
	struct packet_reader *reader;
	const struct media_listener *listener;
	struct error *e;
	struct media_index *index;
	struct scan_track tracks[INDEX_MAX_TRACKS];
	struct text_track texts[INDEX_MAX_TEXTS]; /* owned; of the reader's */
	bool is_edited; /* an MP4 presented in several parts: they may lie anywhere */
	size_t n_samples;
	int64_t bytes;
};

static int64_t ticks_of(const AVStream *st, int64_t ts)
{
	int64_t ticks;

	return __builtin_mul_overflow(ts, (int64_t)st->time_base.num, &ticks) ? 0 : ticks;
}

/* How long the numbers before NAL units are; 0: a stream with start codes, or another codec. */
static unsigned int nal_length_bytes(const AVCodecParameters *par)
{
	if (par->extradata_size < 7 || par->extradata[0] != 1)
		return 0;
	if (par->codec_id == AV_CODEC_ID_H264)
		return (par->extradata[4] & 3) + 1u;
	if (par->codec_id == AV_CODEC_ID_HEVC && par->extradata_size >= 23)
		return (par->extradata[21] & 3) + 1u;
	return 0;
}

/* Look what the container's keyframes are. */
static void look_at_keyframe(const AVStream *st, const AVPacket *packet, struct index_sample *s)
{
	const AVCodecParameters *par = st->codecpar;
	unsigned int length_bytes = nal_length_bytes(par);
	struct nal_picture picture;

	if (!s->is_sync || par->codec_type != AVMEDIA_TYPE_VIDEO || packet->size <= 0)
		return;
	if (!length_bytes &&
	    (par->codec_id == AV_CODEC_ID_H264 || par->codec_id == AV_CODEC_ID_HEVC))
		return;
	keyframe_read(avcodec_get_name(par->codec_id), packet->data, (size_t)packet->size,
		      length_bytes, &picture);
	index_note_picture(s, &picture);
	s->is_sync &= picture.has_slice || !s->is_damaged;
}

/* What a coder adds so that its frames are full, the decoder leaves out. (AVPacketSideDataType) */
static void note_padding(struct scan_track *t, const AVStream *st, const AVPacket *packet)
{
	size_t size = 0;
	const uint8_t *data = av_packet_get_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, &size);

	t->duration = ticks_of(st, packet->duration);
	t->padded = 0;
	if (!data || size < 8)
		return;
	if (!t->n)
		t->skipped = AV_RL32(data);
	t->padded = AV_RL32(data + 4);
}

/* The beginning of a stream's first packet: some codecs are described nowhere else. */
static void keep_head(struct scan_track *t, const AVPacket *packet, bool is_annexb)
{
	if (t->n || packet->size <= 0 || is_annexb)
		return;
	t->head_len = (size_t)packet->size;
	memcpy(t->head, packet->data,
	       t->head_len < sizeof(t->head) ? t->head_len : sizeof(t->head));
}

/* What a broadcast stream may do that clips cannot: its clock jumps, its packets are fields. */
static void note_clock(struct scan_track *t, const AVStream *st, const struct index_sample *s,
		       bool is_annexb, bool has_dts)
{
	/* Other containers hold both fields in a packet, whatever the parser says of the first. */
	const struct AVCodecParserContext *parser = is_annexb ? av_stream_get_parser(st) : NULL;

	t->is_fields |= parser && (parser->picture_structure == AV_PICTURE_STRUCTURE_TOP_FIELD ||
				   parser->picture_structure == AV_PICTURE_STRUCTURE_BOTTOM_FIELD);
	if (!has_dts || !t->is_clocked)
		return;
	t->is_jumping |= t->n && (s->dts < t->max_dts ||
				  (s->dts - t->max_dts) / st->time_base.den > CLOCK_GAP_SECONDS);
	t->max_dts = t->n && t->max_dts > s->dts ? t->max_dts : s->dts;
}

/* What libavformat says of a packet, and what its bytes do. */
static bool is_damaged(const struct packet_reader *reader, size_t number)
{
	const AVPacket *packet = reader->packet;
	const AVCodecParameters *par = reader->streams[number]->codecpar;
	unsigned int length_bytes = nal_length_bytes(par);

	if (packet->flags & AV_PKT_FLAG_CORRUPT)
		return true;
	if (packet->size <= 0 || reader->is_annexb[number])
		return false;
	return damage_is_seen(avcodec_get_name(par->codec_id), length_bytes, packet->data,
			      (size_t)packet->size, (size_t)packet->size);
}

static int scan_add(struct scan *scan, size_t number)
{
	struct scan_track *t = &scan->tracks[number];
	const AVPacket *packet = scan->reader->packet;
	const AVStream *st = scan->reader->streams[number];
	struct index_sample *s;
	int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;

	if (++scan->n_samples > INDEX_MAX_SAMPLES)
		return error_set(scan->e, SC_LIMIT_EXCEEDED, "the upload has more than %d samples",
				 INDEX_MAX_SAMPLES);
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 1024;
		struct index_sample *more = realloc(t->samples, cap * sizeof(*more));

		if (!more)
			return error_from_errno(scan->e, -ENOMEM, "reading the upload");
		t->samples = more;
		t->cap = cap;
	}
	s = &t->samples[t->n];
	s->pts = pts != AV_NOPTS_VALUE ? ticks_of(st, pts) : t->n ? s[-1].pts + t->step : 0;
	s->dts = packet->dts != AV_NOPTS_VALUE    ? ticks_of(st, packet->dts)
		 : pts != AV_NOPTS_VALUE || !t->n ? s->pts
						  : s[-1].dts + t->step;
	s->offset = scan->bytes;
	s->size = (uint32_t)packet->size;
	s->is_sync = packet->flags & AV_PKT_FLAG_KEY;
	s->is_gradual = s->is_idr = false;
	s->is_hidden = packet->flags & AV_PKT_FLAG_DISCARD;
	s->is_damaged = t->is_behind_damage || is_damaged(scan->reader, number);
	t->is_behind_damage = false;
	note_clock(t, st, s, scan->reader->is_annexb[number], packet->dts != AV_NOPTS_VALUE);
	look_at_keyframe(st, packet, s);
	if (t->order && packet_order_add(t->order, packet, s->is_idr) < 0)
		return error_from_errno(scan->e, -ENOMEM, "reading the upload");
	note_padding(t, st, packet);
	keep_head(t, packet, scan->reader->is_annexb[number]);
	t->lacks_pts |= packet->pts == AV_NOPTS_VALUE || scan->reader->is_packed[number];
	t->has_dts = (!t->n || t->has_dts) && packet->dts != AV_NOPTS_VALUE;
	if (packet->flags & AV_PKT_FLAG_DISCARD) {
		t->hidden_min = t->has_hidden && t->hidden_min < s->pts ? t->hidden_min : s->pts;
		t->hidden_max = t->has_hidden && t->hidden_max > s->pts ? t->hidden_max : s->pts;
		t->has_hidden = true;
	} else {
		t->shown_min = s->pts < t->shown_min ? s->pts : t->shown_min;
		if (s->pts >= t->shown_max) {
			t->shown_max = s->pts;
			t->last_ticks = ticks_of(st, packet->duration);
		}
	}
	t->n++;
	scan->bytes += packet_step(packet);
	return 0;
}

static int compare_pts(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/**
 * Decode times from the order of packets alone: the pts in rising order, moved so far ahead that
 * none is decoded after it is shown.
 */
static int derive_dts(struct index_track *t)
{
	auto_free int64_t *sorted = malloc((t->n_samples + 1) * sizeof(*sorted));
	int64_t ahead = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_samples; i++)
		sorted[i] = t->samples[i].pts;
	qsort(sorted, t->n_samples, sizeof(*sorted), compare_pts);
	for (size_t i = 0; i < t->n_samples; i++)
		if (sorted[i] - t->samples[i].pts > ahead)
			ahead = sorted[i] - t->samples[i].pts;
	for (size_t i = 0; i < t->n_samples; i++)
		t->samples[i].dts = sorted[i] - ahead;
	return 0;
}

/* What the first packet or the description says about the samples of sound in a packet; 0: nothing.
 */
static int64_t told_samples(const AVCodecParameters *par, const struct scan_track *from)
{
	static const int opus_silk[] = {480, 960, 1920, 2880}, blocks[] = {1, 2, 3, 6};
	const uint8_t *extra = par->extradata;
	unsigned int config = from->head[0] >> 3;
	int frames;

	switch (par->codec_id) {
	case AV_CODEC_ID_MP3:
		return par->sample_rate >= 32000 ? 1152 : 576;
	case AV_CODEC_ID_MP2:
		return 1152;
	case AV_CODEC_ID_AC3:
		return 1536;
	case AV_CODEC_ID_EAC3: /* of 256 samples: one, two, three or six blocks */
		return 256 * (from->head[4] >> 6 == 3 ? 6 : blocks[from->head[4] >> 4 & 3]);
	case AV_CODEC_ID_FLAC: /* the smallest and the largest block */
		return par->extradata_size >= 34 && !memcmp(extra, extra + 2, 2)
			       ? extra[0] << 8 | extra[1]
			       : 0;
	case AV_CODEC_ID_ALAC:
		return par->extradata_size >= 36
			       ? extra[12] << 24 | extra[13] << 16 | extra[14] << 8 | extra[15]
			       : 0;
	case AV_CODEC_ID_OPUS: /* RFC 6716, 3.1 */
		frames = (from->head[0] & 3) == 0   ? 1
			 : (from->head[0] & 3) == 3 ? from->head[1] & 63
						    : 2;
		if (config >= 16)
			return (int64_t)frames * (120 << (config & 3));
		if (config >= 12)
			return (int64_t)frames * (480 << (config & 1));
		return (int64_t)frames * opus_silk[config & 3];
	default:
		return 0;
	}
}

/* How many samples of sound a packet holds: what the codec says, else what the clock shows. */
static int64_t packet_samples(const AVCodecParameters *par, const struct scan_track *from,
			      const struct index_track *t)
{
	static const int64_t usual[] = {1024, 2048, 960, 1920, 512, 480, 1152, 1536};
	int64_t measured = told_samples(par, from);

	if (measured > 0)
		return measured;
	if (par->frame_size > 0)
		return par->frame_size;
	if (t->n_samples < 2)
		return usual[0];
	measured = (t->samples[t->n_samples - 1].pts - t->samples[0].pts) /
		   (int64_t)(t->n_samples - 1);
	for (size_t i = 0; i < SC_ARRAY_SIZE(usual); i++)
		if (measured > usual[i] * 95 / 100 && measured < usual[i] * 105 / 100)
			return usual[i];
	return measured > 0 ? measured : 1;
}

/**
 * Packets of sound follow each other without gaps, but a container's clock (milliseconds) makes
 * them tremble. Each run that fits an even step is given exact times, at the place that fits all
 * of its rounded ones best. `slack` ticks off is another run: a true gap. A first one that begins
 * where the coder's delay (`padding`, 0 unknown) ends at 0 does exactly that.
 */
static void smooth_sound(struct index_track *t, int64_t step, int64_t slack, int64_t padding)
{
	size_t start = 0;

	while (start < t->n_samples) {
		int64_t first = t->samples[start].pts, sum = 0, n = 0;
		size_t end = start;

		for (; end < t->n_samples; end++, n++) {
			int64_t off = t->samples[end].pts - (first + n * step);

			if (off > slack || -off > slack)
				break;
			sum += off;
		}
		first += (sum >= 0 ? sum + n / 2 : sum - n / 2) / n;
		if (!start && padding > 0 && first + padding <= slack && first + padding >= -slack)
			first = -padding;
		for (size_t i = start; i < end; i++)
			t->samples[i].dts = t->samples[i].pts = first + (int64_t)(i - start) * step;
		start = end;
	}
}

static void complete_sound(const AVStream *st, const struct scan_track *from, struct index_track *t)
{
	uint32_t rate = (uint32_t)st->codecpar->sample_rate;
	int64_t step, slack, last;

	if (st->codecpar->sample_rate > 0) {
		for (size_t i = 0; i < t->n_samples; i++)
			t->samples[i].pts = index_rescale(t->samples[i].pts, rate, t->timescale);
		slack = 2 * index_rescale(st->time_base.num, rate, (uint32_t)st->time_base.den);
		t->timescale = rate;
		step = packet_samples(st->codecpar, from, t);
		smooth_sound(t, step, slack > rate / 500 ? slack : rate / 500,
			     st->codecpar->initial_padding);
	} else {
		step = packet_samples(st->codecpar, from, t);
		for (size_t i = 0; i < t->n_samples; i++)
			t->samples[i].dts = t->samples[i].pts;
	}
	/* The last one may be shorter; a clock of milliseconds does not tell by how little. */
	last = st->codecpar->sample_rate > 0
		       ? av_rescale_q(from->duration, (AVRational){1, st->time_base.den},
				      (AVRational){1, st->codecpar->sample_rate})
		       : from->duration;
	last = last > 0 && last < step * 9 / 10 ? last : step;
	last -= from->padded < last ? from->padded : 0;
	t->end_dts = t->n_samples ? t->samples[t->n_samples - 1].dts + last : 0;
}

static const int32_t *display_matrix(const AVStream *st)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
	const AVPacketSideData *side = av_packet_side_data_get(st->codecpar->coded_side_data,
							       st->codecpar->nb_coded_side_data,
							       AV_PKT_DATA_DISPLAYMATRIX);

	return side && side->size >= 36 ? (const int32_t *)(const void *)side->data : NULL;
#else
	size_t size = 0;
	const uint8_t *data = av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, &size);

	return data && size >= 36 ? (const int32_t *)(const void *)data : NULL;
#endif
}

/* @return false when the form of the samples is not known */
static bool describe_vp9(const AVCodecParameters *par, uint8_t vpcc[8])
{
	const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)par->format);
	struct entry_vp9 vp9;

	if (!format || par->profile < 0 || par->profile > 3)
		return false;
	vp9 = (struct entry_vp9){
		.width = (uint32_t)par->width,
		.height = (uint32_t)par->height,
		.profile = (unsigned int)par->profile,
		.bit_depth = (unsigned int)format->comp[0].depth,
		.chroma = format->log2_chroma_h   ? 1
			  : format->log2_chroma_w ? 2
						  : 3,
		.primaries = (unsigned int)par->color_primaries,
		.transfer = (unsigned int)par->color_trc,
		.matrix = (unsigned int)par->color_space,
		.is_full_range = par->color_range == AVCOL_RANGE_JPEG,
	};
	entry_build_vpcc(&vp9, vpcc);
	return true;
}

static int describe_video(const AVStream *st, struct index_track *t, struct buf *stsd)
{
	const AVCodecParameters *par = st->codecpar;
	AVRational sar = st->sample_aspect_ratio.num > 0 ? st->sample_aspect_ratio
							 : par->sample_aspect_ratio;
	struct entry_avc avc = {
		.width = (uint16_t)par->width,
		.height = (uint16_t)par->height,
		.avcc = par->extradata,
		.avcc_len = (size_t)(par->extradata_size > 0 ? par->extradata_size : 0),
		.primaries = (uint16_t)par->color_primaries,
		.transfer = (uint16_t)par->color_trc,
		.matrix = (uint16_t)par->color_space,
		.is_full_range = par->color_range == AVCOL_RANGE_JPEG,
	};
	const int32_t *matrix = display_matrix(st);
	uint8_t vpcc[8];
	uint64_t width = (uint64_t)(par->width > 0 ? par->width : 0);

	if (sar.num > 0 && sar.den > 0) {
		avc.pixel_width = (uint32_t)sar.num;
		avc.pixel_height = (uint32_t)sar.den;
		width = (width * (uint64_t)sar.num + (uint64_t)sar.den / 2) / (uint64_t)sar.den;
	}
	t->width = width <= 0xffff ? (uint32_t)(width << 16) : 0;
	t->height = par->height > 0 && par->height <= 0xffff ? (uint32_t)par->height << 16 : 0;
	if (matrix)
		memcpy(t->matrix, matrix, sizeof(t->matrix));
	if (par->width <= 0 || par->height <= 0 || par->width > 0xffff || par->height > 0xffff)
		return -EINVAL;
	if (par->codec_id == AV_CODEC_ID_VP9) {
		if (!describe_vp9(par, vpcc))
			return -EINVAL;
		avc.avcc = vpcc;
		avc.avcc_len = sizeof(vpcc);
	}
	return entry_build_video(t->codec, &avc, stsd);
}

static int describe_sound(const AVStream *st, const struct scan_track *from, struct index_track *t,
			  struct buf *stsd)
{
	const AVCodecParameters *par = st->codecpar;
	struct entry_aac aac = {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
		.channels = (unsigned int)par->ch_layout.nb_channels,
#else
		.channels = (unsigned int)par->channels,
#endif
		.rate = (uint32_t)par->sample_rate,
		.config = par->extradata,
		.config_len = (size_t)(par->extradata_size > 0 ? par->extradata_size : 0),
		.bit_rate = (uint32_t)(par->bit_rate > 0 && par->bit_rate < 10000000 ? par->bit_rate
										     : 0),
	};

	return entry_build_sound(t->codec, &aac, from->head, from->head_len, stsd);
}

static bool is_known_to_mp4(enum AVCodecID id)
{
	static const enum AVCodecID known[] = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_AAC};

	for (size_t i = 0; i < SC_ARRAY_SIZE(known); i++)
		if (known[i] == id)
			return true;
	return false;
}

static int describe(const AVStream *st, const struct scan_track *from, struct index_track *t)
{
	auto_buf struct buf stsd = BUF_EMPTY;
	const AVDictionaryEntry *tag = av_dict_get(st->metadata, "language", NULL, 0);
	enum AVCodecID id = st->codecpar->codec_id;
	int r;

	snprintf(t->codec, sizeof(t->codec), "%s", avcodec_get_name(id));
	if (tag && strlen(tag->value) == 3 && strspn(tag->value, "abcdefghijklmnopqrstuvwxyz") == 3)
		memcpy(t->language, tag->value, sizeof(t->language));
	if (index_tag_copy(st, "title", &t->name) < 0 ||
	    index_tag_copy(st, "handler_name", &t->handler_name) < 0 ||
	    (!t->handler_name && index_tag_copy(st, "title", &t->handler_name) < 0))
		return -ENOMEM;
	t->is_disabled = !(st->disposition & AV_DISPOSITION_DEFAULT);
	t->alternate_group = t->is_video ? 0 : SOUND_GROUP;
	r = t->is_video ? describe_video(st, t, &stsd) : describe_sound(st, from, t, &stsd);
	if (r == -ENOMEM)
		return r;
	t->is_copyable = r == 0 && !t->obstacle;
	if (r < 0 && !t->obstacle && is_known_to_mp4(id))
		t->obstacle = "a byte stream without the description that MP4 needs";
	if (!t->is_copyable)
		return 0;
	t->stsd = (uint8_t *)buf_take(&stsd, &t->stsd_len);
	return t->stsd ? 0 : -ENOMEM;
}

static const char *kind_of(const AVStream *st)
{
	const char *kind = av_get_media_type_string(st->codecpar->codec_type);

	return packet_stream_is_picture(st) ? "picture" : kind ? kind : "data";
}

/* Which of the scan's tracks became this one of the index. */
static size_t scan_number(const struct scan *scan, const struct index_track *t)
{
	size_t i = 0;

	while ((unsigned int)scan->reader->streams[i]->index != t->number)
		i++;
	return i;
}

/* Frames whose time of showing the container has left out get it from their order. */
static int order_frames(const struct scan *scan, size_t number, struct scan_track *from,
			struct index_track *t)
{
	int64_t last;
	int r;

	if (!from->order)
		return 0;
	t->is_unpacked = scan->reader->is_packed[number];
	if (t->is_unpacked)
		packet_order_forget(from->order);
	for (size_t i = 0; i < t->n_samples && t->is_unpacked && !from->is_clocked; i++)
		t->samples[i].dts = t->samples[i].pts;
	r = packet_order_apply(from->order, t->samples, from->step);
	if (r < 0)
		return r;
	from->lacks_pts = false;
	t->is_derived = true;
	from->shown_min = last = t->samples[0].pts;
	for (size_t i = 0; i < t->n_samples; i++) {
		from->shown_min =
			t->samples[i].pts < from->shown_min ? t->samples[i].pts : from->shown_min;
		last = t->samples[i].pts > last ? t->samples[i].pts : last;
	}
	from->shown_max = last;
	from->last_ticks = from->step;
	return 0;
}

static int add_track(struct scan *scan, size_t number)
{
	const AVStream *st = scan->reader->streams[number];
	struct scan_track *from = &scan->tracks[number];
	struct index_track *t = &scan->index->tracks[scan->index->n_tracks];
	bool is_mov = av_match_name("mov", scan->reader->input->format->iformat->name);
	int r;

	if (!from->n || from->shown_min > from->shown_max || st->time_base.den <= 0)
		return 0;
	scan->index->n_tracks++;
	t->is_video = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
	t->number = (unsigned int)st->index;
	t->timescale = (uint32_t)st->time_base.den;
	t->samples = take_ptr(from->samples);
	t->n_samples = from->n;
	if (from->has_hidden && from->hidden_max >= from->shown_min &&
	    from->hidden_min <= from->shown_max)
		t->obstacle = "edited in several parts";
	r = t->is_video && from->lacks_pts ? order_frames(scan, number, from, t) : 0;
	if (r == -ENOMEM)
		return error_from_errno(scan->e, r, "reading the upload's index");
	if (t->is_video && from->lacks_pts)
		t->obstacle = "without the times at which frames are shown";
	if (t->is_video && from->is_jumping)
		t->obstacle = scan->is_edited ? "edited in several parts"
					      : "with a clock that jumps";
	if (t->is_video && from->is_fields)
		t->obstacle = "coded field by field";
	if (scan->reader->is_packed[number] && !t->is_unpacked)
		t->obstacle = OBSTACLE_PACKED;
	r = describe(st, from, t);
	if (r == 0 && t->is_video && (!is_mov || !from->has_dts || t->is_unpacked))
		r = derive_dts(t);
	if (r < 0)
		return error_from_errno(scan->e, r, "reading the upload's index");
	if (t->is_video)
		t->end_dts = t->samples[t->n_samples - 1].dts +
			     (from->last_ticks > 0 ? from->last_ticks : 1);
	else
		complete_sound(st, from, t);
	return 0;
}

/* Where a track's presentation begins, in libavformat's time: sound before 0 is a decoder's
 * pre-roll. */
static int64_t track_start(const struct scan *scan, const struct index_track *t)
{
	const struct scan_track *from = &scan->tracks[scan_number(scan, t)];
	int64_t start;

	if (t->is_video)
		return from->shown_min;
	start = t->samples[0].pts + from->skipped;
	return start > 0 ? start : 0;
}

/* The presented time line begins with the track that begins first. */
static void find_zero(struct scan *scan)
{
	struct media_index *index = scan->index;

	index->zero = track_start(scan, &index->tracks[0]);
	index->zero_timescale = index->tracks[0].timescale;
	for (size_t i = 1; i < index->n_tracks; i++) {
		int64_t start = track_start(scan, &index->tracks[i]);
		uint32_t timescale = index->tracks[i].timescale;

		if ((__int128)start * index->zero_timescale >= (__int128)index->zero * timescale)
			continue;
		index->zero = start;
		index->zero_timescale = timescale;
	}
}

/* Move a track onto the presented time line and finish it. */
static int complete_track(struct scan *scan, struct index_track *t)
{
	const struct scan_track *from = &scan->tracks[scan_number(scan, t)];
	int64_t zero = index_rescale(scan->index->zero, t->timescale, scan->index->zero_timescale);
	int64_t start = track_start(scan, t) - zero, end = INT64_MAX;

	for (size_t i = 0; i < t->n_samples; i++) {
		t->samples[i].dts -= zero;
		t->samples[i].pts -= zero;
	}
	t->end_dts -= zero;
	if (t->is_video && from->has_hidden && from->hidden_max > from->shown_max)
		end = from->shown_max - zero + (from->last_ticks > 0 ? from->last_ticks : 1);
	return index_track_complete(t, from->last_ticks, start, end, scan->listener);
}

/* A file that ends long before the end that its header claims. */
static int check_end(struct scan *scan)
{
	int64_t declared = scan->reader->declared_us, end = 0, bound = declared / 100;

	bound = bound > 1000000 ? bound : 1000000;
	for (size_t i = 0; i < scan->index->n_tracks; i++) {
		const struct index_track *t = &scan->index->tracks[i];
		int64_t us = index_ticks_to_us(t->shown_end, t->timescale);

		end = us > end ? us : end;
	}
	/* What is said last may outlast what is seen. */
	if (index_texts_end(scan->index) > end)
		end = index_texts_end(scan->index);
	end += index_ticks_to_us(scan->index->zero, scan->index->zero_timescale);
	if (scan->reader->declared_bytes > scan->reader->input->size && !declared) {
		/* The rest would last as long as so many bytes do here. */
		declared = end + (int64_t)((double)end *
					   (double)(scan->reader->declared_bytes -
						    scan->reader->input->size) /
					   (double)scan->reader->input->size);
		bound = declared / 100 > 1000000 ? declared / 100 : 1000000;
	}
	if (declared - end > bound)
		return error_set(
			scan->e, SC_UPLOAD_INCOMPLETE,
			"the upload ends early: its header claims %.3f s, its packets end at "
			"%.3f s",
			(double)declared / 1e6, (double)end / 1e6);
	return 0;
}

static int on_text(void *context, size_t number, const AVPacket *packet)
{
	struct scan *scan = context;

	return index_text_add(&scan->texts[number], scan->reader->texts[number], packet);
}

static int open_texts(struct scan *scan)
{
	struct packet_reader *reader = scan->reader;

	for (size_t i = 0; i < reader->n_texts; i++)
		if (index_text_open(reader->texts[i], &scan->texts[i]) < 0)
			return error_from_errno(scan->e, -ENOMEM, "reading the upload");
	reader->text_found = on_text;
	reader->text_context = scan;
	return 0;
}

/* Onto the presented time line, and into the index. */
static int add_texts(struct scan *scan)
{
	struct media_index *index = scan->index;
	int64_t zero = index_ticks_to_us(index->zero, index->zero_timescale);

	for (size_t i = 0; i < scan->reader->n_texts; i++) {
		struct text_track *text = &scan->texts[i];

		if (!index_video(index) || index->n_tracks + index->n_texts >= INDEX_MAX_TRACKS)
			continue;
		if (text_track_complete(text, zero) < 0)
			return error_from_errno(scan->e, -ENOMEM, "reading the upload's subtitles");
		if (text->is_too_large)
			continue;
		index->texts[index->n_texts++] = *text;
		*text = (struct text_track){0};
	}
	return 0;
}

static int list_dropped(struct scan *scan)
{
	const AVFormatContext *format = scan->reader->input->format;
	auto_buf struct buf dropped = BUF_EMPTY;

	for (unsigned int i = 0; i < format->nb_streams; i++) {
		const AVStream *st = format->streams[i];
		bool is_kept = false;

		for (size_t k = 0; k < scan->index->n_tracks; k++)
			is_kept |= scan->index->tracks[k].number == i;
		for (size_t k = 0; k < scan->index->n_texts; k++)
			is_kept |= scan->index->texts[k].number == i;
		if (!is_kept)
			index_add_dropped(&dropped, i, kind_of(st),
					  avcodec_get_name(st->codecpar->codec_id));
	}
	if (!dropped.len)
		buf_add_str(&dropped, "[]");
	scan->index->dropped = buf_take(&dropped, NULL);
	return scan->index->dropped
		       ? 0
		       : error_from_errno(scan->e, -ENOMEM, "reading the upload's index");
}

static int scan_packets(struct scan *scan)
{
	unsigned long n_complaints;
	size_t number = 0;
	int r;

	for (size_t i = 0; i < scan->reader->n_streams; i++) {
		scan->tracks[i].shown_min = INT64_MAX;
		scan->tracks[i].shown_max = INT64_MIN;
		scan->tracks[i].is_clocked =
			!av_match_name("matroska", scan->reader->input->format->iformat->name);
		scan->tracks[i].step = packet_frame_ticks(scan->reader->streams[i]);
		scan->tracks[i].step += !scan->tracks[i].step;
		if (packet_order_open(scan->reader->input->format, scan->reader->streams[i],
				      &scan->tracks[i].order) < 0)
			return error_from_errno(scan->e, -ENOMEM, "reading the upload");
	}
	n_complaints = av_log_complaints();
	while ((r = packet_reader_next(scan->reader, &number, scan->e)) > 0) {
		unsigned long n = av_log_complaints();

		for (size_t i = 0; i < scan->reader->n_streams && n != n_complaints; i++)
			scan->tracks[i].is_behind_damage = scan->tracks[i].n > 0;
		n_complaints = n;
		r = scan_add(scan, number);
		if (r < 0)
			return r;
	}
	return r;
}

static int make_tracks(struct scan *scan)
{
	struct media_index *index = scan->index;
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < scan->reader->n_streams && r == 0; i++)
		r = add_track(scan, i);
	if (r < 0)
		return r;
	if (!index->n_tracks)
		return error_set(scan->e, SC_UPLOAD_INCOMPLETE,
				 "the upload has a header, but no packet of picture or sound");
	find_zero(scan);
	for (size_t i = 0; i < index->n_tracks; i++) {
		struct index_track *t = &index->tracks[i];

		r = complete_track(scan, t);
		if (r == -ENOMEM)
			return error_from_errno(scan->e, r, "reading the upload's index");
		if (r < 0) {
			index_track_finish(t);
			continue;
		}
		if (kept != i) {
			index->tracks[kept] = *t;
			memset(t, 0, sizeof(*t));
		}
		kept++;
	}
	index->n_tracks = kept;
	return kept ? 0
		    : error_set(scan->e, SC_INVALID_MEDIA,
				"the upload presents no picture and no sound");
}

int index_from_packets(int fd, bool is_length_checked, const struct media_listener *listener,
		       struct error *e, struct media_index **ret)
{
	auto_of(packet_reader) struct packet_reader *reader = NULL;
	auto_of(media_index) struct media_index *index = calloc(1, sizeof(*index));
	auto_free struct scan *scan = calloc(1, sizeof(*scan));
	int r;

	if (index)
		index->tracks = calloc(INDEX_MAX_TRACKS + 1, sizeof(*index->tracks));
	if (index)
		index->texts = calloc(INDEX_MAX_TEXTS, sizeof(*index->texts));
	if (!index || !scan || !index->tracks || !index->texts)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	index->is_packets = true;
	r = packet_reader_open(fd, listener, e, &reader);
	if (r < 0)
		return r;
	reader->is_measuring = true;
	*scan = (struct scan){.reader = reader, .listener = listener, .e = e, .index = index,
			      .is_edited = !is_length_checked};
	r = open_texts(scan);
	if (r == 0)
		r = scan_packets(scan);
	if (r == 0)
		r = make_tracks(scan);
	if (r == 0)
		r = add_texts(scan);
	if (r == 0 && is_length_checked)
		r = check_end(scan);
	if (r == 0)
		r = list_dropped(scan);
	for (size_t i = 0; i < INDEX_MAX_TEXTS; i++)
		text_track_finish(&scan->texts[i]);
	for (size_t i = 0; i < INDEX_MAX_TRACKS; i++) {
		free(scan->tracks[i].samples);
		packet_order_close(scan->tracks[i].order);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(index);
	return 0;
}
