/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames through the filters to H.264, one encoder per clip: 4:2:0 with 8 bits, which every player
 * can show. Private to src/media. One thread (x264 uses some beneath it).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../av.h"
#include "../index/index.h"
#include "encode_spool.h"
#include "picture_filter.h"

struct SwsContext;

/** Start it zeroed; picture_finish() makes it zeroed again. */
struct picture_encoder {
	struct picture_filter *filter; /* borrowed */
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;         /* what the encoder is given */
	struct SwsContext *sws; /* only for frames of another format or size */
	uint32_t timescale;
	struct spool_track out;
	bool is_begun;
	int64_t given;       /* time of the last frame that was added */
	size_t n_frames;     /* given to the encoder */
	size_t n_left_out;   /* their times did not rise */
	int64_t first, last; /* times of the first and last of them */
	int64_t written_dts; /* of the last packet in the spool; INT64_MIN before */
};

/**
 * Begin a clip whose frames look like this one, by the options of the filter's source.
 *
 * @param filter     borrowed until picture_finish()
 * @param sar        how wide the source's pixels are
 * @param timescale  of the times given to picture_add(); the clip's are the same
 * @param track      borrowed for the call: the usual frame rate
 * Codes: UNSUPPORTED_CODEC, LIMIT_EXCEEDED, INTERNAL, OUT_OF_MEMORY.
 */
int picture_begin(struct picture_encoder *p, struct picture_filter *filter, const AVFrame *first,
		  AVRational sar, uint32_t timescale, const struct index_track *track,
		  struct error *e);
/** Encode a frame; a time that does not rise is left out. Codes: as for writing, INTERNAL. */
int picture_add(struct picture_encoder *p, const AVFrame *frame, int64_t time, struct spool *spool,
		struct error *e);
/** Write what the encoder still holds. */
int picture_end(struct picture_encoder *p, struct spool *spool, struct error *e);
void picture_finish(struct picture_encoder *p);

/**
 * Describe the finished track; it borrows from p and stsd.
 * @param end   when the last frame is over, in the track's timescale
 * @param stsd  filled; freed by the caller
 */
int picture_track(const struct picture_encoder *p, const struct index_track *from, int64_t end,
		  struct buf *stsd, struct mp4_out_track *ret);
