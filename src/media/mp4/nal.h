/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pictures of H.264 decoding can begin at, read from the bytes themselves (ISO/IEC 14496-10):
 * tables of containers only say "keyframe". No libav, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes, without a start code or a length before them. */
struct nal_unit {
	const uint8_t *data;
	size_t len;
};

struct nal_picture {
	bool has_slice; /* the first slice was reached; else the rest says nothing */
	bool is_idr;
	bool is_intra;       /* its first slice refers to no other picture */
	int recovery_frames; /* after so many frames all is right; -1: no recovery point */
	uint32_t set_ids;    /* of the parameter sets before it, as bits; of 32 and more: none */
	bool is_cra;         /* of HEVC: it counts on from the pictures before it, if there are any */
};

/**
 * Look at the beginning of a sample.
 * @param length_bytes  of the number before each NAL unit, 1 to 4
 */
void nal_read_picture(const uint8_t *data, size_t len, unsigned int length_bytes,
		      struct nal_picture *ret);
