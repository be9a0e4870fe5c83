/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fields, by the one bit of a slice's header that tells of them and what stands before it. */
#include "field.h"

#include "bytes.h"
#include "hevc_bits.h"

#define TYPE_SLICE       1
#define TYPE_PARTITION_A 2
#define TYPE_IDR         5
#define FRAME_NUM_MAX    16

/* Profiles whose sets say more of the picture's form. */
static bool is_high(unsigned int profile)
{
	static const uint8_t high[] = {100, 110, 122, 244, 44,  83, 86,
				       118, 128, 138, 139, 134, 135};

	for (size_t i = 0; i < sizeof(high); i++)
		if (high[i] == profile)
			return true;
	return false;
}

/* A signed number has as many bits as an unsigned one. */
static int32_t get_se(struct hevc_bits *b)
{
	uint32_t value = hevc_bits_get_ue(b);

	return value & 1 ? (int32_t)(value / 2 + 1) : -(int32_t)(value / 2);
}

static void skip_scaling_list(struct hevc_bits *b, unsigned int size)
{
	int last = 8, next = 8;

	for (unsigned int i = 0; i < size && next; i++) {
		next = (last + get_se(b)) & 0xff;
		last = next ? next : last;
	}
}

static void skip_form(struct hevc_bits *b, struct field_form *form)
{
	uint32_t chroma = hevc_bits_get_ue(b);

	if (chroma == 3)
		form->has_planes = hevc_bit(b);
	hevc_bits_get_ue(b); /* depths */
	hevc_bits_get_ue(b);
	hevc_bit(b);
	if (!hevc_bit(b))
		return;
	for (unsigned int i = 0; i < (chroma == 3 ? 12u : 8u); i++)
		if (hevc_bit(b))
			skip_scaling_list(b, i < 6 ? 16 : 64);
}

static void skip_order(struct hevc_bits *b)
{
	uint32_t type = hevc_bits_get_ue(b), n;

	if (type == 0)
		hevc_bits_get_ue(b);
	if (type != 1)
		return;
	hevc_bit(b);
	hevc_bits_get_ue(b);
	hevc_bits_get_ue(b);
	n = hevc_bits_get_ue(b);
	for (uint32_t i = 0; i < n && i < 256; i++)
		hevc_bits_get_ue(b);
}

/* @return false: damaged */
static bool read_sequence(const uint8_t *sps, size_t len, struct field_form *ret)
{
	struct hevc_bits b;

	*ret = (struct field_form){0};
	if (len < 5)
		return false;
	hevc_bits_init(&b, sps + 4, len - 4);
	hevc_bits_get_ue(&b); /* id */
	if (is_high(sps[1]))
		skip_form(&b, ret);
	ret->frame_num_bits = hevc_bits_get_ue(&b) + 4;
	skip_order(&b);
	hevc_bits_get_ue(&b); /* references */
	hevc_bit(&b);
	hevc_bits_get_ue(&b); /* size */
	hevc_bits_get_ue(&b);
	ret->is_possible = !hevc_bit(&b);
	return !b.is_over && ret->frame_num_bits <= FRAME_NUM_MAX;
}

void field_form_read(const uint8_t *avcc, size_t len, struct field_form *ret)
{
	struct field_form first = {0}, other;
	size_t at = 6;

	*ret = (struct field_form){0};
	if (len < 7 || avcc[0] != 1)
		return;
	for (unsigned int i = 0; i < (avcc[5] & 31u); i++) {
		size_t size = len - at >= 2 ? get_be16(avcc + at) : len;

		if (len - at < 2 || size > len - at - 2 ||
		    !read_sequence(avcc + at + 2, size, i ? &other : &first))
			return;
		if (i && (other.is_possible != first.is_possible ||
			  other.has_planes != first.has_planes ||
			  other.frame_num_bits != first.frame_num_bits))
			return;
		at += 2 + size;
	}
	*ret = first;
}

static enum field read_slice(const struct field_form *form, const uint8_t *unit, size_t len)
{
	struct hevc_bits b;

	hevc_bits_init(&b, unit + 1, len - 1);
	hevc_bits_get_ue(&b); /* first macroblock */
	hevc_bits_get_ue(&b); /* type */
	hevc_bits_get_ue(&b); /* picture parameter set */
	if (form->has_planes)
		hevc_bits_skip(&b, 2);
	hevc_bits_skip(&b, form->frame_num_bits);
	if (!hevc_bit(&b) || b.is_over)
		return FIELD_NONE;
	return hevc_bit(&b) ? FIELD_BOTTOM : FIELD_TOP;
}

bool field_read_unit(const struct field_form *form, const uint8_t *unit, size_t len,
		     enum field *ret)
{
	unsigned int type = len ? unit[0] & 31 : 0;

	if (type != TYPE_SLICE && type != TYPE_PARTITION_A && type != TYPE_IDR)
		return false;
	*ret = form->is_possible ? read_slice(form, unit, len) : FIELD_NONE;
	return true;
}

enum field field_read(const struct field_form *form, const uint8_t *data, size_t len,
		      unsigned int length_bytes)
{
	enum field field = FIELD_NONE;

	while (form->is_possible && len > length_bytes) {
		uint32_t size = 0;

		for (unsigned int i = 0; i < length_bytes; i++)
			size = size << 8 | data[i];
		data += length_bytes;
		len -= length_bytes;
		size = size < len ? size : (uint32_t)len;
		if (field_read_unit(form, data, size, &field))
			break;
		data += size;
		len -= size;
	}
	return field;
}

bool field_is_second(enum field *open, enum field field)
{
	bool is_second = *open != FIELD_NONE && field != FIELD_NONE && field != *open;

	*open = is_second ? FIELD_NONE : field;
	return is_second;
}
