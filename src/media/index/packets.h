/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A source's packets in the order of the file, twice the same: the first scan makes an index of
 * them, the second puts them into clips. They are in MP4's form: what a broadcast stream says with
 * start codes and ADTS headers is said as MP4 does. Private to src/media. One thread.
 */
#pragma once

#include <libavcodec/bsf.h>

#include "../av.h"
#include "index.h"

struct packet_reader {
	struct av_input *input; /* owned */
	AVPacket *packet;       /* owned; what packet_reader_next() has found */
	/* The kept streams: at most one video, it comes first. */
	AVStream *streams[INDEX_MAX_TRACKS];
	size_t n_streams;
	/* Subtitles that are text: told by the way, they are no packets of clips. */
	AVStream *texts[INDEX_MAX_TEXTS];
	size_t n_texts;
	/* Optional. @return 0 or -ENOMEM */
	int (*text_found)(void *context, size_t number, const AVPacket *packet);
	void *text_context;
	/* How packets come into MP4's form where they have another; NULL, false: as they are. */
	bool is_annexb[INDEX_MAX_TRACKS];
	AVBSFContext *adts[INDEX_MAX_TRACKS]; /* owned */
	uint16_t adts_form[INDEX_MAX_TRACKS]; /* of the first packet; 0: none yet */
	unsigned int n_other_forms[INDEX_MAX_TRACKS]; /* packets so far that are of another one */
	/* MPEG-4: a B picture that was packed behind another gets back the packet that stands for it. */
	AVBSFContext *unpack[INDEX_MAX_TRACKS]; /* owned */
	bool is_packed[INDEX_MAX_TRACKS];       /* pictures were found packed so far */
	/* Only the sizes are asked for: pictures that are no keyframes keep the form they have, but
	 * where their order is read. Set it before the first packet. */
	bool is_measuring;
	bool is_measured; /* the packet, of a stream that is_annexb, has kept its form */
	int64_t declared_us;    /* duration as the header claims it; 0: it says nothing */
	int64_t declared_bytes; /* the file's size as its header claims it (RIFF, ASF); 0: it says
				   nothing */
};

/** Codes as of av_input_open(); INVALID_MEDIA also without any stream to keep. */
int packet_reader_open(int fd, const struct media_listener *listener, struct error *e,
		       struct packet_reader **ret);
/**
 * The same source again, without looking into its streams: that decodes, and takes as long as a tenth
 * of what there is to do. Where the streams are not as they were said to be, or nothing was said, it
 * is packet_reader_open().
 */
int packet_reader_open_again(int fd, const struct packet_layout *layout,
			     const struct media_listener *listener, struct error *e,
			     struct packet_reader **ret);
/** What packet_reader_open_again() wants; n_streams 0 for containers whose streams must be looked into. */
void packet_reader_get_layout(const struct packet_reader *reader, struct packet_layout *ret);
void packet_reader_close(struct packet_reader *reader);
SC_DEFINE_AUTO(packet_reader, packet_reader_close)

/**
 * The next packet of a kept stream, in reader->packet until the next call.
 * @param ret_track  its place in streams
 * @return 1, 0 at the end (also where damage ends the file: a line in the log), or a negative errno
 */
int packet_reader_next(struct packet_reader *reader, size_t *ret_track, struct error *e);

/** How far a packet moves the running position that samples are known by: no two share one. */
static inline int64_t packet_step(const AVPacket *packet)
{
	return packet->size > 0 ? packet->size : 1;
}

/** Cover art and thumbnails: streams of pictures that are no video. */
bool packet_stream_is_picture(const AVStream *st);
