/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding avcC in an entry, its sets' ids, and writing it anew. Every length is bounded. */
#include "avcc.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "hevc_bits.h"

#define COUNT_BYTES        4  /* of entries, before the first */
#define VISUAL_ENTRY_BYTES 86 /* a visual entry before its boxes, header included */
#define SPS_ID_AT          4  /* behind the unit's header, profile, constraints and level */
#define PPS_ID_AT          1
#define PROFILE_BASELINE   66
#define PROFILE_MAIN       77
#define PROFILE_EXTENDED   88
#define PROFILE_444        244 /* the one that knows pictures without loss */
#define TYPE_SPS           7
#define TYPE_PPS           8
#define IDS                32 /* of sequence parameter sets; those of pictures may be larger */

/* Where things lie in a description. */
struct place {
	size_t avcc, avcc_len; /* the box's content */
	size_t pps_count;      /* in it: behind the sequence parameter sets */
	size_t end;            /* behind the picture parameter sets */
	uint32_t used;         /* ids, as bits */
	bool may_be_lossless;
};

static int find_avcc(const uint8_t *stsd, size_t len, struct place *ret)
{
	size_t at = COUNT_BYTES + VISUAL_ENTRY_BYTES, entry_end;

	if (len < at || get_be32(stsd) != 1 || get_be32(stsd + COUNT_BYTES) > len - COUNT_BYTES)
		return -EBADMSG;
	entry_end = COUNT_BYTES + get_be32(stsd + COUNT_BYTES);
	while (at + 8 <= entry_end) {
		uint32_t size = get_be32(stsd + at);

		if (size < 8 || size > entry_end - at)
			break;
		if (get_be32(stsd + at + 4) == FOURCC('a', 'v', 'c', 'C')) {
			ret->avcc = at + 8;
			ret->avcc_len = size - 8;
			return 0;
		}
		at += size;
	}
	return -EBADMSG;
}

/* An Exp-Golomb number below 255 at the start of these bytes; UINT32_MAX: none. */
static uint32_t small_number(const uint8_t *data, size_t len)
{
	uint32_t bits = 0;
	unsigned int zeros = 0;

	for (size_t i = 0; i < 4; i++)
		bits = bits << 8 | (i < len ? data[i] : 0);
	while (zeros < 8 && !(bits >> (31 - zeros) & 1))
		zeros++;
	if (zeros == 8)
		return UINT32_MAX;
	return (bits >> (31 - 2 * zeros)) - 1;
}

static unsigned int next_bit(const uint8_t *data, size_t len, size_t *at)
{
	unsigned int bit = *at / 8 < len ? data[*at / 8] >> (7 - *at % 8) & 1 : 0;

	++*at;
	return bit;
}

static unsigned int next_number(const uint8_t *data, size_t len, size_t *at)
{
	unsigned int zeros = 0, value = 1;

	while (zeros < 8 && !next_bit(data, len, at))
		zeros++;
	for (unsigned int i = 0; i < zeros; i++)
		value = value << 1 | next_bit(data, len, at);
	return value - 1;
}

/* qpprime_y_zero_transform_bypass_flag of a sequence parameter set (ISO/IEC 14496-10, 7.3.2.1.1).
 */
static bool allows_lossless(const uint8_t *sps, size_t len)
{
	size_t at = (size_t)8 * SPS_ID_AT;

	if (len <= SPS_ID_AT || sps[1] != PROFILE_444)
		return false;
	next_number(sps, len, &at);          /* id */
	if (next_number(sps, len, &at) == 3) /* chroma */
		next_bit(sps, len, &at);
	next_number(sps, len, &at); /* depths */
	next_number(sps, len, &at);
	return next_bit(sps, len, &at);
}

/* Step over `n` sets that begin at *at, and note their ids. */
static int read_sets(const uint8_t *avcc, size_t len, unsigned int n, size_t id_at, size_t *at,
		     struct place *place)
{
	for (unsigned int i = 0; i < n; i++) {
		size_t size;
		uint32_t id;

		if (len - *at < 2)
			return -EBADMSG;
		size = get_be16(avcc + *at);
		*at += 2;
		if (size > len - *at || size <= id_at)
			return -EBADMSG;
		id = small_number(avcc + *at + id_at, size - id_at);
		if (id < IDS)
			place->used |= 1u << id;
		place->may_be_lossless |= id_at == SPS_ID_AT && allows_lossless(avcc + *at, size);
		*at += size;
	}
	return 0;
}

static int read_place(const uint8_t *stsd, size_t len, struct place *ret)
{
	struct place place = {0};
	const uint8_t *avcc;
	size_t at = 6;
	int r = find_avcc(stsd, len, &place);

	if (r < 0)
		return r;
	avcc = stsd + place.avcc;
	if (place.avcc_len < 7 || avcc[0] != 1)
		return -EBADMSG;
	r = read_sets(avcc, place.avcc_len, avcc[5] & 31, SPS_ID_AT, &at, &place);
	if (r < 0 || at >= place.avcc_len)
		return -EBADMSG;
	place.pps_count = at++;
	r = read_sets(avcc, place.avcc_len, avcc[place.pps_count], PPS_ID_AT, &at, &place);
	if (r < 0)
		return r;
	place.end = at;
	*ret = place;
	return 0;
}

int avcc_find(const uint8_t *stsd, size_t len, const uint8_t **ret, size_t *ret_len)
{
	struct place place;
	int r = find_avcc(stsd, len, &place);

	if (r < 0)
		return r;
	*ret = stsd + place.avcc;
	*ret_len = place.avcc_len;
	return 0;
}

int avcc_read(const uint8_t *stsd, size_t len, uint32_t set_ids, struct avcc_info *ret)
{
	struct place place;
	int r = read_place(stsd, len, &place);

	if (r < 0)
		return r;
	ret->length_bytes = (stsd[place.avcc + 4] & 3) + 1u;
	if (ret->length_bytes == 3)
		return -EBADMSG;
	ret->may_be_lossless = place.may_be_lossless;
	/* 0 is what most pictures name that come with sets of their own. */
	for (ret->free_id = 1; ret->free_id < IDS; ret->free_id++)
		if (!((place.used | set_ids) >> ret->free_id & 1))
			return 0;
	return -ENOSPC;
}

static void put_set(struct buf *b, const uint8_t *set, size_t len)
{
	put_be16(b, (unsigned int)len);
	buf_add(b, set, len);
}

int avcc_add(const uint8_t *stsd, size_t len, const struct avcc_sets *sets, struct buf *ret)
{
	struct place place;
	const uint8_t *avcc;
	size_t more = 4 + sets->sps_len + sets->pps_len, start = ret->len;
	int r = read_place(stsd, len, &place);

	if (r < 0)
		return r;
	avcc = stsd + place.avcc;
	if ((avcc[5] & 31) == 31 || avcc[place.pps_count] == 255 || sets->sps_len > UINT16_MAX ||
	    sets->pps_len > UINT16_MAX)
		return -EBADMSG;
	buf_add(ret, stsd, place.avcc);
	buf_add(ret, avcc, 5);
	put_u8(ret, avcc[5] + 1u);
	buf_add(ret, avcc + 6, place.pps_count - 6);
	put_set(ret, sets->sps, sets->sps_len);
	put_u8(ret, avcc[place.pps_count] + 1u);
	buf_add(ret, avcc + place.pps_count + 1, place.end - place.pps_count - 1);
	put_set(ret, sets->pps, sets->pps_len);
	buf_add(ret, avcc + place.end, len - place.avcc - place.end);
	if (buf_error(ret) < 0)
		return -ENOMEM;
	/* The box and the entry around it have grown. */
	set_be32((uint8_t *)ret->data + start + place.avcc - 8,
		 (uint32_t)(place.avcc_len + 8 + more));
	set_be32((uint8_t *)ret->data + start + COUNT_BYTES,
		 (uint32_t)(get_be32(stsd + COUNT_BYTES) + more));
	return 0;
}

/* Sets of one kind, each different one once: streams repeat them before every keyframe. */
struct set_list {
	struct nal_unit sets[AVCC_PPS_MAX];
	unsigned int n;
};

static int list_sets(const struct nal_unit *units, size_t n, unsigned int type, unsigned int max,
		     struct set_list *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned int k = 0;

		if (!units[i].len || (units[i].data[0] & 31) != type)
			continue;
		while (k < ret->n && (ret->sets[k].len != units[i].len ||
				      memcmp(ret->sets[k].data, units[i].data, units[i].len) != 0))
			k++;
		if (k < ret->n)
			continue;
		if (ret->n == max || units[i].len > UINT16_MAX)
			return -EBADMSG;
		ret->sets[ret->n++] = units[i];
	}
	return ret->n ? 0 : -EBADMSG;
}

static void put_sets(struct buf *b, const struct set_list *list)
{
	for (unsigned int i = 0; i < list->n; i++)
		put_set(b, list->sets[i].data, list->sets[i].len);
}

/* What avcC says of all profiles but the first three. @return 0, -EBADMSG: the set is cut off */
static int put_format(struct buf *b, const struct nal_unit *sps)
{
	uint32_t chroma, luma_depth, chroma_depth;
	struct hevc_bits bits;

	hevc_bits_init(&bits, sps->data + SPS_ID_AT, sps->len - SPS_ID_AT);
	hevc_bits_get_ue(&bits); /* id */
	chroma = hevc_bits_get_ue(&bits);
	if (chroma == 3)
		hevc_bit(&bits); /* a plane for each colour */
	luma_depth = hevc_bits_get_ue(&bits);
	chroma_depth = hevc_bits_get_ue(&bits);
	if (bits.is_over || chroma > 3 || luma_depth > 6 || chroma_depth > 6)
		return -EBADMSG;
	put_u8(b, 0xfc | chroma);
	put_u8(b, 0xf8 | luma_depth);
	put_u8(b, 0xf8 | chroma_depth);
	put_u8(b, 0); /* no extensions of sequence parameter sets */
	return 0;
}

int avcc_build(const struct nal_unit *units, size_t n, struct buf *ret)
{
	struct set_list sps, pps;
	uint8_t level = 0;
	int r = list_sets(units, n, TYPE_SPS, AVCC_SPS_MAX, &sps);

	if (r == 0)
		r = list_sets(units, n, TYPE_PPS, AVCC_PPS_MAX, &pps);
	for (unsigned int i = 0; i < sps.n && r == 0; i++) {
		if (sps.sets[i].len <= SPS_ID_AT)
			r = -EBADMSG;
		else if (sps.sets[i].data[3] > level)
			level = sps.sets[i].data[3];
	}
	if (r < 0)
		return r;
	put_u8(ret, 1);
	buf_add(ret, sps.sets[0].data + 1, 2); /* profile, its constraints */
	put_u8(ret, level);                    /* none of them may need more */
	put_u8(ret, 0xff);                     /* lengths have 4 bytes */
	put_u8(ret, 0xe0 | sps.n);
	put_sets(ret, &sps);
	put_u8(ret, pps.n);
	put_sets(ret, &pps);
	if (sps.sets[0].data[1] != PROFILE_BASELINE && sps.sets[0].data[1] != PROFILE_MAIN &&
	    sps.sets[0].data[1] != PROFILE_EXTENDED)
		r = put_format(ret, &sps.sets[0]);
	return r < 0 ? r : buf_error(ret);
}
