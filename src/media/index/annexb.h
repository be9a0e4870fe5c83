/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * H.264 and HEVC as broadcast has them, NAL units between start codes, to MP4's form: each behind
 * its length in four bytes, the parameter sets also in a configuration. Private to src/media.
 */
#pragma once

#include <stdbool.h>

#include <libavcodec/avcodec.h>

#include "../mp4/avcc.h"
#include "../mp4/nal.h"

/**
 * The next unit that holds anything; without the zeros that may stand before the next code.
 * @param at  where to go on, 0 at first
 * @return false: there is none
 */
bool annexb_next(const uint8_t *data, size_t len, size_t *at, struct nal_unit *ret);

/** H.264's last sequence and picture parameter set, borrowed. @return false: not both are there */
bool annexb_find_sets(const uint8_t *data, size_t len, struct avcc_sets *ret);
/** The content of avcC from all sets (avcc_build()). @return 0, -ENOMEM, -EBADMSG */
int annexb_build_avcc(const uint8_t *data, size_t len, struct buf *ret);

/** Whether a stream comes with start codes; it must have been probed. */
bool annexb_is(const AVCodecParameters *par);

/**
 * Put MP4's configuration (avcC, hvcC) in the place of the parameter sets.
 * @return 0, -ENOMEM, -EBADMSG (they are not there)
 */
int annexb_convert_parameters(AVCodecParameters *par);

/** Put lengths in the place of start codes. @return 0, -ENOMEM, -EBADMSG (nothing in it) */
int annexb_convert_packet(AVPacket *packet);
/** Give it the size that it would have so, and leave its data. The same errors. */
int annexb_measure_packet(AVPacket *packet);
