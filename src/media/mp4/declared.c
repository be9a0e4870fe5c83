/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long a fragmented file says that it is: mehd and sidx (ISO/IEC 14496-12, 8.8.2 and 8.16.3). */
#include <string.h>

#include "bytes.h"
#include "reader.h"

#define BOXES_MAX  256
#define SIDX_BYTES (1 << 16)

/* The content of the first box of a type, or NULL. */
static const uint8_t *find_box(const uint8_t *data, size_t len, uint32_t type, size_t *ret_len)
{
	while (len >= 8) {
		uint32_t size = get_be32(data);

		if (size < 8 || size > len)
			return NULL;
		if (get_be32(data + 4) == type) {
			*ret_len = size - 8;
			return data + 8;
		}
		data += size;
		len -= size;
	}
	return NULL;
}

static int64_t to_us(uint64_t ticks, uint32_t timescale)
{
	return timescale && ticks < INT64_MAX / 1000000 ? (int64_t)(ticks * 1000000 / timescale) : 0;
}

static int64_t read_mehd(const struct mp4_file *file)
{
	size_t len = 0;
	const uint8_t *box = find_box(file->moov, file->moov_len, FOURCC('m', 'v', 'e', 'x'), &len);

	box = box ? find_box(box, len, FOURCC('m', 'e', 'h', 'd'), &len) : NULL;
	if (!box || len < (box[0] == 1 ? 12 : 8))
		return 0;
	return to_us(box[0] == 1 ? get_be64(box + 4) : get_be32(box + 4), file->timescale);
}

/* The sum of what one index of segments names. */
static int64_t read_sidx(const uint8_t *box, size_t len)
{
	size_t at = len >= 12 && box[0] == 1 ? 28 : 20; /* behind times and places */
	uint64_t sum = 0;

	if (len < at + 4)
		return 0;
	for (unsigned int n = get_be16(box + at + 2); n; n--, at += 12) {
		if (len < at + 16)
			return 0;
		sum += get_be32(box + at + 8);
	}
	return to_us(sum, get_be32(box + 8));
}

/* The longest one before the first fragment. */
static int64_t read_sidxes(const struct mp4_input *in)
{
	int64_t at = 0, longest = 0;

	for (int n = 0; n < BOXES_MAX && in->size_bytes - at >= 8; n++) {
		uint8_t head[8] = {0}, box[SIDX_BYTES];
		ssize_t got = in->read(in->context, head, sizeof(head), at);
		uint32_t size = get_be32(head), type = get_be32(head + 4);

		if (got < (ssize_t)sizeof(head) || size < 8 || type == FOURCC('m', 'o', 'o', 'f'))
			break;
		if (type == FOURCC('s', 'i', 'd', 'x') && size <= SIDX_BYTES) {
			int64_t us;

			got = in->read(in->context, box, size - 8, at + 8);
			us = got > 0 ? read_sidx(box, (size_t)got) : 0;
			longest = us > longest ? us : longest;
		}
		at += size;
	}
	return longest;
}

int64_t mp4_declared_us(const struct mp4_input *input, const struct mp4_file *file)
{
	int64_t movie = read_mehd(file), segments = read_sidxes(input);

	return movie > segments ? movie : segments;
}
