/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sample of H.264 says about itself; and any bytes at all without a step outside. */
#include "../../src/media/mp4/nal.h"

#include "check.h"

#define UNIT(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

/* Slice headers begin with first_mb (ue 0: 1) and slice_type (ue: 0 P 1, 2 I 011, 7 I 0001000). */
static const struct {
	const char *what;
	const uint8_t *data;
	size_t len;
	unsigned int length_bytes;
	struct nal_picture want;
} rows[] = {
	{"IDR", UNIT(0, 0, 0, 3, 0x65, 0x88, 0x80), 4, {true, true, true, -1, 0}},
	{"I", UNIT(0, 0, 0, 3, 0x41, 0xb0, 0x80), 4, {true, false, true, -1, 0}},
	{"I by the other number", UNIT(0, 0, 0, 3, 0x41, 0x88, 0x80), 4, {true, false, true, -1, 0}},
	{"P", UNIT(0, 0, 0, 3, 0x41, 0xe0, 0x80), 4, {true, false, false, -1, 0}},
	{"delimiter, then IDR, two bytes of length",
	 UNIT(0, 2, 0x09, 0x10, 0, 3, 0x65, 0x88, 0x80),
	 2,
	 {true, true, true, -1, 0}},
	{"recovery at once",
	 UNIT(0, 0, 0, 5, 0x06, 6, 1, 0xc4, 0x80, 0, 0, 0, 3, 0x41, 0xb0, 0x80),
	 4,
	 {true, false, true, 0, 0}},
	{"recovery after 5 frames",
	 UNIT(0, 0, 0, 5, 0x06, 6, 1, 0x34, 0x80, 0, 0, 0, 3, 0x41, 0xe0, 0x80),
	 4,
	 {true, false, false, 5, 0}},
	{"another message first, with a byte that hides a start code",
	 UNIT(0, 0, 0, 13, 0x06, 5, 5, 0, 0, 3, 1, 2, 3, 6, 1, 0xc4, 0x80, 0, 0, 0, 3, 0x41, 0xb0,
	      0x80),
	 4,
	 {true, false, true, 0, 0}},
	{"sets 1 and 3, then IDR",
	 UNIT(0, 0, 0, 5, 0x67, 100, 0, 31, 0x40, 0, 0, 0, 2, 0x68, 0x20, 0, 0, 0, 3, 0x65, 0x88, 0x80),
	 4,
	 {true, true, true, -1, 1u << 1 | 1u << 3}},
	{"no slice", UNIT(0, 0, 0, 2, 0x09, 0x10), 4, {false, false, false, -1, 0}},
	{"a length beyond the end",
	 UNIT(0xff, 0xff, 0xff, 0xff, 0x65, 0x88, 0x80),
	 4,
	 {true, true, true, -1, 0}},
	{"nothing", UNIT(0), 4, {false, false, false, -1, 0}},
};

static void test_random(void)
{
	uint64_t state = 1;
	size_t n_slices = 0;

	for (int round = 0; round < 100000; round++) {
		uint8_t *data;
		struct nal_picture picture;
		size_t len;

		state = state * 6364136223846793005u + 1442695040888963407u;
		len = (size_t)(state >> 40) % 60;
		data = malloc(len + !len); /* of its very length, for the sanitizers */
		REQUIRE(data);
		for (size_t i = 0; i < len; i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			data[i] = (uint8_t)(state >> (state >> 63 ? 56 : 61));
		}
		nal_read_picture(data, len, 1 + (unsigned int)round % 4, &picture);
		n_slices += picture.has_slice;
		free(data);
	}
	CHECK(n_slices > 1000);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nal_picture got;
		int before = check_failures;

		nal_read_picture(rows[i].data, rows[i].len, rows[i].length_bytes, &got);
		CHECK_INT(got.has_slice, rows[i].want.has_slice);
		CHECK_INT(got.is_idr, rows[i].want.is_idr);
		CHECK_INT(got.is_intra, rows[i].want.is_intra);
		CHECK_INT(got.recovery_frames, rows[i].want.recovery_frames);
		CHECK_INT(got.set_ids, rows[i].want.set_ids);
		if (check_failures != before)
			fprintf(stderr, "row: %s\n", rows[i].what);
	}
	test_random();
	return check_result();
}
