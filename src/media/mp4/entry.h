/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sample entries: the boxes in stsd that say how a track's samples are to be decoded. Which codec,
 * and the content of an stsd for a clip. No libav, no I/O.
 */
#pragma once

#include "reader.h"
#include "storyclip/common/buf.h"

struct entry_info {
	char codec[24]; /* as libavcodec names it where known, else the fourcc */
	bool is_h264;
	bool is_aac;
	bool is_picture; /* a still: cover art */
	bool is_encrypted;
	unsigned int nal_length_bytes; /* of H.264 */
};

/** What the first entry of a track says. Never fails: what cannot be read is "unknown". */
void entry_read_info(const struct mp4_track *track, struct entry_info *ret);

/**
 * The content of stsd (count and one entry) for a copy of the track. Verbatim, but for QuickTime's
 * own form of sound entries, which players of MP4 do not know: that is put into the ISO form.
 * @return 0, -ENOMEM, -EBADMSG
 */
int entry_copy(const struct mp4_track *track, struct buf *ret);

struct entry_avc {
	uint16_t width, height;
	uint32_t pixel_width, pixel_height; /* aspect of a pixel; 0 unknown */
	const uint8_t *avcc;                /* the content of avcC */
	size_t avcc_len;
	/* H.273 numbers for colr; all 2 (unspecified) or 0: no box */
	uint16_t primaries, transfer, matrix;
	bool is_full_range;
};

struct entry_aac {
	unsigned int channels;
	uint32_t rate;
	const uint8_t *config; /* AudioSpecificConfig */
	size_t config_len;
	uint32_t bit_rate; /* 0 unknown */
};

/** stsd's content made from what other containers store. @return 0, -ENOMEM, -EINVAL */
int entry_build_avc(const struct entry_avc *avc, struct buf *ret);
int entry_build_aac(const struct entry_aac *aac, struct buf *ret);
