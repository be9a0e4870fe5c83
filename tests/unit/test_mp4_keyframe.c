/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the first bytes of a sample say in each codec; entries made from other containers' words. */
#include "../../src/media/mp4/keyframe.h"

#include "../../src/media/mp4/bytes.h"
#include "../../src/media/mp4/entry.h"
#include "check.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static const struct {
	const char *what;
	const char *codec;
	const uint8_t *data;
	size_t len;
	bool has_slice, is_key;
} rows[] = {
	{"CRA", "hevc", BYTES(0, 0, 0, 3, 21 << 1, 1, 0x80), true, true},
	{"IDR behind a parameter set", "hevc",
	 BYTES(0, 0, 0, 2, 33 << 1, 1, 0, 0, 0, 3, 19 << 1, 1, 0x80), true, true},
	{"trailing picture", "hevc", BYTES(0, 0, 0, 3, 1 << 1, 1, 0x80), true, false},
	{"AV1 key frame behind delimiter and sequence header", "av1",
	 BYTES(0x12, 0, 0x0a, 1, 0, 0x32, 2, 0x10, 0), true, true},
	{"AV1 inter frame", "av1", BYTES(0x12, 0, 0x32, 2, 0x30, 0), true, false},
	{"AV1 key frame that is not shown yet", "av1", BYTES(0x32, 2, 0x00, 0), true, false},
	{"AV1, a size beyond the end", "av1", BYTES(0x12, 0xff, 0xff, 0x7f, 0x32), false, false},
	{"VP9 key frame", "vp9", BYTES(0x82, 0x49, 0x83, 0x42), true, true},
	{"VP9 inter frame", "vp9", BYTES(0x86, 0), true, false},
	{"VP9 key frame of profile 2", "vp9", BYTES(0x92, 0x49), true, true},
	{"VP9 shown again", "vp9", BYTES(0x8a, 0), true, false},
	{"no VP9", "vp9", BYTES(0x02), false, false},
	{"I-VOP", "mpeg4", BYTES(0, 0, 1, 0xb3, 0, 0, 0, 1, 0xb6, 0x10, 0, 0), true, true},
	{"P-VOP", "mpeg4", BYTES(0, 0, 1, 0xb6, 0x50, 0, 0), true, false},
	{"I picture", "mpeg2video", BYTES(0, 0, 1, 0, 0, 0x0f, 0, 0), true, true},
	{"B picture", "mpeg2video", BYTES(0, 0, 1, 0, 0, 0x1f, 0, 0), true, false},
	{"unknown codec", "prores", BYTES(0, 0, 1, 0, 0, 0x0f, 0, 0), false, false},
};

static void test_rows(void)
{
	uint8_t marked[18] = "\0\0\1\262DivX503b1393p";

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		struct nal_picture picture;

		keyframe_read(rows[i].codec, rows[i].data, rows[i].len, 4, &picture);
		if (picture.has_slice != rows[i].has_slice || picture.is_intra != rows[i].is_key)
			fprintf(stderr, "row: %s\n", rows[i].what);
		CHECK_INT(picture.has_slice, rows[i].has_slice);
		CHECK_INT(picture.is_intra, rows[i].is_key);
		CHECK_INT(picture.is_idr, rows[i].is_key);
	}
	CHECK_INT(keyframe_is_packed_mpeg4((const uint8_t *)"\0\0\1\262DivX503b1393p", 18), true);
	CHECK_INT(keyframe_is_packed_mpeg4((const uint8_t *)"\0\0\1\262DivX503b1393", 17), false);
	keyframe_unmark_packed_mpeg4(marked, sizeof(marked));
	CHECK_INT(keyframe_is_packed_mpeg4(marked, sizeof(marked)), false);
	CHECK_INT(memcmp(marked, "\0\0\1\262DivX503b1393\0", sizeof(marked)), 0);
}

static void test_random(void)
{
	static const char *const codecs[] = {"hevc", "av1", "vp9", "mpeg4", "mpeg2video"};
	uint64_t state = 1;

	for (int round = 0; round < 100000; round++) {
		struct nal_picture picture;
		uint8_t *data;
		size_t len;

		state = state * 6364136223846793005u + 1442695040888963407u;
		len = (size_t)(state >> 40) % 40;
		data = malloc(len + !len); /* of its very length, for the sanitizers */
		REQUIRE(data);
		for (size_t i = 0; i < len; i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			data[i] = (uint8_t)(state >> (state >> 62 ? 40 : 61));
		}
		keyframe_read(codecs[round % 5], data, len, 4, &picture);
		keyframe_is_packed_mpeg4(data, len);
		free(data);
	}
}

/* The entry as the reader would find it in a file. */
static void read_back(const char *handler, const struct buf *stsd, struct entry_info *ret)
{
	const uint8_t *entry = (const uint8_t *)stsd->data + 4;
	struct mp4_track track = {.handler = get_be32((const uint8_t *)handler),
				  .entry = entry,
				  .entry_len = stsd->len - 4,
				  .codec = get_be32(entry + 4)};

	CHECK_INT(get_be32((const uint8_t *)stsd->data), 1);
	CHECK_INT(get_be32(entry), stsd->len - 4);
	entry_read_info(&track, ret);
}

static void test_built_entries(void)
{
	static const uint8_t hvcc[23] = {1, [21] = 3}, av1c[4] = {0x81},
			     esds[5] = {0, 0, 1, 0xb0, 1};
	static const uint8_t opus[19] = "OpusHead\1\2\70\1\200\273\0\0\0\0", info[34] = {16};
	static const uint8_t ac3[8] = {0x0b, 0x77, 0, 0, 0x14, 0x40, 0x43, 0xe1};
	static const uint8_t eac3[8] = {0x0b, 0x77, 0, 3, 0x34, 0x80, 0, 0};
	static const struct {
		const char *codec;
		bool is_video;
		const uint8_t *config;
		size_t len;
		const uint8_t *packet;
		size_t packet_len;
	} made[] = {
		{"hevc", true, hvcc, sizeof(hvcc), NULL, 0},
		{"av1", true, av1c, sizeof(av1c), NULL, 0},
		{"mpeg4", true, esds, sizeof(esds), NULL, 0},
		{"mpeg2video", true, NULL, 0, NULL, 0},
		{"opus", false, opus, sizeof(opus), NULL, 0},
		{"flac", false, info, sizeof(info), NULL, 0},
		{"mp3", false, NULL, 0, NULL, 0},
		{"ac3", false, NULL, 0, ac3, sizeof(ac3)},
		{"eac3", false, NULL, 0, eac3, sizeof(eac3)},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(made); i++) {
		struct entry_avc video = {
			.width = 16, .height = 16, .avcc = made[i].config, .avcc_len = made[i].len};
		struct entry_aac sound = {.channels = 2,
					  .rate = 48000,
					  .config = made[i].config,
					  .config_len = made[i].len};
		auto_buf struct buf stsd = BUF_EMPTY;
		struct entry_info info_read;
		int r = made[i].is_video ? entry_build_video(made[i].codec, &video, &stsd)
					 : entry_build_sound(made[i].codec, &sound, made[i].packet,
							     made[i].packet_len, &stsd);

		CHECK_INT(r, 0);
		read_back(made[i].is_video ? "vide" : "soun", &stsd, &info_read);
		CHECK_STR(info_read.codec, made[i].codec);
		CHECK_INT(info_read.is_copyable, true);
	}
}

static void test_refused_entries(void)
{
	static const uint8_t av1c[4] = {0x01}; /* no version */
	struct entry_avc video = {.width = 16, .height = 16, .avcc = av1c, .avcc_len = 4};
	struct entry_aac sound = {.channels = 2, .rate = 48000};
	auto_buf struct buf stsd = BUF_EMPTY;

	CHECK_INT(entry_build_video("av1", &video, &stsd), -EINVAL);
	CHECK_INT(entry_build_video("vp8", &video, &stsd), -EINVAL);
	CHECK_INT(entry_build_sound("vorbis", &sound, NULL, 0, &stsd), -EINVAL);
	CHECK_INT(entry_build_sound("ac3", &sound, NULL, 0, &stsd), -EINVAL);
	CHECK_INT(entry_build_sound("opus", &sound, NULL, 0, &stsd), -EINVAL);
	CHECK_INT(stsd.len, 0);
}

int main(void)
{
	test_rows();
	test_random();
	test_built_entries();
	test_refused_entries();
	return check_result();
}
