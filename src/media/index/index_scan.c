/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one reading of all packets that an index of them needs, and what each says by the way. */
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>

#include "index_join.h"
#include "../mp4/keyframe.h"
#include "annexb.h"
#include "damaged.h"
#include "packet_order.h"

/* A step of the clock beyond it is no pause. */
#define CLOCK_GAP_SECONDS 10

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
static void look_at_keyframe(struct scan_track *t, const AVStream *st, const AVPacket *packet,
			     struct index_sample *s)
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
	t->set_ids |= picture.set_ids;
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

/* libavformat closes its parser before it gives the stream's last packet. */
static enum field field_of_last(const struct field_form *form, const struct packet_reader *reader,
				unsigned int length_bytes)
{
	const AVPacket *packet = reader->packet;
	enum field field = FIELD_NONE;
	struct nal_unit unit;
	size_t at = 0, len;

	if (!reader->is_measured)
		return field_read(form, packet->data, (size_t)packet->size, length_bytes);
	if (!packet->buf)
		return FIELD_NONE;
	/* It has been measured: its size is what it will be, with longer codes. */
	len = packet->buf->size - (size_t)(packet->data - packet->buf->data);
	len = len < (size_t)packet->size ? len : (size_t)packet->size;
	while (annexb_next(packet->data, len, &at, &unit))
		if (field_read_unit(form, unit.data, unit.len, &field))
			break;
	return field;
}

/* Half a frame of H.264. With start codes libavformat gives each picture a packet, and its parser
 * has looked at it. */
static enum field field_of(const struct packet_scan *scan, size_t number)
{
	const AVStream *st = scan->reader->streams[number];
	const AVPacket *packet = scan->reader->packet;
	const struct AVCodecParserContext *parser;

	if (st->codecpar->codec_id != AV_CODEC_ID_H264)
		return FIELD_NONE;
	if (!scan->reader->is_annexb[number])
		return field_read(&scan->tracks[number].form, packet->data, (size_t)packet->size,
				  nal_length_bytes(st->codecpar));
	parser = av_stream_get_parser(st);
	if (!parser)
		return field_of_last(&scan->tracks[number].form, scan->reader,
				     nal_length_bytes(st->codecpar));
	return parser->picture_structure == AV_PICTURE_STRUCTURE_TOP_FIELD      ? FIELD_TOP
	       : parser->picture_structure == AV_PICTURE_STRUCTURE_BOTTOM_FIELD ? FIELD_BOTTOM
										: FIELD_NONE;
}

/* The second field of a frame need not have a time: it is shown with the first. */
static void note_field(struct packet_scan *scan, size_t number, struct index_sample *s)
{
	struct scan_track *t = &scan->tracks[number];

	s->is_second = field_is_second(&t->open_field, field_of(scan, number));
	if (!s->is_second)
		return;
	t->has_fields = true;
	s->is_sync = false;
	if (scan->reader->packet->pts == AV_NOPTS_VALUE)
		s->pts = s[-1].pts + 1;
}

/**
 * What a broadcast stream may do that clips cannot: its clock jumps.
 * @return whether it goes back at a keyframe: perhaps another recording begins
 */
static bool note_clock(struct packet_scan *scan, struct scan_track *t, const AVStream *st,
		       const struct index_sample *s, bool has_dts)
{
	bool is_earlier = t->n && s->dts < t->max_dts, is_seam;

	if (!has_dts || !t->is_clocked)
		return false;
	is_seam = is_earlier && s->is_sync && index_join_is_possible(scan);
	t->is_jumping |= t->n && ((is_earlier && !is_seam) ||
				  (s->dts - t->max_dts) / st->time_base.den > CLOCK_GAP_SECONDS);
	t->max_dts = t->n && is_earlier && !is_seam ? t->max_dts : s->dts;
	return is_seam;
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
	return damaged_is_seen(avcodec_get_name(par->codec_id), length_bytes, packet->data,
			      (size_t)packet->size, (size_t)packet->size);
}

/* Of a packet of sound whose codec does not say how many samples it has: most AAC. */
#define UNTOLD_SAMPLES 1024

/* No coder of sound is later. */
#define DELAY_MAX_MS 200

/* So many packets of a stream without times of their own, in its ticks. */
static int64_t untimed_ticks(const struct scan_track *t, const AVStream *st, size_t n)
{
	AVCodecParameters *par = st->codecpar;
	int samples;

	if (par->codec_type != AVMEDIA_TYPE_AUDIO || par->sample_rate <= 0)
		return (int64_t)n * t->step;
	samples = av_get_audio_frame_duration2(par, 0);
	return av_rescale((int64_t)n * (samples > 0 ? samples : UNTOLD_SAMPLES),
			  st->time_base.den, par->sample_rate);
}

/*
 * A coder's delay before 0 has no times in Matroska, as libavformat takes none below it: the packets
 * lie before the first one that has.
 */
static void time_delay(struct scan_track *t, const AVStream *st, int64_t pts)
{
	int64_t ticks = untimed_ticks(t, st, t->n), first = pts - ticks;

	if (st->codecpar->codec_type != AVMEDIA_TYPE_AUDIO || first >= t->samples[0].pts ||
	    av_rescale(ticks, 1000, st->time_base.den) > DELAY_MAX_MS)
		return;
	for (size_t i = 0; i < t->n; i++)
		t->samples[i].pts = t->samples[i].dts = first + untimed_ticks(t, st, i);
}

/* Times of a packet; one without any follows the one before it. */
static void give_times(struct scan_track *t, const AVStream *st, const AVPacket *packet,
		       struct index_sample *s)
{
	int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts, ticks;

	if (pts != AV_NOPTS_VALUE && t->n && !t->is_timed)
		time_delay(t, st, ticks_of(st, pts));
	t->is_timed |= pts != AV_NOPTS_VALUE;
	t->n_untimed = pts != AV_NOPTS_VALUE || !t->n ? 0 : t->n_untimed + 1;
	ticks = untimed_ticks(t, st, t->n_untimed);
	s->pts = pts != AV_NOPTS_VALUE ? ticks_of(st, pts) : t->n ? t->timed_pts + ticks : 0;
	s->dts = packet->dts != AV_NOPTS_VALUE ? ticks_of(st, packet->dts)
		 : ticks		       ? t->timed_dts + ticks
					       : s->pts;
	if (t->n_untimed)
		return;
	t->timed_pts = s->pts;
	t->timed_dts = s->dts;
}

static int scan_add(struct packet_scan *scan, size_t number)
{
	struct scan_track *t = &scan->tracks[number];
	const AVPacket *packet = scan->reader->packet;
	const AVStream *st = scan->reader->streams[number];
	struct index_sample *s;
	bool is_seam;

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
	give_times(t, st, packet, s);
	s->offset = scan->bytes;
	s->size = (uint32_t)packet->size;
	s->is_sync = packet->flags & AV_PKT_FLAG_KEY;
	s->is_recovery = s->is_gradual = s->is_idr = false;
	s->is_hidden = packet->flags & AV_PKT_FLAG_DISCARD;
	s->is_damaged = t->is_behind_damage || is_damaged(scan->reader, number);
	t->is_behind_damage = false;
	note_field(scan, number, s);
	is_seam = note_clock(scan, t, st, s, packet->dts != AV_NOPTS_VALUE);
	index_join_note(scan, number, is_seam, t->n_untimed ? -1 : packet->pos);
	look_at_keyframe(t, st, packet, s);
	if (t->order && packet_order_add(t->order, packet, s->is_idr) < 0)
		return error_from_errno(scan->e, -ENOMEM, "reading the upload");
	note_padding(t, st, packet);
	keep_head(t, packet, scan->reader->is_annexb[number]);
	t->lacks_pts |= (packet->pts == AV_NOPTS_VALUE && !s->is_second) ||
			scan->reader->is_packed[number];
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

int packet_scan_read(struct packet_scan *scan)
{
	unsigned long n_complaints;
	size_t number = 0;
	int r;

	for (size_t i = 0; i < scan->reader->n_streams; i++) {
		scan->tracks[i].shown_min = INT64_MAX;
		scan->tracks[i].shown_max = INT64_MIN;
		scan->tracks[i].is_clocked =
			!av_match_name("matroska", scan->reader->input->format->iformat->name);
		scan->tracks[i].step = packet_frame_ticks(scan->reader->input->format,
							  scan->reader->streams[i]);
		scan->tracks[i].step += !scan->tracks[i].step;
		field_form_read(scan->reader->streams[i]->codecpar->extradata,
				(size_t)scan->reader->streams[i]->codecpar->extradata_size,
				&scan->tracks[i].form);
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
