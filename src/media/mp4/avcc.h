/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parameter sets of H.264 in a sample entry (avcC, ISO/IEC 14496-15), and a second pair beside
 * them: a track can then hold pictures of two encoders. No libav, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nal.h"
#include "storyclip/common/buf.h"

#define AVCC_SPS_MAX 31 /* as many as avcC counts */
#define AVCC_PPS_MAX 255

struct avcc_info {
	unsigned int length_bytes; /* of the number before each NAL unit: 1, 2 or 4 */
	unsigned int free_id;      /* that neither a sequence nor a picture parameter set has */
	bool may_be_lossless;      /* a sequence's set allows pictures without any loss */
};

struct avcc_sets {
	const uint8_t *sps, *pps; /* NAL units */
	size_t sps_len, pps_len;
};

/**
 * @param set_ids  those that are used beside the description's own, as bits
 * @param stsd  a track's description, as in struct mp4_out_track
 * @return 0, -EBADMSG (there is no avcC, or it is damaged), -ENOSPC (no id is free)
 */
int avcc_read(const uint8_t *stsd, size_t len, uint32_t set_ids, struct avcc_info *ret);

/** The box's content, within stsd: what a decoder is set up by. @return 0, -EBADMSG */
int avcc_find(const uint8_t *stsd, size_t len, const uint8_t **ret, size_t *ret_len);

/** The same description with one more pair of sets. @return 0, -ENOMEM, -EBADMSG */
int avcc_add(const uint8_t *stsd, size_t len, const struct avcc_sets *sets, struct buf *ret);

/**
 * The content of avcC from NAL units as they come in a stream. Each different set is kept, in its
 * order, and the chroma format and depths are the first sequence's own; other units are passed
 * over.
 * @return 0, -ENOMEM, -EBADMSG (not both kinds of sets are there, too many, or one is cut off)
 */
int avcc_build(const struct nal_unit *units, size_t n, struct buf *ret);
