/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NAL units as far as the first slice's type; every length is bounded by what is there. */
#include "nal.h"

#include <string.h>

#define NAL_SLICE          1
#define NAL_PARTITION_A    2
#define NAL_IDR            5
#define NAL_SEI            6
#define NAL_SPS            7
#define NAL_PPS            8
/* Where a set's id begins: an SPS has its profile, constraints and level before it. */
#define SPS_ID_AT          4
#define PPS_ID_AT          1
#define SEI_RECOVERY_POINT 6
/* Enough of a unit for a slice's type, or for the messages before a picture. */
#define UNIT_BYTES 4096

/* A unit's bits, without the bytes that keep start codes out of it. */
struct bits {
	uint8_t data[UNIT_BYTES];
	size_t n_bits;
	size_t at;
};

static void bits_init(struct bits *b, const uint8_t *data, size_t len)
{
	size_t n = 0, zeros = 0;

	for (size_t i = 0; i < len && n < sizeof(b->data); i++) {
		if (zeros >= 2 && data[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = data[i] ? 0 : zeros + 1;
		b->data[n++] = data[i];
	}
	b->n_bits = 8 * n;
	b->at = 0;
}

static unsigned int bits_get(struct bits *b)
{
	unsigned int bit;

	if (b->at >= b->n_bits)
		return 0;
	bit = b->data[b->at / 8] >> (7 - b->at % 8) & 1;
	b->at++;
	return bit;
}

/* An Exp-Golomb number; 0 where the bits end. */
static uint32_t bits_get_ue(struct bits *b)
{
	unsigned int zeros = 0;
	uint64_t value = 1;

	while (b->at < b->n_bits && zeros < 32 && !bits_get(b))
		zeros++;
	for (unsigned int i = 0; i < zeros; i++)
		value = value << 1 | bits_get(b);
	return (uint32_t)(value - 1);
}

static void read_slice(const uint8_t *unit, size_t len, struct nal_picture *ret)
{
	struct bits bits;
	uint32_t type;

	bits_init(&bits, unit + 1, len - 1 < 64 ? len - 1 : 64);
	bits_get_ue(&bits); /* first macroblock */
	type = bits_get_ue(&bits) % 5;
	ret->has_slice = true;
	ret->is_idr = (unit[0] & 31) == NAL_IDR;
	ret->is_intra = ret->is_idr || type == 2 || type == 4;
}

static size_t sei_number(const struct bits *b, size_t *at)
{
	size_t number = 0, len = b->n_bits / 8;

	while (*at < len && b->data[*at] == 0xff)
		number += b->data[(*at)++];
	return *at < len ? number + b->data[(*at)++] : number;
}

static void read_sei(const uint8_t *unit, size_t len, struct nal_picture *ret)
{
	struct bits bits;
	size_t at = 0;

	bits_init(&bits, unit + 1, len - 1);
	/* The last byte is the unit's end mark, so a message has at least two before it. */
	while (at + 2 < bits.n_bits / 8) {
		size_t type = sei_number(&bits, &at), size = sei_number(&bits, &at);

		if (type == SEI_RECOVERY_POINT && at < bits.n_bits / 8) {
			bits.at = 8 * at;
			ret->recovery_frames = (int)(bits_get_ue(&bits) & 0xffff);
			return;
		}
		if (size > bits.n_bits / 8 - at)
			return;
		at += size;
	}
}

static void read_set(const uint8_t *unit, size_t len, size_t id_at, struct nal_picture *ret)
{
	struct bits bits;
	uint32_t id;

	if (len <= id_at)
		return;
	bits_init(&bits, unit + id_at, len - id_at < 8 ? len - id_at : 8);
	id = bits_get_ue(&bits);
	if (id < 32)
		ret->set_ids |= 1u << id;
}

void nal_read_picture(const uint8_t *data, size_t len, unsigned int length_bytes,
		      struct nal_picture *ret)
{
	*ret = (struct nal_picture){.recovery_frames = -1};
	while (len > length_bytes) {
		uint32_t size = 0;
		size_t there;

		for (unsigned int i = 0; i < length_bytes; i++)
			size = size << 8 | data[i];
		data += length_bytes;
		len -= length_bytes;
		there = size < len ? size : len; /* only the sample's beginning was read */
		if (there) {
			unsigned int type = data[0] & 31;

			if (type == NAL_SLICE || type == NAL_PARTITION_A || type == NAL_IDR) {
				read_slice(data, there, ret);
				return;
			}
			if (type == NAL_SEI)
				read_sei(data, there, ret);
			else if (type == NAL_SPS || type == NAL_PPS)
				read_set(data, there, type == NAL_SPS ? SPS_ID_AT : PPS_ID_AT, ret);
		}
		data += there;
		len -= there;
	}
}
