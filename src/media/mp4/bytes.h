/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Big-endian numbers, four-character codes and boxes: what reader and writer both need. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "storyclip/common/buf.h"

#define FOURCC(a, b, c, d) \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* A box `kind` that says of subtitles that they are for all viewers: a scheme, then a word of it. */
#define MP4_KIND_SCHEME "urn:mpeg:dash:role:2011"
#define MP4_KIND_FORCED MP4_KIND_SCHEME "\0forced-subtitle"

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline void set_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline void put_u8(struct buf *b, unsigned int v)
{
	uint8_t bytes[1] = {(uint8_t)v};

	buf_add(b, bytes, sizeof(bytes));
}

static inline void put_be16(struct buf *b, unsigned int v)
{
	uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	buf_add(b, bytes, sizeof(bytes));
}

static inline void put_be24(struct buf *b, uint32_t v)
{
	uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	buf_add(b, bytes, sizeof(bytes));
}

static inline void put_be32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	set_be32(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

static inline void put_be64(struct buf *b, uint64_t v)
{
	put_be32(b, (uint32_t)(v >> 32));
	put_be32(b, (uint32_t)v);
}

static inline void put_zeros(struct buf *b, size_t n)
{
	static const uint8_t zeros[64];

	for (; n > sizeof(zeros); n -= sizeof(zeros))
		buf_add(b, zeros, sizeof(zeros));
	buf_add(b, zeros, n);
}

static inline void set_be32_at(struct buf *b, size_t at, uint32_t v)
{
	if (!b->is_failed)
		set_be32((uint8_t *)b->data + at, v);
}

/** Begin a box; hand the result to box_end(), which fills in the size. */
static inline size_t box_begin(struct buf *b, const char type[4])
{
	size_t at = b->len;

	put_be32(b, 0);
	buf_add(b, type, 4);
	return at;
}

static inline size_t box_begin_full(struct buf *b, const char type[4], unsigned int version,
				    uint32_t flags)
{
	size_t at = box_begin(b, type);

	put_u8(b, version);
	put_be24(b, flags);
	return at;
}

/* A box of 4 GiB cannot come about: its tables would break the bound on samples first. */
static inline void box_end(struct buf *b, size_t at)
{
	set_be32_at(b, at, (uint32_t)(b->len - at));
}
