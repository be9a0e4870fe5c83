/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the first bytes of a sample say of its damage. Pure. */
#include "damaged.h"

#include <string.h>

#include "storyclip/common/macros.h"

static bool is_zero(const uint8_t *data, size_t len)
{
	return !data[0] && !memcmp(data, data + 1, len - 1);
}

bool damaged_may_be_zero(const char *codec)
{
	static const char *const compressed[] = {"aac",  "mp3",   "ac3", "eac3", "flac",
						 "mp2",  "mpeg4", "vp9", "av1",  "h264",
						 "hevc"};

	for (size_t i = 0; i < SC_ARRAY_SIZE(compressed); i++)
		if (!strcmp(codec, compressed[i]))
			return false;
	return true;
}

uint64_t damaged_unit_size(const uint8_t *data, unsigned int length_bytes)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < length_bytes; i++)
		size = size << 8 | data[i];
	return size;
}

bool damaged_is_unit(const uint8_t *head, unsigned int length_bytes, uint64_t left)
{
	uint64_t size = damaged_unit_size(head, length_bytes);

	return !size || size > left - length_bytes || (head[length_bytes] & 0x80);
}

bool damaged_is_seen(const char *codec, unsigned int nal_length_bytes, const uint8_t *data,
		    size_t len, size_t size)
{
	size_t at = 0;

	if (!nal_length_bytes)
		return len >= DAMAGED_ZEROS_BYTES && !damaged_may_be_zero(codec) && is_zero(data, DAMAGED_ZEROS_BYTES);
	for (int i = 0; i < DAMAGED_UNITS_MAX && at < len && len - at > nal_length_bytes; i++) {
		if (damaged_is_unit(data + at, nal_length_bytes, size - at))
			return true;
		at += nal_length_bytes + (size_t)damaged_unit_size(data + at, nal_length_bytes);
	}
	return false;
}
