/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One stream of a source as decoded frames, in the order of presentation, pulled one by one. Each
 * decoder reads the source for itself, so that it keeps one frame in memory however the streams
 * are interleaved. Of a track that an edit list shows in several parts they come part by part, each at the
 * time that it is presented at. Private to src/media. One thread (libav may use some beneath it).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../av.h"
#include "../source.h"

struct decoder {
	const struct media_source *source; /* borrowed */
	const struct index_track *track;   /* borrowed: which stream; which part of it, where an
					    * edit list has several: it may be changed at any time */
	struct av_input *input;
	AVStream *stream; /* the input's */
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame; /* the current one, if has_frame */
	bool has_frame;
	bool is_unedited; /* frames come at the media's own times: see index_track.parts */
	bool is_draining; /* no packet is left */
	bool is_begun;    /* it has had a packet since it was opened */
	int64_t shift_us; /* packets are shown so much later than they say; without joins 0 */
	size_t place;     /* which of track->parts is decoded */
	int64_t pts;      /* of the current frame, in stream->time_base, as libav counts; where the
			   * track has parts, as it is presented */
	int64_t passed;   /* pts of the frame before it; AV_NOPTS_VALUE after opening and seeking */
	uint64_t n_damaged; /* packets that did not decode, frames with holes */
};

/**
 * Open the stream and its decoder and decode the first frame.
 * Codes: UNSUPPORTED_CODEC, INVALID_MEDIA, OUT_OF_MEMORY, IO_ERROR.
 */
int decoder_open(const struct media_source *source, const struct index_track *track,
		 struct error *e, struct decoder **ret);
void decoder_close(struct decoder *d);
SC_DEFINE_AUTO(decoder, decoder_close)

/** Leave the current frame for the next one; has_frame is false behind the last. */
int decoder_next(struct decoder *d, struct error *e);

/**
 * Go to a frame at or before a presented time, or to the stream's first: every frame from that
 * time on is then still to come. Works on any input; where the container's index cannot be trusted
 * the stream is decoded from its start.
 */
int decoder_seek(struct decoder *d, int64_t time_us, struct error *e);
/** Where there is no frame any more: seek once to a time, so that one behind damage may be found. Does
 *  nothing where the container's index cannot be trusted. */
int decoder_try_behind(struct decoder *d, int64_t time_us, struct error *e);
/** Whether seeking to the time would be much shorter than decoding up to it. */
bool decoder_is_far_before(const struct decoder *d, int64_t time_us);

/** Whether decoder_seek() may get there without decoding all that comes before. */
bool decoder_can_seek(const struct decoder *d);

/** The part of the track that the current frame is of; without parts the track. A sound's frame may begin
 *  before its part, and end behind it. */
const struct index_track *decoder_part(const struct decoder *d);
/** The sign of (presented time of pts - time_us), the time being that of index_ticks_to_us(). */
int decoder_compare(const struct decoder *d, int64_t pts, int64_t time_us);
/** How wide the current frame's pixels are, by the container and the stream. */
AVRational decoder_sar(const struct decoder *d);
/** Presented time of pts in units of 1/rate s, rounded to the nearest. */
int64_t decoder_presented(const struct decoder *d, int64_t pts, uint32_t rate);
