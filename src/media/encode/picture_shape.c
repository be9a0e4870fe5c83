/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Crop, scale and pad, from sizes and aspects. Any thread. */
#include "picture_shape.h"

#include <errno.h>
#include <stddef.h>

#include "storyclip/common/macros.h"

#define ONE 0x10000 /* in a matrix */

struct ratio {
	int64_t num, den; /* > 0 */
};

/* The even number nearest to value * by, at least 2. */
static int even_times(int64_t value, struct ratio by)
{
	__int128 twice = 2 * (__int128)by.den;
	__int128 half = ((__int128)value * by.num + by.den) / twice;

	if (half > INT32_MAX / 2)
		half = INT32_MAX / 2;
	return half < 1 ? 2 : (int)half * 2;
}

static struct ratio inverse(struct ratio r)
{
	return (struct ratio){r.den, r.num};
}

/* Whether a picture of this size, counted in pixels, is wider than the shape. */
static bool is_wider(int width, int height, struct ratio shape)
{
	return (__int128)width * shape.den > (__int128)height * shape.num;
}

static int even_middle(int outer, int inner)
{
	return (outer - inner) / 2 & ~1;
}

/* The largest part of width x height of a shape. */
static void crop_to(int width, int height, struct ratio shape, struct picture_shape *s)
{
	int w = width, h = height;

	if (is_wider(width, height, shape))
		w = even_times(height, shape);
	else
		h = even_times(width, inverse(shape));
	w = w < width ? w : width;
	h = h < height ? h : height;
	if (w == width && h == height)
		return;
	s->crop_width = w;
	s->crop_height = h;
	s->crop_x = even_middle(width, w);
	s->crop_y = even_middle(height, h);
}

static void pad_to(int width, int height, int pad_width, int pad_height, struct picture_shape *s)
{
	if (width == pad_width && height == pad_height)
		return;
	s->pad_width = pad_width;
	s->pad_height = pad_height;
	s->pad_x = even_middle(pad_width, width);
	s->pad_y = even_middle(pad_height, height);
}

/* The smallest canvas of a shape around width x height. */
static void surround(int width, int height, struct ratio shape, struct picture_shape *s)
{
	int w = width, h = height;

	if (is_wider(width, height, shape))
		h = even_times(width, inverse(shape));
	else
		w = even_times(height, shape);
	pad_to(width, height, w > width ? w : width, h > height ? h : height, s);
}

/* Scaled so that all of it is inside width x height, then surrounded. */
static void fit_inside(int from_width, int from_height, struct ratio pixel, int width, int height,
		       struct picture_shape *s)
{
	/* The shape that is shown, num wide and den high. */
	struct ratio shown = {from_width * pixel.num, from_height * pixel.den};

	s->scale_width = width;
	s->scale_height = height;
	if (is_wider(width, height, shown))
		s->scale_width = even_times(height, shown);
	else
		s->scale_height = even_times(width, inverse(shown));
	if (s->scale_width > width)
		s->scale_width = width;
	if (s->scale_height > height)
		s->scale_height = height;
	pad_to(s->scale_width, s->scale_height, width, height, s);
}

/* The options in the directions of a picture that is not yet turned. */
static struct encode_options turned(const struct encode_options *o)
{
	struct encode_options t = *o;

	t.aspect_width = o->aspect_height;
	t.aspect_height = o->aspect_width;
	t.width = o->height;
	t.height = o->width;
	return t;
}

static bool is_too_large(int width, int height)
{
	return width > PICTURE_SIZE_MAX || height > PICTURE_SIZE_MAX;
}

int picture_shape_make(const struct encode_options *options, const struct picture_size *from,
		       bool is_turned, struct picture_shape *ret)
{
	struct encode_options o = is_turned ? turned(options) : *options;
	int width = from->width & ~1, height = from->height & ~1;
	struct ratio pixel = {1, 1}, shape;
	unsigned int to_width, to_height;

	*ret = (struct picture_shape){0};
	if (from->sar_num > 0 && from->sar_den > 0)
		pixel = (struct ratio){from->sar_num, from->sar_den};
	if (width < 2 || height < 2)
		return -ERANGE;
	if (width != from->width || height != from->height) { /* the last column or row goes */
		ret->crop_width = width;
		ret->crop_height = height;
	}
	if (encode_options_keep_size(&o))
		return 0;
	if (encode_options_size(&o, &to_width, &to_height)) {
		shape = (struct ratio){to_width * pixel.den, to_height * pixel.num};
		if (o.fit == FIT_PAD) {
			fit_inside(width, height, pixel, (int)to_width, (int)to_height, ret);
			return 0;
		}
		crop_to(width, height, shape, ret);
		ret->scale_width = (int)to_width;
		ret->scale_height = (int)to_height;
		return 0;
	}
	if (o.aspect_width) {
		shape = (struct ratio){o.aspect_width * pixel.den, o.aspect_height * pixel.num};
		if (o.fit == FIT_PAD)
			surround(width, height, shape, ret);
		else
			crop_to(width, height, shape, ret);
		return is_too_large(ret->pad_width, ret->pad_height) ? -ERANGE : 0;
	}
	/* One of width and height: the other follows from the picture's own shape. */
	shape = (struct ratio){width * pixel.num, height * pixel.den};
	ret->scale_width = o.width ? (int)o.width : even_times(o.height, shape);
	ret->scale_height = o.height ? (int)o.height : even_times(o.width, inverse(shape));
	return is_too_large(ret->scale_width, ret->scale_height) ? -ERANGE : 0;
}

/* The eight ways to lay a picture on its sides: x' = a x + c y, y' = b x + d y. */
static const struct {
	int8_t a, b, c, d;
	const char *filters;
} turns[] = {
	{1, 0, 0, 1, ""},
	{-1, 0, 0, 1, "hflip"},
	{1, 0, 0, -1, "vflip"},
	{-1, 0, 0, -1, "hflip,vflip"},
	{0, 1, 1, 0, "transpose=cclock_flip"},
	{0, 1, -1, 0, "transpose=clock"},
	{0, -1, 1, 0, "transpose=cclock"},
	{0, -1, -1, 0, "transpose=clock_flip"},
};

const char *picture_turn(const int32_t matrix[9], bool *ret_is_turned)
{
	bool is_none = true;

	*ret_is_turned = false;
	for (size_t i = 0; i < 9; i++)
		is_none = is_none && !matrix[i];
	if (is_none)
		return "";
	for (size_t i = 0; i < SC_ARRAY_SIZE(turns); i++)
		if (matrix[0] == turns[i].a * ONE && matrix[1] == turns[i].b * ONE &&
		    matrix[3] == turns[i].c * ONE && matrix[4] == turns[i].d * ONE) {
			*ret_is_turned = !turns[i].a;
			return turns[i].filters;
		}
	return NULL;
}
