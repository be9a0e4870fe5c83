/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pictures of H.264 that are half a frame, one field of it (ISO/IEC 14496-10, 7.3.3): a frame is
 * then two samples, shown as one at the first one's time. No libav, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What a slice's header must be read by. */
struct field_form {
	bool is_possible; /* else all pictures are whole frames, or nothing is known */
	bool has_planes;  /* one for each colour */
	unsigned int frame_num_bits;
};

enum field { FIELD_NONE, FIELD_TOP, FIELD_BOTTOM };

/** From the content of avcC: that all its sequences agree on; never fails. */
void field_form_read(const uint8_t *avcc, size_t len, struct field_form *ret);

/** What a NAL unit is. @return false: no slice, and so nothing of a picture's form */
bool field_read_unit(const struct field_form *form, const uint8_t *unit, size_t len,
		     enum field *ret);

/**
 * What a sample's first slice is; FIELD_NONE also where there is none in these bytes.
 * @param length_bytes  of the number before each NAL unit, 1 to 4
 */
enum field field_read(const struct field_form *form, const uint8_t *data, size_t len,
		      unsigned int length_bytes);

/**
 * Whether this picture is the second half of the frame that the one before it in decode order has
 * begun.
 * @param open  the half frame before it; FIELD_NONE at first
 */
bool field_is_second(enum field *open, enum field field);
