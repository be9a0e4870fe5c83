/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NAL unit's bits (of H.264 too), read past the bytes that keep start codes out of it. No allocation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hevc_bits {
	const uint8_t *data;
	size_t len;
	size_t at;                 /* the next byte */
	unsigned int zeros;        /* before it */
	unsigned int byte, n_bits; /* what is left of the one before */
	bool is_over;              /* more was asked for than is there; 0 came back */
};

static inline void hevc_bits_init(struct hevc_bits *b, const uint8_t *data, size_t len)
{
	*b = (struct hevc_bits){.data = data, .len = len};
}

static inline unsigned int hevc_bit(struct hevc_bits *b)
{
	if (!b->n_bits) {
		if (b->at < b->len && b->zeros >= 2 && b->data[b->at] == 3) {
			b->zeros = 0;
			b->at++;
		}
		if (b->at >= b->len) {
			b->is_over = true;
			return 0;
		}
		b->byte = b->data[b->at++];
		b->zeros = b->byte ? 0 : b->zeros + 1;
		b->n_bits = 8;
	}
	return b->byte >> --b->n_bits & 1;
}

/* Up to 32. */
static inline uint32_t hevc_bits_get(struct hevc_bits *b, unsigned int n)
{
	uint32_t value = 0;

	while (n--)
		value = value << 1 | hevc_bit(b);
	return value;
}

static inline void hevc_bits_skip(struct hevc_bits *b, unsigned int n)
{
	while (n--)
		hevc_bit(b);
}

/* An Exp-Golomb number; one of more than 31 bits is none. */
static inline uint32_t hevc_bits_get_ue(struct hevc_bits *b)
{
	unsigned int zeros = 0;

	while (zeros < 16 && !b->is_over && !hevc_bit(b))
		zeros++;
	if (zeros == 16)
		b->is_over = true;
	return b->is_over ? 0 : (1u << zeros) - 1 + hevc_bits_get(b, zeros);
}
