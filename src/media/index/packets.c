/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of libavformat's streams are kept, and their packets one after the other. */
#include "packets.h"

#include <string.h>

#include <libavutil/avstring.h>

#include "../mp4/keyframe.h"
#include "../source.h"
#include "annexb.h"
#include "packet_order.h"
#include "storyclip/common/file.h"

bool packet_stream_is_picture(const AVStream *st)
{
	return st->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS);
}

/* Default before others, H.264 before what must be decoded, then the larger. */
static AVStream *pick_video(const AVFormatContext *format)
{
	AVStream *best = NULL;
	uint64_t best_score = 0;

	for (unsigned int i = 0; i < format->nb_streams; i++) {
		AVStream *st = format->streams[i];
		const AVCodecParameters *par = st->codecpar;
		uint64_t score = 1;

		if (par->codec_type != AVMEDIA_TYPE_VIDEO || packet_stream_is_picture(st))
			continue;
		if (par->width > 0 && par->height > 0)
			score += (uint64_t)par->width * (uint64_t)par->height;
		score |= (st->disposition & AV_DISPOSITION_DEFAULT) ? 1ull << 62 : 0;
		score |= par->codec_id == AV_CODEC_ID_H264 ? 1ull << 61 : 0;
		if (score > best_score) {
			best_score = score;
			best = st;
		}
	}
	return best;
}

static bool is_probing_needed(const struct packet_reader *reader)
{
	for (size_t i = 0; i < reader->n_streams; i++) {
		const AVCodecParameters *par = reader->streams[i]->codecpar;

		if (par->codec_id == AV_CODEC_ID_NONE || !par->extradata_size ||
		    (par->codec_type == AVMEDIA_TYPE_VIDEO && !par->width) ||
		    (par->codec_id == AV_CODEC_ID_VP9 && par->format < 0) ||
		    (par->codec_type == AVMEDIA_TYPE_AUDIO && !par->sample_rate))
			return true;
	}
	return !reader->n_streams;
}

static bool is_text(const AVStream *st)
{
	static const enum AVCodecID texts[] = {AV_CODEC_ID_MOV_TEXT, AV_CODEC_ID_SUBRIP,
					       AV_CODEC_ID_TEXT, AV_CODEC_ID_WEBVTT,
					       AV_CODEC_ID_ASS};

	for (size_t i = 0; i < SC_ARRAY_SIZE(texts); i++)
		if (st->codecpar->codec_id == texts[i])
			return st->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE &&
			       st->codecpar->codec_tag != MKTAG('w', 'v', 't', 't') && /* in boxes */
			       st->time_base.num > 0 && st->time_base.den > 0;
	return false;
}

static void pick_streams(struct packet_reader *reader)
{
	AVFormatContext *format = reader->input->format;
	AVStream *video = pick_video(format);

	reader->n_streams = reader->n_texts = 0;
	if (video)
		reader->streams[reader->n_streams++] = video;
	for (unsigned int i = 0; i < format->nb_streams; i++) {
		AVStream *st = format->streams[i];
		bool is_kept = st == video;

		if (st->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
		    reader->n_streams < INDEX_MAX_TRACKS) {
			reader->streams[reader->n_streams++] = st;
			is_kept = true;
		}
		if (video && is_text(st) && reader->n_texts < INDEX_MAX_TEXTS) {
			reader->texts[reader->n_texts++] = st;
			is_kept = true;
		}
		st->discard = is_kept ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
	}
}

static uint64_t get_le64(const uint8_t *data)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | data[i];
	return value;
}

/* The properties that an ASF file's header begins with, as a rule; a broadcast's say nothing. */
static int64_t asf_bytes(const struct packet_reader *reader)
{
	static const uint8_t properties[16] = {0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11,
					       0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65};
	uint8_t head[4096];
	ssize_t len = 0;

	if (av_match_name("asf", reader->input->format->iformat->name))
		len = file_pread_full(reader->input->fd, head, sizeof(head), 0);
	for (ssize_t at = 30; at + 104 <= len;) {
		uint64_t size = get_le64(head + at + 16), bytes = get_le64(head + at + 40);

		if (!memcmp(head + at, properties, sizeof(properties)))
			return head[at + 88] & 1 || bytes > INT64_MAX ? 0 : (int64_t)bytes;
		if (size < 24 || size > sizeof(head))
			break;
		at += (ssize_t)size;
	}
	return 0;
}

/* AVI and WAV say how long the file is; a recorder that was not ended leaves 0 or the largest. */
static int64_t riff_bytes(const struct packet_reader *reader)
{
	uint8_t head[8];
	uint32_t size;

	if (!av_match_name(reader->input->format->iformat->name, "avi,wav") ||
	    file_pread_full(reader->input->fd, head, sizeof(head), 0) < (ssize_t)sizeof(head) ||
	    memcmp(head, "RIFF", 4) != 0)
		return 0;
	size = (uint32_t)head[4] | (uint32_t)head[5] << 8 | (uint32_t)head[6] << 16 |
	       (uint32_t)head[7] << 24;
	return size && size < UINT32_MAX - 64 ? (int64_t)size + 8 : 0;
}

static int open_streams(struct packet_reader *reader, struct error *e)
{
	AVFormatContext *format = reader->input->format;
	int r;

	reader->declared_us = format->duration > 0 ? format->duration : 0;
	reader->declared_bytes = riff_bytes(reader);
	if (!reader->declared_bytes)
		reader->declared_bytes = asf_bytes(reader);
	pick_streams(reader);
	/* Containers that describe their streams and tell all times are spared the probing: it
	 * decodes. */
	if (is_probing_needed(reader) || (format->ctx_flags & AVFMTCTX_NOHEADER) ||
	    packet_order_is_hidden(format)) {
		r = avformat_find_stream_info(format, NULL);
		if (r < 0)
			return av_input_error(reader->input, r, e, "looking into the upload");
		pick_streams(reader);
		/* FLV says it behind its header. */
		if (av_match_name("flv", format->iformat->name) && format->duration > 0 &&
		    format->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE)
			reader->declared_us = format->duration;
	}
	if (!reader->n_streams)
		return error_set(e, SC_INVALID_MEDIA,
				 "the upload (%s) holds neither a picture nor sound",
				 format->iformat->name);
	return 0;
}

/* AAC with a header in each packet and no description of the stream. */
static int open_adts(struct packet_reader *reader, size_t number)
{
	const AVBitStreamFilter *filter = av_bsf_get_by_name("aac_adtstoasc");
	AVStream *st = reader->streams[number];
	AVBSFContext *bsf;
	int r;

	if (!filter)
		return 0; /* then it stays without a description, and is refused */
	if (av_bsf_alloc(filter, &reader->adts[number]) < 0)
		return -ENOMEM;
	bsf = reader->adts[number];
	r = avcodec_parameters_copy(bsf->par_in, st->codecpar);
	if (r == 0) {
		bsf->time_base_in = st->time_base;
		r = av_bsf_init(bsf);
	}
	return r < 0 ? -ENOMEM : 0;
}

/*
 * MPEG-4 whose B pictures may be packed. The filter gives one packet for each, and leaves alone what
 * is not packed; its description no longer says that something is.
 */
static int open_unpack(struct packet_reader *reader, size_t number)
{
	const AVBitStreamFilter *filter = av_bsf_get_by_name("mpeg4_unpack_bframes");
	AVStream *st = reader->streams[number];
	AVBSFContext *bsf;
	int r;

	if (!filter)
		return 0; /* then the index finds it packed, and it is refused */
	if (av_bsf_alloc(filter, &reader->unpack[number]) < 0)
		return -ENOMEM;
	bsf = reader->unpack[number];
	r = avcodec_parameters_copy(bsf->par_in, st->codecpar);
	if (r == 0) {
		bsf->time_base_in = st->time_base;
		r = av_bsf_init(bsf);
	}
	if (r == 0 && st->codecpar->extradata_size > 0)
		reader->is_packed[number] = keyframe_is_packed_mpeg4(
			st->codecpar->extradata, (size_t)st->codecpar->extradata_size);
	if (r == 0)
		r = avcodec_parameters_copy(st->codecpar, bsf->par_out);
	return r < 0 ? -ENOMEM : 0;
}

static int open_forms(struct packet_reader *reader, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < reader->n_streams && r == 0; i++) {
		AVCodecParameters *par = reader->streams[i]->codecpar;

		if (par->codec_id == AV_CODEC_ID_AAC && !par->extradata_size)
			r = open_adts(reader, i);
		if (par->codec_id == AV_CODEC_ID_MPEG4)
			r = open_unpack(reader, i);
		if (!annexb_is(par))
			continue;
		r = annexb_convert_parameters(par);
		reader->is_annexb[i] = r == 0;
		r = r == -ENOMEM ? r : 0;
	}
	return r < 0 ? error_from_errno(e, r, "opening the upload") : 0;
}

/* The first packet behind the filter brings the stream's description. */
static int keep_description(struct packet_reader *reader, size_t number)
{
	AVCodecParameters *par = reader->streams[number]->codecpar;
	size_t size = 0;
	const uint8_t *data =
		av_packet_get_side_data(reader->packet, AV_PKT_DATA_NEW_EXTRADATA, &size);

	if (!data || !size || size > 4096 || par->extradata_size)
		return 0;
	par->extradata = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!par->extradata)
		return -ENOMEM;
	memcpy(par->extradata, data, size);
	par->extradata_size = (int)size;
	return 0;
}

/* What an ADTS header says of decoding: profile, sampling frequency, channels (ISO/IEC 14496-3, 1.A.2). */
static void note_adts(struct packet_reader *reader, size_t number)
{
	const AVPacket *packet = reader->packet;
	uint16_t form;

	if (packet->size < 4 || packet->data[0] != 0xff || (packet->data[1] & 0xf0) != 0xf0)
		return;
	form = (uint16_t)((packet->data[2] << 8 | packet->data[3]) & 0xfdc0);
	if (!reader->adts_form[number])
		reader->adts_form[number] = form;
	reader->n_other_forms[number] += form != reader->adts_form[number];
}

/* So much of a packet is looked through for the words of who has packed it. */
#define PACKED_WORDS_BYTES 512

/* The word itself goes, too: decoders would look for packed pictures that are there no more. */
static int unpack_packet(struct packet_reader *reader, size_t number)
{
	AVPacket *packet = reader->packet;
	const int size = packet->size, words = size < PACKED_WORDS_BYTES ? size : PACKED_WORDS_BYTES;
	int r;

	if (packet->flags & AV_PKT_FLAG_KEY && size > 0 &&
	    keyframe_is_packed_mpeg4(packet->data, (size_t)words)) {
		reader->is_packed[number] = true;
		r = av_packet_make_writable(packet);
		if (r < 0)
			return -ENOMEM;
		keyframe_unmark_packed_mpeg4(packet->data, (size_t)words);
	}
	r = av_bsf_send_packet(reader->unpack[number], packet);
	if (r == 0)
		r = av_bsf_receive_packet(reader->unpack[number], packet);
	if (r < 0)
		return r == AVERROR(ENOMEM) ? -ENOMEM : 0;
	reader->is_packed[number] |= packet->size != size;
	return 1;
}

/** @return 1, 0: the packet holds nothing that MP4 could, -ENOMEM */
static int convert_packet(struct packet_reader *reader, size_t number)
{
	int r;

	if (reader->is_annexb[number]) {
		/* Parsers read the order of showing, by the description: that is of the new form. */
		reader->is_measured = reader->is_measuring &&
				      !(reader->packet->flags & AV_PKT_FLAG_KEY) &&
				      !packet_order_is_hidden(reader->input->format);
		r = reader->is_measured ? annexb_measure_packet(reader->packet)
					: annexb_convert_packet(reader->packet);
		return r == -ENOMEM ? r : r == 0;
	}
	if (reader->unpack[number])
		return unpack_packet(reader, number);
	if (!reader->adts[number])
		return 1;
	note_adts(reader, number);
	r = av_bsf_send_packet(reader->adts[number], reader->packet);
	if (r == 0)
		r = av_bsf_receive_packet(reader->adts[number], reader->packet);
	if (r == AVERROR(ENOMEM))
		return -ENOMEM;
	if (r < 0)
		return 0;
	r = keep_description(reader, number);
	return r < 0 ? r : 1;
}

void packet_reader_get_layout(const struct packet_reader *reader, struct packet_layout *ret)
{
	*ret = (struct packet_layout){0};
	/* Its streams' codecs stand in tables, and where a packet ends says the stream itself. */
	if (!av_match_name("mpegts", reader->input->format->iformat->name))
		return;
	for (size_t i = 0; i < reader->n_streams; i++) {
		if (reader->unpack[i])
			return;
		ret->streams[i].number = (unsigned int)reader->streams[i]->index;
		ret->streams[i].codec_id = reader->streams[i]->codecpar->codec_id;
		ret->streams[i].form = reader->is_annexb[i] ? PACKET_ANNEXB
				       : reader->adts[i]    ? PACKET_ADTS
							    : PACKET_AS_IS;
	}
	ret->n_streams = reader->n_streams;
}

/** @return 1, 0: the streams are not (yet) as the layout says, -ENOMEM */
static int open_known(struct packet_reader *reader, const struct packet_layout *layout)
{
	AVFormatContext *format = reader->input->format;
	int r = 0;

	for (size_t i = 0; i < layout->n_streams; i++)
		if (layout->streams[i].number >= format->nb_streams ||
		    (int)format->streams[layout->streams[i].number]->codecpar->codec_id !=
			    layout->streams[i].codec_id)
			return 0;
	for (unsigned int i = 0; i < format->nb_streams; i++)
		format->streams[i]->discard = AVDISCARD_ALL;
	reader->n_streams = layout->n_streams;
	for (size_t i = 0; i < layout->n_streams && r == 0; i++) {
		reader->streams[i] = format->streams[layout->streams[i].number];
		reader->streams[i]->discard = AVDISCARD_DEFAULT;
		reader->is_annexb[i] = layout->streams[i].form == PACKET_ANNEXB;
		if (layout->streams[i].form == PACKET_ADTS)
			r = open_adts(reader, i);
	}
	return r < 0 ? r : 1;
}

static int open_input(int fd, const struct media_listener *listener, struct error *e,
		      struct packet_reader **ret)
{
	auto_of(packet_reader) struct packet_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader)
		reader->packet = av_packet_alloc();
	if (!reader || !reader->packet)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	r = av_input_open(fd, listener, e, &reader->input);
	if (r < 0)
		return r;
	*ret = take_ptr(reader);
	return 0;
}

int packet_reader_open(int fd, const struct media_listener *listener, struct error *e,
		       struct packet_reader **ret)
{
	auto_of(packet_reader) struct packet_reader *reader = NULL;
	int r = open_input(fd, listener, e, &reader);

	if (r == 0)
		r = open_streams(reader, e);
	if (r == 0)
		r = open_forms(reader, e);
	if (r < 0)
		return r;
	*ret = take_ptr(reader);
	return 0;
}

int packet_reader_open_again(int fd, const struct packet_layout *layout,
			     const struct media_listener *listener, struct error *e,
			     struct packet_reader **ret)
{
	auto_of(packet_reader) struct packet_reader *reader = NULL;
	int r;

	if (!layout->n_streams)
		return packet_reader_open(fd, listener, e, ret);
	r = open_input(fd, listener, e, &reader);
	if (r < 0)
		return r;
	r = open_known(reader, layout);
	if (r < 0)
		return error_from_errno(e, r, "opening the upload");
	if (r == 0)
		return packet_reader_open(fd, listener, e, ret);
	*ret = take_ptr(reader);
	return 0;
}

void packet_reader_close(struct packet_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < INDEX_MAX_TRACKS; i++)
		av_bsf_free(&reader->adts[i]);
	for (size_t i = 0; i < INDEX_MAX_TRACKS; i++)
		av_bsf_free(&reader->unpack[i]);
	av_packet_free(&reader->packet);
	av_input_close(reader->input);
	free(reader);
}

static int tell_text(const struct packet_reader *reader)
{
	for (size_t i = 0; i < reader->n_texts && reader->text_found; i++)
		if (reader->texts[i]->index == reader->packet->stream_index)
			return reader->text_found(reader->text_context, i, reader->packet);
	return 0;
}

int packet_reader_next(struct packet_reader *reader, size_t *ret_track, struct error *e)
{
	for (;;) {
		int r;

		av_packet_unref(reader->packet);
		r = av_input_next(reader->input, reader->packet);
		if (reader->input->read_error || r == AVERROR(ENOMEM))
			return av_input_error(reader->input, r, e, "reading the upload");
		if (r < 0) {
			if (r != AVERROR_EOF && reader->input->listener)
				listener_log(reader->input->listener,
					     "the upload cannot be read on behind %lld bytes",
					     (long long)reader->input->offset);
			return 0;
		}
		r = tell_text(reader);
		if (r < 0)
			return error_from_errno(e, r, "reading the upload");
		for (size_t i = 0; i < reader->n_streams; i++)
			if (reader->streams[i]->index == reader->packet->stream_index) {
				r = convert_packet(reader, i);
				if (r < 0)
					return error_from_errno(e, r, "reading the upload");
				*ret_track = i;
				if (r > 0)
					return 1;
				break;
			}
	}
}
