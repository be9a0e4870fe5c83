/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A second encoder's parameter sets in hvcC, and units with other ids: against bits taken one by
 * one. */
#include "../../src/media/mp4/hvcc.h"

#include <errno.h>
#include <string.h>

#include "../../src/media/mp4/bytes.h"
#include "../../src/media/mp4/entry.h"
#include "check.h"

/* Main at level 3.1 */
#define PROFILE 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93
/* The same in a set, where two of three zeros are followed by a 3 */
#define PROFILE_IN_SET 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 93
/* hvcC up to its arrays: segmentation and parallelism, 4:2:0, 8 bits, rate, lengths of 4 bytes */
#define HVCC(n_arrays) 1, PROFILE, 0xf0, 7, 0xfe, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, n_arrays

#define VPS(first) 0x40, 1, first, 0x0c
#define SPS(id)    0x42, 1, 0x01, PROFILE_IN_SET, id, 0xaa
#define PPS(id)    0x44, 1, id, 0xbb
#define VPS_LEN    4
#define SPS_LEN    20
#define PPS_LEN    4
#define ID_0       0x80
#define ID_1       0x40
#define ID_15      0x08, 0x40
#define ID_30      0x0f, 0x80

static void build(const uint8_t *hvcc, size_t len, struct buf *ret)
{
	const struct entry_avc entry = {.width = 64,
					.height = 48,
					.pixel_width = 4,
					.pixel_height = 3,
					.avcc = hvcc,
					.avcc_len = len};

	REQUIRE(entry_build_video("hevc", &entry, ret) == 0);
}

static const struct {
	const char *what;
	uint8_t hvcc[160];
	size_t len;
	int result;
	unsigned int length_bytes, vps_id, sps_id, pps_id;
} rows[] = {
	{"one of each",
	 {HVCC(3), 0xa0, 0, 1, 0, VPS_LEN, VPS(0x0c), 0xa1, 0, 1, 0, SPS_LEN, SPS(ID_0), 0xa2, 0, 1,
	  0, PPS_LEN, PPS(ID_0)},
	 23 + 3 * 5 + VPS_LEN + SPS_LEN + PPS_LEN,
	 0,
	 4,
	 15,
	 15,
	 30},
	{"the highest are taken",
	 {HVCC(3),        0xa0, 0,           1,         0, VPS_LEN,
	  VPS(0xfc),      0xa1, 0,           1,         0, SPS_LEN + 1,
	  SPS(ID_15 | 0), 0xa2, 0,           2,         0, PPS_LEN,
	  PPS(ID_0),      0,    PPS_LEN + 1, PPS(ID_30)},
	 23 + 3 * 5 + VPS_LEN + SPS_LEN + 1 + PPS_LEN + 2 + PPS_LEN + 1,
	 0,
	 4,
	 14,
	 14,
	 29},
	{"sets that come with the pictures", {HVCC(0)}, 23, 0, 4, 15, 15, 30},
	{"another unit beside", {HVCC(1), 39, 0, 1, 0, 3, 0x4e, 1, 5}, 23 + 8, 0, 4, 15, 15, 30},
	{"an empty unit", {HVCC(1), 0xa0, 0, 1, 0, 0}, 23 + 5, 0, 4, 15, 15, 30},
	{"cut off in a unit", {HVCC(1), 0xa0, 0, 1, 0, 9, VPS(0)}, 23 + 9, -EBADMSG, 0, 0, 0, 0},
	{"cut off in an array",
	 {HVCC(2), 0xa0, 0, 1, 0, VPS_LEN, VPS(0)},
	 23 + 9,
	 -EBADMSG,
	 0,
	 0,
	 0,
	 0},
	{"a set without an id",
	 {HVCC(1), 0xa1, 0, 1, 0, 4, 0x42, 1, 1, 1},
	 23 + 9,
	 -EBADMSG,
	 0,
	 0,
	 0,
	 0},
};

static void test_read(void)
{
	static const uint8_t profile[] = {PROFILE};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_buf struct buf stsd = BUF_EMPTY;
		struct hvcc_info info = {0};
		int before = check_failures;

		build(rows[i].hvcc, rows[i].len, &stsd);
		CHECK_INT(hvcc_read((const uint8_t *)stsd.data, stsd.len, &info), rows[i].result);
		if (rows[i].result == 0) {
			CHECK_INT(info.length_bytes, rows[i].length_bytes);
			CHECK_INT(info.vps_id, rows[i].vps_id);
			CHECK_INT(info.sps_id, rows[i].sps_id);
			CHECK_INT(info.pps_id, rows[i].pps_id);
			CHECK(!info.is_layered);
			CHECK(!memcmp(info.profile, profile, sizeof(profile)));
		}
		if (check_failures != before)
			fprintf(stderr, "row: %s\n", rows[i].what);
	}
}

/* Temporal layers have profiles and levels of their own before the id. */
static void test_layers(void)
{
	static const struct {
		uint8_t flags[2];
		size_t bytes;
	} layers[] = {{{0x00, 0x00}, 0}, {{0x80, 0x00}, 11}, {{0x40, 0x00}, 1}, {{0xc0, 0x00}, 12}};

	for (size_t i = 0; i < SC_ARRAY_SIZE(layers); i++) {
		uint8_t hvcc[100] = {HVCC(1), 0xa1, 0, 1, 0, 0, 0x42, 1, 0x03};
		size_t at = 23 + 5 + 3;
		auto_buf struct buf stsd = BUF_EMPTY;
		struct hvcc_info info;

		memset(hvcc + at, 0x55, 12);
		memcpy(hvcc + at + 12, layers[i].flags, 2);
		memset(hvcc + at + 14, 0x55, layers[i].bytes);
		at += 14 + layers[i].bytes;
		memcpy(hvcc + at, (const uint8_t[]){ID_15, 0xaa}, 3);
		hvcc[27] = (uint8_t)(at + 3 - 28);
		build(hvcc, at + 3, &stsd);
		CHECK_INT(hvcc_read((const uint8_t *)stsd.data, stsd.len, &info), 0);
		CHECK_INT(info.sps_id, 14);
	}
}

static void test_layered(void)
{
	static const char *const more[] = {"lhvC", "dvcC", "dvvC", "dvwC"};

	for (size_t i = 0; i <= SC_ARRAY_SIZE(more); i++) {
		auto_buf struct buf stsd = BUF_EMPTY;
		struct hvcc_info info;

		build(rows[0].hvcc, rows[0].len, &stsd);
		if (i < SC_ARRAY_SIZE(more)) {
			box_end(&stsd, box_begin(&stsd, more[i]));
			set_be32((uint8_t *)stsd.data + 4, (uint32_t)stsd.len - 4);
		} else {
			memcpy(stsd.data + 8, "dvh1", 4);
		}
		CHECK_INT(hvcc_read((const uint8_t *)stsd.data, stsd.len, &info), 0);
		CHECK(info.is_layered);
	}
}

static void test_add(void)
{
	static const uint8_t vps[] = {VPS(0xfc)}, sps[] = {SPS(ID_1)}, pps[] = {PPS(ID_1)};
	static const uint8_t want[] = {
		1,    PROFILE, 0xf0, 0, 0xfc,    0xfd,      0xf8, 0xf8,    0,
		0,    0x0f,    3, /* nothing common is said */
		0xa0, 0,       2,    0, VPS_LEN, VPS(0x0c), 0,    VPS_LEN, VPS(0xfc),
		0xa1, 0,       2,    0, SPS_LEN, SPS(ID_0), 0,    SPS_LEN, SPS(ID_1),
		0xa2, 0,       2,    0, PPS_LEN, PPS(ID_0), 0,    PPS_LEN, PPS(ID_1)};
	static const uint8_t alone[] = {
		1,       PROFILE,   0xf0, 0, 0xfc,    0xfd,      0xf8,    0xf8,     0, 0,
		0x0f,    4,         39,   0, 1,       0,         3,       0x4e,     1, 5,
		0x20,    0,         1,    0, VPS_LEN, VPS(0xfc), 0x21,    0,        1, 0,
		SPS_LEN, SPS(ID_1), 0x22, 0, 1,       0,         PPS_LEN, PPS(ID_1)};
	const struct hvcc_sets sets = {{vps, sizeof(vps)}, {sps, sizeof(sps)}, {pps, sizeof(pps)}};
	const struct {
		size_t row;
		const uint8_t *want;
		size_t len;
	} cases[] = {{0, want, sizeof(want)}, {3, alone, sizeof(alone)}};

	for (size_t i = 0; i < SC_ARRAY_SIZE(cases); i++) {
		auto_buf struct buf stsd = BUF_EMPTY, wanted = BUF_EMPTY, got = BUF_EMPTY;

		build(rows[cases[i].row].hvcc, rows[cases[i].row].len, &stsd);
		build(cases[i].want, cases[i].len, &wanted);
		CHECK_INT(hvcc_add((const uint8_t *)stsd.data, stsd.len, &sets, &got), 0);
		/* The very entry that would have been built with both. */
		REQUIRE(got.len == wanted.len);
		CHECK(!memcmp(got.data, wanted.data, got.len));
	}
}

/* ---- units, compared with a second way: as bits, one in each byte ---- */

static uint64_t state = 1;

static unsigned int random_below(unsigned int n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(state >> 33) % n;
}

struct bits {
	uint8_t bit[8 * 1200];
	size_t n;
};

static void add_bits(struct bits *b, uint32_t value, unsigned int n)
{
	while (n--)
		b->bit[b->n++] = value >> n & 1;
}

static void add_ue(struct bits *b, uint32_t value)
{
	unsigned int n = 0;

	while ((value + 1) >> (n + 1))
		n++;
	add_bits(b, 0, n);
	add_bits(b, value + 1, n + 1);
}

static void add_end(struct bits *b)
{
	add_bits(b, 1, 1);
	while (b->n % 8)
		add_bits(b, 0, 1);
}

/* Mostly zeros and small bytes, which start codes must be kept out of. */
static void add_random(struct bits *b, size_t n_bytes)
{
	while (n_bytes--)
		add_bits(b, random_below(3) ? random_below(4) : random_below(256), 8);
}

static void to_unit(const struct bits *b, unsigned int type, struct buf *ret)
{
	unsigned int zeros = 0;

	put_u8(ret, type << 1);
	put_u8(ret, 1);
	for (size_t i = 0; i < b->n; i += 8) {
		unsigned int byte = 0;

		for (size_t k = 0; k < 8; k++)
			byte = byte << 1 | b->bit[i + k];
		if (zeros == 2 && byte <= 3) {
			put_u8(ret, 3);
			zeros = 0;
		}
		put_u8(ret, byte);
		zeros = byte ? 0 : zeros + 1;
	}
	REQUIRE(buf_error(ret) == 0);
}

static const struct hvcc_info *random_info(void)
{
	static struct hvcc_info info;

	info.vps_id = 1 + random_below(15);
	info.sps_id = 1 + random_below(15);
	info.pps_id = 15 + random_below(16);
	for (size_t i = 0; i < HEVC_PROFILE_BYTES; i++)
		info.profile[i] = (uint8_t)(random_below(2) ? 0 : random_below(256));
	return &info;
}

static void add_profile(struct bits *b, const uint8_t *profile)
{
	for (size_t i = 0; i < HEVC_PROFILE_BYTES; i++)
		add_bits(b, profile[i], 8);
}

static void add_set(struct bits *b, unsigned int type, const uint8_t *profile, unsigned int vps,
		    unsigned int sps, unsigned int pps)
{
	if (type == HEVC_VPS) {
		add_bits(b, vps, 4);
		add_bits(b, 0xc01ffff, 28);
		add_profile(b, profile);
	} else if (type == HEVC_SPS) {
		add_bits(b, vps, 4);
		add_bits(b, 1, 4);
		add_profile(b, profile);
		add_ue(b, sps);
	} else {
		add_ue(b, pps);
		add_ue(b, sps);
	}
}

/* The rest is the same in both, from the same seed. */
static void add_rest(struct bits *b, uint64_t seed, size_t n_bytes, unsigned int n_bits)
{
	state = seed;
	add_random(b, n_bytes);
	add_bits(b, random_below(256), n_bits);
}

static void check_unit(const struct bits *in, const struct bits *out, unsigned int type,
		       const struct hvcc_info *info, const uint8_t *profile)
{
	auto_buf struct buf unit = BUF_EMPTY, want = BUF_EMPTY, got = BUF_EMPTY;
	uint8_t had[HEVC_PROFILE_BYTES] = {0};
	struct nal_unit given;
	uint8_t *bytes;

	to_unit(in, type, &unit);
	to_unit(out, type, &want);
	bytes = malloc(unit.len); /* of its very length, for the sanitizers */
	REQUIRE(bytes);
	memcpy(bytes, unit.data, unit.len);
	given = (struct nal_unit){bytes, unit.len};
	CHECK_INT(hevc_renumber(&given, info, had, &got), 0);
	free(bytes);
	CHECK_INT(got.len, want.len);
	CHECK(got.len == want.len && !memcmp(got.data, want.data, got.len));
	if (type == HEVC_SPS)
		CHECK(!memcmp(had, profile, sizeof(had)));
}

static void test_sets(void)
{
	for (int round = 0; round < 30000; round++) {
		unsigned int type = HEVC_VPS + (unsigned int)round % 3;
		const struct hvcc_info *info = random_info();
		uint8_t profile[HEVC_PROFILE_BYTES];
		struct bits in = {.n = 0}, out = {.n = 0};
		size_t n_bytes = random_below(24);
		unsigned int n_bits = random_below(8);
		uint64_t seed = state;

		for (size_t i = 0; i < sizeof(profile); i++)
			profile[i] = (uint8_t)(random_below(2) ? 0 : random_below(256));
		add_set(&in, type, profile, 0, 0, 0);
		add_set(&out, type, info->profile, info->vps_id, info->sps_id, info->pps_id);
		add_rest(&in, seed, n_bytes, n_bits);
		add_rest(&out, seed, n_bytes, n_bits);
		add_end(&in);
		add_end(&out);
		check_unit(&in, &out, type, info, profile);
	}
}

/* A header of any length, its end, then data in whole bytes, of which the last may be zero words.
 */
static void test_slices(void)
{
	static const unsigned int types[] = {0, 1, 9, 16, 19, 20, 21};

	for (int round = 0; round < 30000; round++) {
		unsigned int type = types[(size_t)round % SC_ARRAY_SIZE(types)];
		const struct hvcc_info *info = random_info();
		struct bits in = {.n = 0}, out = {.n = 0};
		size_t header = random_below(12), data = random_below(60);
		unsigned int n_bits = random_below(8), flags = random_below(4);
		uint64_t seed = state;

		for (int k = 0; k < 2; k++) {
			struct bits *b = k ? &out : &in;

			add_bits(b, flags, type >= 16 && type <= 23 ? 2 : 1);
			add_ue(b, k ? info->pps_id : 0);
			add_rest(b, seed, header, n_bits);
			add_end(b);
			add_random(b, data);
			add_bits(b, 0x80, 8);
		}
		check_unit(&in, &out, type, info, NULL);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *what;
		uint8_t unit[24];
		size_t len;
	} units[] = {
		{"nothing", {0x02, 1}, 2},
		{"a slice under another id", {0x02, 1, 0x92, 0x80}, 4},
		{"a keyframe under another id", {0x28, 1, 0x80, 0x80}, 4},
		{"a picture's set with an id", {PPS(ID_1)}, PPS_LEN},
		{"a picture's set of another sequence", {0x44, 1, 0xa0, 0xbb}, 4},
		{"a sequence's set with an id", {SPS(ID_1)}, SPS_LEN},
		{"temporal layers", {0x42, 1, 0x03, PROFILE_IN_SET, ID_0, 0xaa}, SPS_LEN},
		{"a short sequence's set", {0x42, 1, 0x01, 0x60}, 4},
		{"a short video's set", {VPS(0x0c)}, VPS_LEN},
		{"only zeros", {0x44, 1, 0, 0, 3}, 5},
	};
	struct hvcc_info info = {.vps_id = 15, .sps_id = 15, .pps_id = 30};
	auto_buf struct buf got = BUF_EMPTY;
	static const uint8_t sei[] = {0x4e, 1, 5, 0, 0, 3, 0}, end[] = {0x48, 1};

	for (size_t i = 0; i < SC_ARRAY_SIZE(units); i++) {
		const struct nal_unit unit = {units[i].unit, units[i].len};

		int r = hevc_renumber(&unit, &info, NULL, &got);

		CHECK_INT(r, -EBADMSG);
		if (r != -EBADMSG)
			fprintf(stderr, "unit: %s\n", units[i].what);
	}
	CHECK_INT(got.len, 0);
	CHECK_INT(hevc_renumber(&(struct nal_unit){sei, sizeof(sei)}, &info, NULL, &got), 0);
	CHECK(got.len == sizeof(sei) && !memcmp(got.data, sei, sizeof(sei)));
	CHECK_INT(hevc_renumber(&(struct nal_unit){end, sizeof(end)}, &info, NULL, &got), -EBADMSG);
}

static void test_profiles(void)
{
	static const struct {
		unsigned int source, encoder, constraints; /* the seventh byte */
		bool is_like;
	} pairs[] = {
		{1, 1, 0, true},     {2, 2, 0, true},     {2, 1, 0, true},    {1, 2, 0, false},
		{3, 1, 0, false},    {4, 4, 0x88, true},  {4, 2, 0x88, true}, {2, 4, 0, false},
		{4, 4, 0x20, false}, {2, 2, 0x10, false}, {9, 4, 0, false},   {0x41, 1, 0, false},
		{0x21, 1, 0, true}, /* the high tier */
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(pairs); i++) {
		uint8_t source[HEVC_PROFILE_BYTES] = {(uint8_t)pairs[i].source};
		uint8_t encoder[HEVC_PROFILE_BYTES] = {(uint8_t)pairs[i].encoder};

		source[6] = (uint8_t)pairs[i].constraints;
		CHECK_INT(hevc_is_profile_like(source, encoder), pairs[i].is_like);
	}
}

/* Every id is taken; and bytes that are anything. */
static void test_hostile(void)
{
	auto_buf struct buf stsd = BUF_EMPTY;
	uint8_t full[200] = {HVCC(1), 0xa0, 0, 15};
	size_t len = 26;
	struct hvcc_info info;

	for (unsigned int id = 1; id < 16; id++, len += 6)
		memcpy(full + len, (const uint8_t[]){0, 4, 0x40, 1, (uint8_t)(id << 4), 1}, 6);
	build(full, len, &stsd);
	CHECK_INT(hvcc_read((const uint8_t *)stsd.data, stsd.len, &info), -ENOSPC);
	buf_reset(&stsd);
	build(rows[1].hvcc, rows[1].len, &stsd);
	for (int round = 0; round < 200000; round++) {
		uint8_t bytes[260];
		auto_buf struct buf out = BUF_EMPTY;
		const struct nal_unit any = {rows[0].hvcc, 4};
		const struct hvcc_sets sets = {any, any, any};

		len = stsd.len < sizeof(bytes) ? stsd.len : sizeof(bytes);
		memcpy(bytes, stsd.data, len);
		for (int i = 0; i < 3; i++)
			bytes[random_below((unsigned int)len)] = (uint8_t)random_below(256);
		len = random_below(4) ? len : random_below((unsigned int)len);
		if (hvcc_read(bytes, len, &info) == 0)
			CHECK(info.vps_id > 0 && info.vps_id < 16 && info.sps_id > 0 &&
			      info.sps_id < 16 && info.pps_id >= 15 && info.pps_id <= 30);
		if (hvcc_add(bytes, len, &sets, &out) == 0)
			CHECK(out.len >= len + 3 * 6);
	}
}

int main(void)
{
	test_read();
	test_layers();
	test_layered();
	test_add();
	test_sets();
	test_slices();
	test_refused();
	test_profiles();
	test_hostile();
	return check_result();
}
