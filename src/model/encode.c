/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of `encode`: their names, and the size that follows from them. Any thread. */
#include <errno.h>
#include <string.h>

#include "storyclip/request.h"

static const char *const fit_names[FIT_COUNT] = {[FIT_CROP] = "crop", [FIT_PAD] = "pad"};
static const char *const preset_names[PRESET_COUNT] = {
	[PRESET_ULTRAFAST] = "ultrafast", [PRESET_SUPERFAST] = "superfast",
	[PRESET_VERYFAST] = "veryfast",   [PRESET_FASTER] = "faster",
	[PRESET_FAST] = "fast",           [PRESET_MEDIUM] = "medium",
	[PRESET_SLOW] = "slow",           [PRESET_SLOWER] = "slower",
	[PRESET_VERYSLOW] = "veryslow",   [PRESET_PLACEBO] = "placebo",
};

const char *picture_fit_name(enum picture_fit fit)
{
	return fit_names[fit];
}

int picture_fit_from_name(const char *name, enum picture_fit *ret)
{
	for (int i = 0; i < FIT_COUNT; i++)
		if (!strcmp(fit_names[i], name)) {
			*ret = (enum picture_fit)i;
			return 0;
		}
	return -EINVAL;
}

const char *encode_preset_name(enum encode_preset preset)
{
	return preset_names[preset];
}

int encode_preset_from_name(const char *name, enum encode_preset *ret)
{
	for (int i = 0; i < PRESET_COUNT; i++)
		if (!strcmp(preset_names[i], name)) {
			*ret = (enum encode_preset)i;
			return 0;
		}
	return -EINVAL;
}

static unsigned int nearest_even(unsigned int a, unsigned int b, unsigned int by)
{
	uint64_t product = (uint64_t)a * b;

	return (unsigned int)((product + by) / (2 * (uint64_t)by) * 2);
}

bool encode_options_size(const struct encode_options *options, unsigned int *ret_width,
			 unsigned int *ret_height)
{
	unsigned int width = options->width, height = options->height;

	if (options->aspect_width && !height)
		height = nearest_even(width, options->aspect_height, options->aspect_width);
	if (options->aspect_width && !width)
		width = nearest_even(height, options->aspect_width, options->aspect_height);
	if (!width || !height)
		return false;
	*ret_width = width;
	*ret_height = height;
	return true;
}

bool encode_options_keep_size(const struct encode_options *options)
{
	return !options->width && !options->height && !options->aspect_width;
}
