/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A second pair of parameter sets in avcC: ids, sizes, and nothing else changed. */
#include "../../src/media/mp4/avcc.h"

#include <errno.h>
#include <string.h>

#include "../../src/media/mp4/bytes.h"
#include "../../src/media/mp4/entry.h"
#include "check.h"

/* Units whose ids are the Exp-Golomb numbers that follow their fixed bytes. */
#define SPS(id_byte) 0x67, 100, 0, 31, id_byte, 0xaa
#define PPS(id_byte) 0x68, id_byte, 0xbb
#define ID_0         0x80
#define ID_1         0x40
#define ID_2         0x60
#define ID_30        0x07, 0xc0
/* Behind the sets: what avcC of profile High says of the format. */
#define TAIL 0xfd, 0xf8, 0xf8, 0

static void build(const uint8_t *avcc, size_t len, struct buf *ret)
{
	const struct entry_avc entry = {.width = 64,
					.height = 48,
					.pixel_width = 4,
					.pixel_height = 3,
					.avcc = avcc,
					.avcc_len = len,
					.primaries = 1,
					.transfer = 1,
					.matrix = 1};

	REQUIRE(entry_build_avc(&entry, ret) == 0);
}

static const struct {
	const char *what;
	uint8_t avcc[48];
	size_t len;
	int result;
	unsigned int length_bytes, free_id;
} rows[] = {
	{"one pair",
	 {1, 100, 0, 31, 0xff, 0xe1, 0, 6, SPS(ID_0), 1, 0, 3, PPS(ID_0), TAIL},
	 24,
	 0,
	 4,
	 1},
	{"id 1 is a sequence's",
	 {1, 100, 0, 31, 0xfd, 0xe1, 0, 6, SPS(ID_1), 1, 0, 3, PPS(ID_0)},
	 20,
	 0,
	 2,
	 2},
	{"id 1 is a picture's",
	 {1, 66, 0, 31, 0xff, 0xe1, 0, 6, SPS(ID_0), 2, 0, 3, PPS(ID_0), 0, 3, PPS(ID_1)},
	 25,
	 0,
	 4,
	 2},
	{"two pairs",
	 {1, 66, 0, 31, 0xff, 0xe2, 0, 6, SPS(ID_0), 0, 6, SPS(ID_1), 1, 0, 3, PPS(ID_2)},
	 28,
	 0,
	 4,
	 3},
	{"a large id",
	 {1, 66, 0, 31, 0xff, 0xe1, 0, 7, 0x67, 66, 0, 31, ID_30, 0xaa, 1, 0, 3, PPS(ID_0)},
	 21,
	 0,
	 4,
	 1},
	{"without sets, as avc3", {1, 66, 0, 31, 0xff, 0xe0, 0}, 7, 0, 4, 1},
	{"lengths of three bytes", {1, 66, 0, 31, 0xfe, 0xe0, 0}, 7, -EBADMSG, 0, 0},
	{"cut off", {1, 66, 0, 31, 0xff, 0xe1, 0, 60, SPS(ID_0)}, 14, -EBADMSG, 0, 0},
	{"no picture's set", {1, 66, 0, 31, 0xff, 0xe1, 0, 6, SPS(ID_0)}, 14, -EBADMSG, 0, 0},
};

static void test_read(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_buf struct buf stsd = BUF_EMPTY;
		struct avcc_info info = {0};
		int r, before = check_failures;

		build(rows[i].avcc, rows[i].len, &stsd);
		r = avcc_read((const uint8_t *)stsd.data, stsd.len, 0, &info);
		CHECK_INT(r, rows[i].result);
		if (rows[i].result == 0) {
			CHECK_INT(info.length_bytes, rows[i].length_bytes);
			CHECK_INT(info.free_id, rows[i].free_id);
		}
		if (check_failures != before)
			fprintf(stderr, "row: %s\n", rows[i].what);
	}
}

static void test_add(void)
{
	static const uint8_t sps[] = {SPS(ID_1)}, pps[] = {PPS(ID_1)};
	static const uint8_t want[] = {1, 100,       0, 31, 0xff, 0xe2,      0, 6, SPS(ID_0), 0,
				       6, SPS(ID_1), 2, 0,  3,    PPS(ID_0), 0, 3, PPS(ID_1), TAIL};
	const struct avcc_sets sets = {sps, pps, sizeof(sps), sizeof(pps)};
	auto_buf struct buf stsd = BUF_EMPTY, wanted = BUF_EMPTY, got = BUF_EMPTY;
	struct avcc_info info;

	build(rows[0].avcc, rows[0].len, &stsd);
	build(want, sizeof(want), &wanted);
	CHECK_INT(avcc_add((const uint8_t *)stsd.data, stsd.len, &sets, &got), 0);
	/* The very entry that would have been built with both. */
	REQUIRE(got.len == wanted.len);
	CHECK(!memcmp(got.data, wanted.data, got.len));
	CHECK_INT(avcc_read((const uint8_t *)got.data, got.len, 0, &info), 0);
	CHECK_INT(info.free_id, 2);
}

/* Only the profile that knows such pictures has the flag, behind numbers of any length. */
static void test_lossless(void)
{
	static const struct {
		uint8_t sps[6]; /* profile, constraints, level, then id, chroma, depths, the flag */
		bool is_lossless;
	} sets[] = {
		{{244, 0, 31, 0xb7, 0x80}, true},  /* 1 011 011 1 1 */
		{{244, 0, 31, 0xac, 0x80}, false}, /* 1 010 1 1 0 */
		{{244, 0, 31, 0x91, 0xc0}, true},  /* 1 00100 0 1 1 1: a plane for each colour */
		{{244, 0, 31, 0x91, 0x80}, false}, /* 1 00100 0 1 1 0 */
		{{244, 0, 31, 0x4b, 0x80}, true},  /* 010 010 1 1 1 */
		{{100, 0, 31, 0xb7, 0x80}, false},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(sets); i++) {
		uint8_t avcc[] = {1, 244, 0, 31, 0xff, 0xe1, 0, 7, 0x67,     0,
				  0, 0,   0, 0,  0,    1,    0, 3, PPS(ID_0)};
		auto_buf struct buf stsd = BUF_EMPTY;
		struct avcc_info info = {0};

		memcpy(avcc + 9, sets[i].sps, sizeof(sets[i].sps));
		build(avcc, sizeof(avcc), &stsd);
		CHECK_INT(avcc_read((const uint8_t *)stsd.data, stsd.len, 0, &info), 0);
		CHECK_INT(info.may_be_lossless, sets[i].is_lossless);
		/* Some that come with the pictures. */
		CHECK_INT(avcc_read((const uint8_t *)stsd.data, stsd.len, 7u << 1, &info), 0);
		CHECK_INT(info.free_id, 4);
	}
}

/* All sets of a stream, each once, and what the first says of the picture. */
static void test_build(void)
{
	static const uint8_t high10[] = {0x67, 110, 0x10, 30, 0xa6, 0xdc}; /* 1 010 011 011 */
	static const uint8_t high422[] = {0x67, 122, 0, 41, 0xb2, 0xc0};   /* 1 011 00101 1 */
	static const uint8_t high444[] = {0x67, 244, 0, 31, 0x91, 0xc0};   /* 1 00100 0 1 1 */
	static const uint8_t main_[] = {0x67, 77, 0x40, 31, 0x80};
	static const uint8_t cut_off[] = {0x67, 100, 0, 31, 0xa0};
	static const uint8_t pps[] = {PPS(ID_0)}, pps1[] = {PPS(ID_1)}, sei[] = {6, 1, 2};
#define UNIT(of)               \
	{                      \
		of, sizeof(of) \
	}
	static const struct {
		struct nal_unit units[6];
		uint8_t avcc[64];
		size_t len;
		int result;
	} built[] = {
		{{UNIT(high10), UNIT(pps)},
		 {1,  110,  16,   30, 0xff, 0xe1, 0,         6,    0x67, 110,  16,
		  30, 0xa6, 0xdc, 1,  0,    3,    PPS(ID_0), 0xfd, 0xfa, 0xfa, 0},
		 24,
		 0},
		/* two sequences, of which the second has the higher level; sets that come twice */
		{{UNIT(main_), UNIT(sei), UNIT(pps), UNIT(high422), UNIT(pps1), UNIT(pps)},
		 {1, 77,   64,  41, 0xff, 0xe2, 0,    5, 0x67, 77, 64,        31, 0x80, 0,
		  6, 0x67, 122, 0,  41,   0xb2, 0xc0, 2, 0,    3,  PPS(ID_0), 0,  3,    PPS(ID_1)},
		 32,
		 0},
		{{UNIT(high422), UNIT(pps), UNIT(high422)},
		 {1,  122,  0,    41, 0xff, 0xe1, 0,         6,    0x67, 122,  0,
		  41, 0xb2, 0xc0, 1,  0,    3,    PPS(ID_0), 0xfe, 0xfc, 0xf8, 0},
		 24,
		 0},
		{{UNIT(high444), UNIT(pps)},
		 {1,  244,  0,    31, 0xff, 0xe1, 0,         6,    0x67, 244,  0,
		  31, 0x91, 0xc0, 1,  0,    3,    PPS(ID_0), 0xff, 0xf8, 0xf8, 0},
		 24,
		 0},
		{{UNIT(cut_off), UNIT(pps)}, {0}, 0, -EBADMSG},
		{{UNIT(high10)}, {0}, 0, -EBADMSG},
		{{UNIT(pps)}, {0}, 0, -EBADMSG},
		{{{high10, 4}, UNIT(pps)}, {0}, 0, -EBADMSG},
	};
	struct nal_unit many[AVCC_SPS_MAX + 2] = {0};
	uint8_t bytes[AVCC_SPS_MAX + 1][sizeof(main_)];
	auto_buf struct buf out = BUF_EMPTY;

	for (size_t i = 0; i < SC_ARRAY_SIZE(built); i++) {
		auto_buf struct buf got = BUF_EMPTY;

		CHECK_INT(avcc_build(built[i].units, 6, &got), built[i].result);
		if (built[i].result == 0) {
			CHECK_INT(got.len, built[i].len);
			CHECK(got.len == built[i].len && !memcmp(got.data, built[i].avcc, got.len));
		}
	}
	/* As many as avcC can count, and one more. */
	many[0] = (struct nal_unit)UNIT(pps);
	for (size_t i = 0; i <= AVCC_SPS_MAX; i++) {
		memcpy(bytes[i], main_, sizeof(main_));
		bytes[i][2] = (uint8_t)i;
		many[i + 1] = (struct nal_unit)UNIT(bytes[i]);
	}
	CHECK_INT(avcc_build(many, AVCC_SPS_MAX + 1, &out), 0);
	CHECK_INT((uint8_t)out.data[5], 0xff);
	CHECK_INT(avcc_build(many, AVCC_SPS_MAX + 2, &out), -EBADMSG);
#undef UNIT
}

/* Every id is taken; and bytes that are anything. */
static void test_hostile(void)
{
	auto_buf struct buf stsd = BUF_EMPTY;
	uint8_t avcc[6 + 31 * 8 + 1 + 3 * 6], *p = avcc;
	struct avcc_info info;
	uint64_t state = 1;

	memcpy(p, (const uint8_t[]){1, 66, 0, 31, 0xff, 0xff}, 6);
	p += 6;
	for (unsigned int id = 1; id <= 31; id++) {
		unsigned int bits = 0;

		while ((id + 1) >> (bits + 1))
			bits++;
		memcpy(p, (const uint8_t[]){0, 6, 0x67, 66, 0, 31}, 6);
		p[6] = (uint8_t)((id + 1) << (15 - 2 * bits) >> 8);
		p[7] = (uint8_t)((id + 1) << (15 - 2 * bits));
		p += 8;
	}
	*p++ = 0;
	build(avcc, (size_t)(p - avcc), &stsd);
	CHECK_INT(avcc_read((const uint8_t *)stsd.data, stsd.len, 0, &info), -ENOSPC);
	for (int round = 0; round < 200000; round++) {
		uint8_t bytes[200];
		auto_buf struct buf out = BUF_EMPTY;
		const struct avcc_sets sets = {rows[0].avcc, rows[0].avcc, 4, 4};
		size_t len = stsd.len < sizeof(bytes) ? stsd.len : sizeof(bytes);

		memcpy(bytes, stsd.data, len);
		for (int i = 0; i < 3; i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			bytes[(state >> 33) % len] = (uint8_t)(state >> 24);
		}
		len = (state >> 50) % 4 ? len : (state >> 40) % len;
		if (avcc_read(bytes, len, 0, &info) == 0)
			CHECK(info.free_id > 0 && info.free_id < 32);
		avcc_add(bytes, len, &sets, &out);
	}
}

int main(void)
{
	test_read();
	test_add();
	test_lossless();
	test_build();
	test_hostile();
	return check_result();
}
