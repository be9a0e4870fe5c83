/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding hvcC in an entry, its sets' ids, and writing it anew. Every length is bounded. */
#include "hvcc.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "hevc_bits.h"

#define COUNT_BYTES        4  /* of entries, before the first */
#define VISUAL_ENTRY_BYTES 86 /* a visual entry before its boxes, header included */
#define HEADER_BYTES       23 /* of hvcC before its arrays, with their count */
#define PARALLELISM_AT     15 /* behind two bytes of segmentation */
#define LENGTH_AT          21
#define COUNT_AT           22
#define ARRAY_COMPLETE     0x80
#define SET_LAST_ID        15 /* of VPS and SPS */
#define PPS_FIRST_ID       15 /* those whose numbers have nine bits */
#define PPS_LAST_ID        30

/* The arrays that sets are added to, by type from VPS on. */
#define N_TYPES 3

struct array {
	size_t at;  /* in hvcC; 0: there is none */
	size_t end; /* behind its last unit */
	unsigned int n;
};

struct place {
	size_t hvcc, hvcc_len; /* the box's content, in the description */
	size_t end;            /* behind the last array */
	struct array arrays[N_TYPES];
	uint32_t used[N_TYPES]; /* ids, as bits; of PPS only those below 32 */
	bool is_layered;
};

static int find_boxes(const uint8_t *stsd, size_t len, struct place *ret)
{
	size_t at = COUNT_BYTES + VISUAL_ENTRY_BYTES, end;
	uint32_t type;

	if (len < at || get_be32(stsd) != 1 || get_be32(stsd + COUNT_BYTES) > len - COUNT_BYTES)
		return -EBADMSG;
	end = COUNT_BYTES + get_be32(stsd + COUNT_BYTES);
	type = get_be32(stsd + COUNT_BYTES + 4);
	ret->is_layered = type != FOURCC('h', 'v', 'c', '1') && type != FOURCC('h', 'e', 'v', '1');
	while (at + 8 <= end) {
		uint32_t size = get_be32(stsd + at);

		if (size < 8 || size > end - at)
			break;
		type = get_be32(stsd + at + 4);
		if (type == FOURCC('h', 'v', 'c', 'C') && !ret->hvcc) {
			ret->hvcc = at + 8;
			ret->hvcc_len = size - 8;
		}
		ret->is_layered |=
			type == FOURCC('l', 'h', 'v', 'C') || type == FOURCC('d', 'v', 'c', 'C') ||
			type == FOURCC('d', 'v', 'v', 'C') || type == FOURCC('d', 'v', 'w', 'C');
		at += size;
	}
	return ret->hvcc ? 0 : -EBADMSG;
}

/* profile_tier_level() of so many temporal layers but the highest (ISO/IEC 23008-2, 7.3.3). */
static void skip_profile(struct hevc_bits *bits, unsigned int n_layers)
{
	unsigned int flags, skip = 0;

	hevc_bits_skip(bits, 8 * HEVC_PROFILE_BYTES);
	if (!n_layers)
		return;
	flags = hevc_bits_get(bits, 16);
	for (unsigned int i = 0; i < n_layers; i++)
		skip += (flags >> (15 - 2 * i) & 1 ? 88 : 0) + (flags >> (14 - 2 * i) & 1 ? 8 : 0);
	hevc_bits_skip(bits, skip);
}

/* @return the set's id, -EBADMSG: it has none */
static int read_id(const struct nal_unit *unit)
{
	struct hevc_bits bits;
	unsigned int type = hevc_type(unit), n_layers;
	uint32_t id;

	if (unit->len <= 2)
		return -EBADMSG;
	hevc_bits_init(&bits, unit->data + 2, unit->len - 2);
	if (type == HEVC_VPS) {
		id = hevc_bits_get(&bits, 4);
	} else if (type == HEVC_SPS) {
		hevc_bits_skip(&bits, 4);
		n_layers = hevc_bits_get(&bits, 3);
		hevc_bits_skip(&bits, 1);
		skip_profile(&bits, n_layers);
		id = hevc_bits_get_ue(&bits);
	} else {
		id = hevc_bits_get_ue(&bits);
	}
	return bits.is_over || id > INT16_MAX ? -EBADMSG : (int)id;
}

/* Step over an array at *at, and note the ids in it. */
static int read_array(const uint8_t *hvcc, size_t len, size_t *at, struct place *place)
{
	struct array array = {.at = *at};
	unsigned int type;

	if (len - *at < 3)
		return -EBADMSG;
	type = hvcc[*at] & 63;
	array.n = get_be16(hvcc + *at + 1);
	*at += 3;
	for (unsigned int i = 0; i < array.n; i++) {
		struct nal_unit unit;

		if (len - *at < 2)
			return -EBADMSG;
		unit = (struct nal_unit){hvcc + *at + 2, get_be16(hvcc + *at)};
		if (unit.len > len - *at - 2)
			return -EBADMSG;
		*at += 2 + unit.len;
		if (hevc_type(&unit) >= HEVC_VPS && hevc_type(&unit) <= HEVC_PPS) {
			int id = read_id(&unit);

			if (id < 0)
				return id;
			if (id < 32)
				place->used[hevc_type(&unit) - HEVC_VPS] |= 1u << id;
		}
	}
	array.end = *at;
	if (type >= HEVC_VPS && type <= HEVC_PPS && !place->arrays[type - HEVC_VPS].at)
		place->arrays[type - HEVC_VPS] = array;
	return 0;
}

static int read_place(const uint8_t *stsd, size_t len, struct place *ret)
{
	struct place place = {0};
	size_t at = HEADER_BYTES;
	const uint8_t *hvcc;
	int r = find_boxes(stsd, len, &place);

	if (r < 0)
		return r;
	hvcc = stsd + place.hvcc;
	if (place.hvcc_len < HEADER_BYTES || hvcc[0] != 1)
		return -EBADMSG;
	for (unsigned int i = 0; i < hvcc[COUNT_AT]; i++) {
		r = read_array(hvcc, place.hvcc_len, &at, &place);
		if (r < 0)
			return r;
	}
	place.end = at;
	*ret = place;
	return 0;
}

/* The highest: a source's own numbers, also those that come with its pictures, begin with 0. */
static bool find_free(uint32_t used, unsigned int first, unsigned int last, unsigned int *ret)
{
	for (*ret = last; *ret >= first; --*ret)
		if (!(used >> *ret & 1))
			return true;
	return false;
}

int hvcc_read(const uint8_t *stsd, size_t len, struct hvcc_info *ret)
{
	struct place place;
	const uint8_t *hvcc;
	int r = read_place(stsd, len, &place);

	if (r < 0)
		return r;
	hvcc = stsd + place.hvcc;
	ret->length_bytes = (hvcc[LENGTH_AT] & 3) + 1u;
	if (ret->length_bytes == 3)
		return -EBADMSG;
	memcpy(ret->profile, hvcc + 1, HEVC_PROFILE_BYTES);
	ret->is_layered = place.is_layered;
	if (!find_free(place.used[0], 1, SET_LAST_ID, &ret->vps_id) ||
	    !find_free(place.used[1], 1, SET_LAST_ID, &ret->sps_id) ||
	    !find_free(place.used[2], PPS_FIRST_ID, PPS_LAST_ID, &ret->pps_id))
		return -ENOSPC;
	return 0;
}

static void put_unit(struct buf *b, const struct nal_unit *unit)
{
	put_be16(b, (unsigned int)unit->len);
	buf_add(b, unit->data, unit->len);
}

/* All arrays, those of parameter sets with one more in it; then those that were not there. */
static int put_arrays(struct buf *b, const uint8_t *hvcc, const struct place *place,
		      const struct nal_unit *units)
{
	size_t from = HEADER_BYTES, next = 0;

	for (;;) { /* in the order in which they lie there */
		const struct array *array = NULL;

		for (size_t i = 0; i < N_TYPES; i++)
			if (place->arrays[i].at >= from &&
			    (!array || place->arrays[i].at < array->at)) {
				array = &place->arrays[i];
				next = i;
			}
		if (!array)
			break;
		if (array->n == UINT16_MAX)
			return -EBADMSG;
		buf_add(b, hvcc + from, array->at + 1 - from);
		put_be16(b, array->n + 1);
		buf_add(b, hvcc + array->at + 3, array->end - array->at - 3);
		put_unit(b, &units[next]);
		from = array->end;
	}
	buf_add(b, hvcc + from, place->end - from);
	for (unsigned int i = 0; i < N_TYPES; i++) {
		if (place->arrays[i].at)
			continue;
		put_u8(b, HEVC_VPS + i); /* not complete: the others' come with their pictures */
		put_be16(b, 1);
		put_unit(b, &units[i]);
	}
	return 0;
}

int hvcc_add(const uint8_t *stsd, size_t len, const struct hvcc_sets *sets, struct buf *ret)
{
	const struct nal_unit units[N_TYPES] = {sets->vps, sets->sps, sets->pps};
	struct place place;
	const uint8_t *hvcc;
	unsigned int n_arrays;
	size_t start = ret->len, box;
	int r = read_place(stsd, len, &place);

	if (r < 0)
		return r;
	hvcc = stsd + place.hvcc;
	n_arrays = hvcc[COUNT_AT];
	for (size_t i = 0; i < N_TYPES; i++) {
		n_arrays += !place.arrays[i].at;
		if (units[i].len > UINT16_MAX)
			return -EBADMSG;
	}
	if (n_arrays > UINT8_MAX)
		return -EBADMSG;
	buf_add(ret, stsd, place.hvcc);
	box = ret->len - 8;
	buf_add(ret, hvcc, HEADER_BYTES - 1);
	put_u8(ret, n_arrays);
	r = put_arrays(ret, hvcc, &place, units);
	if (r < 0)
		return r;
	buf_add(ret, hvcc + place.end, place.hvcc_len - place.end);
	if (buf_error(ret) < 0)
		return -ENOMEM;
	/* What is said of how all pictures are divided does not hold for both encoders. */
	memcpy(ret->data + box + 8 + PARALLELISM_AT - 2, (const uint8_t[]){0xf0, 0, 0xfc}, 3);
	/* The box and the entry around it have grown. */
	set_be32((uint8_t *)ret->data + box, (uint32_t)(ret->len - box));
	buf_add(ret, stsd + place.hvcc + place.hvcc_len, len - place.hvcc - place.hvcc_len);
	if (buf_error(ret) < 0)
		return -ENOMEM;
	set_be32((uint8_t *)ret->data + start + COUNT_BYTES,
		 get_be32(stsd + COUNT_BYTES) + (uint32_t)(ret->len - start - len));
	return 0;
}
