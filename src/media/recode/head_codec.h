/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the head of a clip has to do with its codec: one row for each that recode_head.c can encode.
 * Private to src/media. One thread.
 */
#pragma once

#include <libavcodec/avcodec.h>

#include "../clip/spool.h"
#include "../mp4/avcc.h"
#include "../mp4/hvcc.h"

/** What the source's description says; by the codec, one of these. */
struct head_source {
	struct avcc_info avcc;
	struct hvcc_info hvcc;
	uint32_t set_ids; /* set before it is read: index_track.set_ids */
};

struct head_codec {
	const char *name;    /* as in index_track.codec */
	const char *encoder; /* libavcodec's name */
	const char *maker;   /* as people call it */
	/**
	 * @return 0, -EBADMSG, -ENOSPC: there is no room for more parameter sets
	 */
	int (*read)(const uint8_t *stsd, size_t len, struct head_source *ret);
	/**
	 * All that the encoder has to know beside what any has.
	 * @param decoder  the source's
	 * @return 0, -ENOMEM, -EINVAL (this encoder cannot make frames like these)
	 */
	int (*set_up)(const struct head_source *source, const AVCodecContext *decoder,
		      const AVFrame *frame, AVCodecContext *codec, AVDictionary **settings);
	/**
	 * Put one frame's units behind the others, each behind its length.
	 * @param is_joint  what follows is copied
	 * @return 0, -EBADMSG or -E2BIG (unusable), or a negative errno of writing
	 */
	int (*add)(const struct head_source *source, const AVPacket *packet, bool is_joint,
		   struct spool *spool);
	/**
	 * The source's description with the head's parameter sets in it.
	 * @return 0, -ENOMEM, -EBADMSG (these cannot stand in one description), -EINVAL (the
	 * encoder's profile is not the source's)
	 */
	int (*describe)(const AVCodecContext *codec, const struct head_source *source,
			const uint8_t *stsd, size_t len, struct buf *ret);
};

extern const struct head_codec head_h264, head_hevc;
