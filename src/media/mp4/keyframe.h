/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether decoding can begin at a sample, read from its first bytes, for every codec that is
 * copied: containers mark too much (or, without a table, everything). No libav, no I/O.
 */
#pragma once

#include "nal.h"

/**
 * Look at the beginning of a sample.
 *
 * @param codec         as struct entry_info names it; one that is not known gives no slice
 * @param length_bytes  of the number before each NAL unit (H.264, HEVC)
 * @param ret           outside of H.264 a picture is an IDR and intra, or neither
 */
void keyframe_read(const char *codec, const uint8_t *data, size_t len, unsigned int length_bytes,
		   struct nal_picture *ret);

/**
 * Whether the bytes (a sample, or the stream's description) say that frames of MPEG-4 are packed
 * two into one sample, as some writers of AVI do: such samples cannot be cut apart.
 */
bool keyframe_is_packed_mpeg4(const uint8_t *data, size_t len);
/** Take the word that says so out of them. */
void keyframe_unmark_packed_mpeg4(uint8_t *data, size_t len);
