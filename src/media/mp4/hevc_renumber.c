/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other ids in the NAL units of x265 (ISO/IEC 23008-2, 7.3.1 and 7.3.2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "hevc_bits.h"
#include "hvcc.h"

#define UNIT_HEADER_BYTES 2
#define FIRST_IRAP        16
#define LAST_IRAP         23
#define SET_BYTES_MAX     4096
/* Where the profile begins behind the unit's header: its place is the same in all sets. */
#define VPS_PROFILE_AT 4
#define SPS_PROFILE_AT 1

/* What a unit holds, with start codes kept out of it. Start it with all zero but out. */
struct escaped {
	uint8_t *out;
	size_t len;
	unsigned int zeros;
};

static void put_byte(struct escaped *e, unsigned int byte)
{
	if (e->zeros >= 2 && byte <= 3) {
		e->out[e->len++] = 3;
		e->zeros = 0;
	}
	e->out[e->len++] = (uint8_t)byte;
	e->zeros = byte ? 0 : e->zeros + 1;
}

/* A set as bytes that can be changed in place, and as bits that can be put in between. */
struct set {
	uint8_t data[SET_BYTES_MAX];
	size_t n_bits; /* without the one that ends it and those that fill the byte */
};

static int unpack(const struct nal_unit *unit, struct set *ret)
{
	size_t n = 0, zeros = 0;

	for (size_t i = UNIT_HEADER_BYTES; i < unit->len; i++) {
		if (zeros >= 2 && unit->data[i] == 3) {
			zeros = 0;
			continue;
		}
		if (n == sizeof(ret->data))
			return -EBADMSG;
		zeros = unit->data[i] ? 0 : zeros + 1;
		ret->data[n++] = unit->data[i];
	}
	while (n && !ret->data[n - 1])
		n--;
	if (!n)
		return -EBADMSG;
	ret->n_bits = 8 * n - 1;
	while (!(ret->data[n - 1] >> (7 - ret->n_bits % 8) & 1))
		ret->n_bits--;
	return 0;
}

static unsigned int bit_at(const uint8_t *data, size_t at)
{
	return data[at / 8] >> (7 - at % 8) & 1;
}

/* Bits one behind the other, as whole bytes into a unit. */
struct bit_writer {
	struct escaped *out;
	unsigned int byte, n_bits;
};

static void put_bit(struct bit_writer *w, unsigned int bit)
{
	w->byte = w->byte << 1 | bit;
	if (++w->n_bits == 8) {
		put_byte(w->out, w->byte & 0xff);
		w->byte = w->n_bits = 0;
	}
}

static void put_ue(struct bit_writer *w, unsigned int number)
{
	unsigned int n_bits = 0;

	while ((number + 1) >> (n_bits + 1))
		n_bits++;
	for (unsigned int i = 0; i < n_bits; i++)
		put_bit(w, 0);
	for (unsigned int i = n_bits + 1; i-- > 0;)
		put_bit(w, (number + 1) >> i & 1);
}

/* One of the numbers of a set, in the place of a 0, which is one bit. */
struct replacement {
	size_t at;
	unsigned int id;
};

static int pack(const struct set *set, const struct replacement *ids, size_t n, struct escaped *out)
{
	struct bit_writer w = {.out = out};

	for (size_t at = 0, next = 0; at < set->n_bits; at++) {
		if (next < n && ids[next].at == at) {
			if (!bit_at(set->data, at))
				return -EBADMSG;
			put_ue(&w, ids[next++].id);
		} else {
			put_bit(&w, bit_at(set->data, at));
		}
	}
	put_bit(&w, 1);
	while (w.n_bits)
		put_bit(&w, 0);
	return 0;
}

static int renumber_vps(struct set *set, const struct hvcc_info *info, struct escaped *out)
{
	/* The id; two flags; no layers; no temporal ones, of which the nesting flag is always set
	 */
	if (set->n_bits < 8 * (VPS_PROFILE_AT + HEVC_PROFILE_BYTES) || set->data[0] >> 4 ||
	    (set->data[1] >> 1 & 7))
		return -EBADMSG;
	set->data[0] = (uint8_t)(info->vps_id << 4 | (set->data[0] & 15));
	memcpy(set->data + VPS_PROFILE_AT, info->profile, HEVC_PROFILE_BYTES);
	return pack(set, NULL, 0, out);
}

static int renumber_sps(struct set *set, const struct hvcc_info *info, uint8_t *profile,
			struct escaped *out)
{
	const size_t id_at = SPS_PROFILE_AT + HEVC_PROFILE_BYTES;
	const struct replacement id = {8 * id_at, info->sps_id};

	if (set->n_bits <= 8 * id_at || set->data[0] >> 1)
		return -EBADMSG;
	if (profile)
		memcpy(profile, set->data + SPS_PROFILE_AT, HEVC_PROFILE_BYTES);
	set->data[0] = (uint8_t)(info->vps_id << 4 | (set->data[0] & 15));
	memcpy(set->data + SPS_PROFILE_AT, info->profile, HEVC_PROFILE_BYTES);
	return pack(set, &id, 1, out);
}

static int renumber_pps(struct set *set, const struct hvcc_info *info, struct escaped *out)
{
	const struct replacement ids[] = {{0, info->pps_id}, {1, info->sps_id}};

	return set->n_bits < 2 ? -EBADMSG : pack(set, ids, 2, out);
}

/*
 * slice_pic_parameter_set_id stands in the first byte, and 0 there is one bit; the new one has
 * nine. All behind it moves by a whole byte, so the header stays as long in its last byte and the
 * slice's data, entry points among them, need not be understood. From the first byte on that is not
 * zero, nothing before it matters for the bytes that keep start codes out.
 */
static int renumber_slice(const struct nal_unit *unit, const struct hvcc_info *info,
			  struct escaped *out)
{
	unsigned int type = hevc_type(unit),
		     before = type >= FIRST_IRAP && type <= LAST_IRAP ? 2 : 1;
	unsigned int first = unit->data[UNIT_HEADER_BYTES], rest = 7 - before, both;
	unsigned int zeros = 0;

	if (!(first >> rest & 1))
		return -EBADMSG;
	both = first >> (8 - before) << (16 - before) | (info->pps_id + 1) << rest |
	       (first & ((1u << rest) - 1));
	put_byte(out, both >> 8);
	put_byte(out, both & 0xff);
	for (size_t i = UNIT_HEADER_BYTES + 1; i < unit->len; i++) {
		unsigned int byte = unit->data[i];

		if (zeros >= 2 && byte == 3) {
			zeros = 0;
			continue;
		}
		put_byte(out, byte);
		zeros = byte ? 0 : zeros + 1;
		if (byte) {
			memcpy(out->out + out->len, unit->data + i + 1, unit->len - i - 1);
			out->len += unit->len - i - 1;
			break;
		}
	}
	return 0;
}

int hevc_renumber(const struct nal_unit *unit, const struct hvcc_info *info,
		  uint8_t profile[HEVC_PROFILE_BYTES], struct buf *ret)
{
	unsigned int type = hevc_type(unit);
	auto_free uint8_t *out = NULL;
	struct escaped escaped;
	struct set set;
	int r = 0;

	if (unit->len <= UNIT_HEADER_BYTES)
		return -EBADMSG;
	if (type > HEVC_PPS) {
		buf_add(ret, unit->data, unit->len);
		return buf_error(ret);
	}
	/* At most every third byte of what was put in keeps a start code out; three numbers more.
	 */
	out = malloc(unit->len + unit->len / 2 + 16);
	if (!out)
		return -ENOMEM;
	memcpy(out, unit->data, UNIT_HEADER_BYTES);
	escaped = (struct escaped){.out = out, .len = UNIT_HEADER_BYTES};
	if (type > HEVC_LAST_SLICE)
		r = unpack(unit, &set);
	if (r < 0)
		return r;
	if (type == HEVC_VPS)
		r = renumber_vps(&set, info, &escaped);
	else if (type == HEVC_SPS)
		r = renumber_sps(&set, info, profile, &escaped);
	else if (type == HEVC_PPS)
		r = renumber_pps(&set, info, &escaped);
	else
		r = renumber_slice(unit, info, &escaped);
	if (r < 0)
		return r;
	buf_add(ret, escaped.out, escaped.len);
	return buf_error(ret);
}

/* Of constraints, in the profile's seventh byte: what pictures that refer to others are not. */
#define INTRA_ONLY  0x20
#define ONE_PICTURE 0x10

bool hevc_is_profile_like(const uint8_t source[HEVC_PROFILE_BYTES],
			  const uint8_t encoder[HEVC_PROFILE_BYTES])
{
	/* Main, Main 10, the range extensions: what each may hold */
	static const struct {
		unsigned int source, encoder;
	} pairs[] = {{1, 1}, {2, 1}, {2, 2}, {4, 1}, {4, 2}, {4, 4}};

	if (source[6] & (INTRA_ONLY | ONE_PICTURE) || source[0] >> 6)
		return false;
	for (size_t i = 0; i < SC_ARRAY_SIZE(pairs); i++)
		if (pairs[i].source == (source[0] & 31u) && pairs[i].encoder == (encoder[0] & 31u))
			return true;
	return false;
}
