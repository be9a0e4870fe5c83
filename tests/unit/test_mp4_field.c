/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which pictures of H.264 are fields, and which of them belong to the frame before. */
#include "../../src/media/mp4/field.h"

#include "check.h"
#include "storyclip/common/macros.h"

/* Sets as tests/tools/make_paff.py writes them, in avcC: Main, frame numbers of 4 bits. */
static const uint8_t avcc[] = {1, 77, 0, 21, 0xff, 0xe1, 0, 9, 0x67, 77, 0, 21,
			       /* id 0; 0; order 0, 4; 2 references, no gaps; 2 x 1; fields, … */
			       0xe5, 0x32, 0x49, 0x50, 0, 1, 0, 3, 0x68, 0xce, 0x80};

static void put_bits(uint8_t *data, const char *bits)
{
	for (size_t i = 0; bits[i]; i++)
		if (bits[i] == '1')
			data[i / 8] |= (uint8_t)(0x80 >> (i % 8));
}

/* A sequence's set from its bits behind the level. */
static void read_form(unsigned int profile, const char *bits, struct field_form *ret)
{
	uint8_t config[8 + 4 + 64 + 4] = {1, 77, 0, 21, 0xff, 0xe1, 0, 68, 0x67};

	config[9] = (uint8_t)profile;
	put_bits(config + 12, bits);
	field_form_read(config, sizeof(config), ret);
}

static void test_form(void)
{
	static const struct {
		unsigned int profile;
		const char *bits;
		bool is_possible, has_planes;
		unsigned int frame_num_bits;
	} rows[] = {
		/* id, frame_num_bits - 4, order 0 and its bits, references, gaps, size, only frames */
		{77, "1" "1" "1" "1" "011" "0" "010" "1" "0", true, false, 4},
		{77, "1" "1" "1" "1" "011" "0" "010" "1" "1", false, false, 4},
		{77, "1" "00101" "011" "1" "0" "010" "1" "0", true, false, 8},
		/* order 1, with two steps */
		{77, "1" "1" "010" "0" "1" "1" "011" "1" "1" "011" "0" "010" "1" "0", true, false, 4},
		/* chroma, depths, bypass, matrices: none; then 4:4:4 in planes with one short list */
		{100, "1" "010" "1" "1" "0" "0" "1" "1" "1" "011" "0" "010" "1" "0", true, false, 4},
		{244, "1" "00100" "1" "1" "1" "0" "1" "1" "000010001" "00000000000" "010" "1" "1"
		      "011" "0" "010" "1" "0", true, true, 5},
		{77, "1" "000001110" "1", false, false, 0}, /* more bits than there may be */
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		struct field_form form;
		int before = check_failures;

		read_form(rows[i].profile, rows[i].bits, &form);
		CHECK_INT(form.is_possible, rows[i].is_possible);
		CHECK_INT(form.has_planes, rows[i].has_planes);
		CHECK_INT(form.frame_num_bits, rows[i].frame_num_bits);
		if (check_failures != before)
			fprintf(stderr, "row %zu\n", i);
	}
	for (size_t len = 0; len < sizeof(avcc); len++) {
		struct field_form form;

		field_form_read(avcc, len, &form); /* cut off anywhere: nothing beyond is read */
	}
}

static void test_read(void)
{
	const struct field_form form = {.is_possible = true, .frame_num_bits = 4}, none = {0};
	/* first macroblock 0, type 5, set 0, number 3, then whether a field, and which */
	static const struct {
		const char *bits;
		enum field field;
	} rows[] = {
		{"1" "00110" "1" "0011" "0", FIELD_NONE},
		{"1" "00110" "1" "0011" "10", FIELD_TOP},
		{"1" "00110" "1" "0011" "11", FIELD_BOTTOM},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		/* what stands before a picture, with a length of one byte; then the slice */
		uint8_t sample[16] = {2, 9, 0xf0, 12, 0x41};

		put_bits(sample + 5, rows[i].bits);
		CHECK_INT(field_read(&form, sample, sizeof(sample), 1), rows[i].field);
		CHECK_INT(field_read(&none, sample, sizeof(sample), 1), FIELD_NONE);
		CHECK_INT(field_read(&form, sample, 3, 1), FIELD_NONE);
		CHECK_INT(field_read(&form, sample, 6, 1), FIELD_NONE);
	}
}

static void test_pairs(void)
{
	static const enum field fields[] = {FIELD_BOTTOM, FIELD_TOP,    FIELD_BOTTOM, FIELD_NONE,
					    FIELD_TOP,    FIELD_TOP,    FIELD_BOTTOM, FIELD_TOP};
	static const bool second[] = {false, true, false, false, false, false, true, false};
	enum field open = FIELD_NONE;

	for (size_t i = 0; i < SC_ARRAY_SIZE(fields); i++)
		CHECK_INT(field_is_second(&open, fields[i]), second[i]);
}

int main(void)
{
	test_form();
	test_read();
	test_pairs();
	return check_result();
}
