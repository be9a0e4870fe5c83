/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a sample is damaged, as far as its first bytes show. Private to src/media. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Units of one picture that are looked at: slices and messages before them. */
#define DAMAGED_UNITS_MAX 32
/** No compressed sample begins with so many zeros. */
#define DAMAGED_ZEROS_BYTES 8

/** Raw sound is zeros where it is silent, MPEG-2 is filled up with them. */
bool damaged_may_be_zero(const char *codec);

/** The length of a NAL unit, which stands before it in so many bytes. */
uint64_t damaged_unit_size(const uint8_t *data, unsigned int length_bytes);

/**
 * A unit of no bytes, or beyond its sample's end, or with the bit that is always 0. Decoders give
 * up the rest of the picture there.
 * @param head  its length and one byte more
 * @param left  bytes of the sample from its length on
 */
bool damaged_is_unit(const uint8_t *head, unsigned int length_bytes, uint64_t left);

/** Whether the beginning of a sample shows that it is damaged.
 *  @param size  the sample's bytes, of which `len` are there */
bool damaged_is_seen(const char *codec, unsigned int nal_length_bytes, const uint8_t *data,
		    size_t len, size_t size);
