/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of libavformat's streams are kept, and their packets one after the other. */
#include "packets.h"

#include <string.h>

#include "source.h"

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

static void pick_streams(struct packet_reader *reader)
{
	AVFormatContext *format = reader->input->format;
	AVStream *video = pick_video(format);

	reader->n_streams = 0;
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
		st->discard = is_kept ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
	}
}

static int open_streams(struct packet_reader *reader, struct error *e)
{
	AVFormatContext *format = reader->input->format;
	int r;

	reader->declared_us = format->duration > 0 ? format->duration : 0;
	pick_streams(reader);
	/* Containers that describe their streams are spared the probing: it decodes. */
	if (is_probing_needed(reader) || (format->ctx_flags & AVFMTCTX_NOHEADER)) {
		r = avformat_find_stream_info(format, NULL);
		if (r < 0)
			return av_input_error(reader->input, r, e, "looking into the upload");
		pick_streams(reader);
	}
	if (!reader->n_streams)
		return error_set(e, SC_INVALID_MEDIA,
				 "the upload (%s) holds neither a picture nor sound",
				 format->iformat->name);
	return 0;
}

int packet_reader_open(int fd, const struct media_listener *listener, struct error *e,
		       struct packet_reader **ret)
{
	auto_of(packet_reader) struct packet_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader)
		reader->packet = av_packet_alloc();
	if (!reader || !reader->packet)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	r = av_input_open(fd, listener, e, &reader->input);
	if (r == 0)
		r = open_streams(reader, e);
	if (r < 0)
		return r;
	*ret = take_ptr(reader);
	return 0;
}

void packet_reader_close(struct packet_reader *reader)
{
	if (!reader)
		return;
	av_packet_free(&reader->packet);
	av_input_close(reader->input);
	free(reader);
}

int packet_reader_next(struct packet_reader *reader, size_t *ret_track, struct error *e)
{
	for (;;) {
		int r;

		av_packet_unref(reader->packet);
		r = av_read_frame(reader->input->format, reader->packet);
		if (reader->input->read_error || r == AVERROR(ENOMEM))
			return av_input_error(reader->input, r, e, "reading the upload");
		if (r < 0) {
			if (r != AVERROR_EOF && reader->input->listener)
				listener_log(reader->input->listener,
					     "the upload cannot be read on behind %lld bytes",
					     (long long)reader->input->offset);
			return 0;
		}
		for (size_t i = 0; i < reader->n_streams; i++)
			if (reader->streams[i]->index == reader->packet->stream_index) {
				*ret_track = i;
				return 1;
			}
	}
}
