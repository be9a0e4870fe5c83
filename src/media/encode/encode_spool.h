/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where an encoder's packets wait until all sizes are known and the clip's header can be written:
 * one nameless file for all tracks of a clip, in the order of writing. Private to src/media. One
 * thread; blocks on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libavcodec/avcodec.h>

#include "../clip/spool.h"
#include "../mp4/writer.h"
#include "storyclip/common/macros.h"

/**
 * Put the NAL units of a packet with start codes behind the others, each behind its length.
 * @param length_bytes  of that length: 1, 2 or 4
 * @return 0, -EBADMSG (nothing in it), -E2BIG (a unit is longer than can be said), or a negative
 * errno of writing
 */
int spool_add_h264(struct spool *spool, const AVPacket *packet, unsigned int length_bytes);

/** One track as it comes out of an encoder. Start it zeroed. */
struct spool_track {
	struct mp4_out_sample *samples; /* owned */
	size_t n_samples;
	size_t cap;
};

/** Put a packet behind the others. @return 0, -ENOMEM, or a negative errno of writing */
int spool_track_add(struct spool_track *track, struct spool *spool, const AVPacket *packet);
/** The same for H.264 with start codes, as x264 gives it; MP4 wants lengths. Also -EBADMSG */
int spool_track_add_h264(struct spool_track *track, struct spool *spool, const AVPacket *packet);
void spool_track_reset(struct spool_track *track);
void spool_track_finish(struct spool_track *track);
