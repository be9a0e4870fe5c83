/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the size that was asked for to what is cut off, scaled and added. Pure arithmetic. Private
 * to src/media.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storyclip/request.h"

struct picture_size {
	int width, height;
	int sar_num, sar_den; /* how wide a pixel is; not above 0: square */
};

/** What is done to a picture before it is turned, in this order; a width of 0 leaves a step out. */
struct picture_shape {
	int crop_width, crop_height, crop_x, crop_y;
	int scale_width, scale_height; /* the pixels become square with it */
	int pad_width, pad_height, pad_x, pad_y;
};

/**
 * All numbers of the shape are even, so that colours with half the resolution stay in place.
 *
 * @param is_turned  the picture is shown turned by a quarter: what the options call width is its
 *                   height
 * @return 0, -ERANGE: the picture would be larger than PICTURE_SIZE_MAX or have no size; its size
 * is in *ret all the same, as padded or scaled
 */
int picture_shape_make(const struct encode_options *options, const struct picture_size *from,
		       bool is_turned, struct picture_shape *ret);

/**
 * What a track's matrix does to the picture, as filters of libavfilter: "" nothing, NULL if they
 * cannot (a skewed picture).
 * @param ret_is_turned  whether width and height are exchanged
 */
const char *picture_turn(const int32_t matrix[9], bool *ret_is_turned);
