/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parameter sets of HEVC in a sample entry (hvcC, ISO/IEC 14496-15), and a second encoder's
 * beside them, as avcc.h does it for H.264. x265 numbers its own with 0 and cannot be told another
 * number: its units are rewritten. No libav, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nal.h"
#include "storyclip/common/buf.h"

#define HEVC_PROFILE_BYTES 12

struct hvcc_info {
	unsigned int length_bytes; /* of the number before each NAL unit: 1, 2 or 4 */
	/* Ids that no set in hvcC has. A picture's takes eight bits more than 0 does, so that what
	 * stands behind it in a slice moves by a whole byte. */
	unsigned int vps_id, sps_id, pps_id;
	/* Profile, compatibility, constraints and level, as hvcC, VPS and SPS write them alike. */
	uint8_t profile[HEVC_PROFILE_BYTES];
	/* There is more than plain pictures: Dolby Vision, a second eye, transparency. */
	bool is_layered;
};

/* One encoder's, numbered by hevc_renumber(). */
struct hvcc_sets {
	struct nal_unit vps, sps, pps;
};

/**
 * @param stsd  a track's description, as in struct mp4_out_track
 * @return 0, -EBADMSG (there is no hvcC, or it is damaged), -ENOSPC (no id is free)
 */
int hvcc_read(const uint8_t *stsd, size_t len, struct hvcc_info *ret);

/** The same description with one more encoder's sets. @return 0, -ENOMEM, -EBADMSG */
int hvcc_add(const uint8_t *stsd, size_t len, const struct hvcc_sets *sets, struct buf *ret);

/**
 * Whether pictures that an encoder describes with the profile in its SPS may be called by the
 * source's: all that the source's profile promises holds for them, too.
 */
bool hevc_is_profile_like(const uint8_t source[HEVC_PROFILE_BYTES],
			  const uint8_t encoder[HEVC_PROFILE_BYTES]);

/**
 * Add a NAL unit with other ids: a parameter set, which then also has info's profile, or a slice.
 * Other units are added as they are. Only what has id 0 everywhere and no temporal layers is
 * understood, as x265 writes it.
 *
 * @param profile  set by an SPS to what it had; may be NULL
 * @return 0, -ENOMEM, -EBADMSG (the unit is not such)
 */
int hevc_renumber(const struct nal_unit *unit, const struct hvcc_info *info,
		  uint8_t profile[HEVC_PROFILE_BYTES], struct buf *ret);

enum hevc_unit_type {
	HEVC_LAST_SLICE = 31,
	HEVC_VPS = 32,
	HEVC_SPS = 33,
	HEVC_PPS = 34,
	HEVC_END_OF_SEQUENCE = 36,
};

static inline unsigned int hevc_type(const struct nal_unit *unit)
{
	return unit->len ? unit->data[0] >> 1 & 63 : 63;
}
