/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader on damaged files: a good file's index with random bytes, words and boxes altered, and
 * cut off at each length. It may refuse or find less, but never read outside what it was given
 * (the sanitizers say), and an index made of it holds only bytes inside the file.
 *
 *     test_mp4_damage [ROUNDS [SEED [FILE]]]
 */
#include "../../src/media/index/index.h"

#include <fcntl.h>

#include "../../src/media/mp4/bytes.h"
#include "../../src/media/mp4/entry.h"
#include "../../src/media/mp4/reader.h"
#include "../../src/media/mp4/writer.h"
#include "check.h"
#include "storyclip/common/file.h"

static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng_state >> 33) % below;
}

struct memory {
	const uint8_t *data;
	size_t len;
};

static ssize_t read_memory(void *context, void *data, size_t len, int64_t offset)
{
	const struct memory *m = context;

	if (offset < 0 || offset >= (int64_t)m->len)
		return 0;
	if (len > m->len - (size_t)offset)
		len = m->len - (size_t)offset;
	memcpy(data, m->data + offset, len);
	return (ssize_t)len;
}

static const struct media_listener deaf;
static size_t n_read, n_indexed, n_codes[SC_CODE_COUNT];

static size_t count_outside(const struct index_track *t, int64_t size_bytes)
{
	size_t outside = 0;

	for (size_t i = 0; i < t->n_samples; i++)
		outside += t->samples[i].offset < 0 ||
			   t->samples[i].offset > size_bytes - t->samples[i].size;
	return outside;
}

static size_t count_falling(const struct index_track *t)
{
	size_t falling = 0;

	for (size_t i = 1; i < t->n_samples; i++)
		falling += t->samples[i].dts <= t->samples[i - 1].dts;
	return falling;
}

static void check_index(const struct media_index *index, int64_t size_bytes)
{
	for (size_t k = 0; k < index->n_tracks; k++) {
		const struct index_track *t = &index->tracks[k];

		CHECK_INT(count_outside(t, size_bytes), 0);
		CHECK_INT(t->n_parts ? 0 : count_falling(t), 0);
		/* Only within the parts of an edit list do times rise, and in what is shown. */
		for (size_t i = 0; i < t->n_parts; i++) {
			CHECK_INT(count_falling(&t->parts[i]), 0);
			CHECK(t->parts[i].shown_start < t->parts[i].shown_end);
			CHECK(!i || t->parts[i].shown_start >= t->parts[i - 1].shown_end);
		}
		for (size_t i = 1; i < t->n_shown && t->n_parts; i++)
			CHECK(t->shown[i] >= t->shown[i - 1]);
		CHECK(t->shown_start < t->shown_end || !t->n_samples);
		CHECK(t->frame_ticks > 0);
	}
}

static void read_one(const uint8_t *data, size_t len, int64_t size_bytes)
{
	struct memory memory = {data, len};
	struct mp4_input input = {
		.read = read_memory, .context = &memory, .size_bytes = size_bytes};
	auto_of(mp4_file) struct mp4_file *file = NULL;
	auto_of(media_index) struct media_index *index = NULL;
	struct error e = {0};

	if (mp4_file_read(&input, &e, &file) < 0) {
		CHECK(e.message[0]);
		n_codes[e.code]++;
		return;
	}
	n_read++;
	for (size_t i = 0; i < file->n_tracks; i++) {
		auto_buf struct buf stsd = BUF_EMPTY;
		auto_free struct mp4_sample *samples = NULL;
		struct entry_info info;
		size_t n;

		entry_read_info(&file->tracks[i], &info);
		entry_copy(&file->tracks[i], &stsd);
		mp4_track_expand(&file->tracks[i], 100000, &samples, &n);
	}
	if (!index_mp4_is_simple(file))
		return;
	if (index_from_mp4(file, &input, &deaf, &e, &index) < 0) {
		CHECK(e.message[0]);
		n_codes[e.code]++;
		return;
	}
	n_indexed++;
	check_index(index, size_bytes);
}

/* A file of a picture and sound, made by the writer; only its header is kept in memory. */
static int make_file(struct buf *out, int64_t *ret_size)
{
	static struct mp4_out_sample video[120], sound[200];
	static const uint8_t avcc[] = {1, 100, 0, 31, 0xff, 0xe1, 0, 0, 1, 0, 0};
	static const uint8_t config[] = {0x11, 0x90};
	const struct entry_avc avc = {.width = 320,
				      .height = 180,
				      .pixel_width = 1,
				      .pixel_height = 1,
				      .avcc = avcc,
				      .avcc_len = sizeof(avcc),
				      .primaries = 1,
				      .transfer = 1,
				      .matrix = 1};
	const struct entry_aac aac = {
		.channels = 2, .rate = 48000, .config = config, .config_len = sizeof(config)};
	const struct mp4_range range = {0, 1000000};
	auto_buf struct buf video_stsd = BUF_EMPTY, sound_stsd = BUF_EMPTY;
	struct mp4_out_track tracks[2] = {{.is_video = true, .timescale = 90000, .delay = 300},
					  {.timescale = 48000, .preroll = 1}};
	struct mp4_movie movie = {.timescale = 90000,
				  .tracks = tracks,
				  .n_tracks = 2,
				  .ranges = &range,
				  .n_ranges = 1};
	struct mp4_header header = {0};

	for (size_t i = 0; i < 120; i++)
		video[i] = (struct mp4_out_sample){.dts = 3000 * (int64_t)i,
						   .pts = 3000 * (int64_t)(i + i % 3),
						   .offset = 8000 * (int64_t)i,
						   .size = 5000,
						   .is_sync = i % 30 == 0};
	for (size_t i = 0; i < 200; i++)
		sound[i] = (struct mp4_out_sample){.dts = 1024 * (int64_t)i,
						   .pts = 1024 * (int64_t)i,
						   .offset = 5000 + 4000 * (int64_t)i,
						   .size = 300,
						   .is_sync = true};
	REQUIRE(entry_build_avc(&avc, &video_stsd) == 0);
	REQUIRE(entry_build_aac(&aac, &sound_stsd) == 0);
	tracks[0].stsd = (const uint8_t *)video_stsd.data;
	tracks[0].stsd_len = video_stsd.len;
	tracks[0].samples = video;
	tracks[0].n_samples = 120;
	tracks[0].end_dts = 360000;
	tracks[0].shown_end = 360000;
	tracks[1].stsd = (const uint8_t *)sound_stsd.data;
	tracks[1].stsd_len = sound_stsd.len;
	tracks[1].samples = sound;
	tracks[1].n_samples = 200;
	tracks[1].end_dts = 204800;
	tracks[1].shown_start = 1024;
	tracks[1].shown_end = 190000;
	REQUIRE(mp4_build_header(&movie, out, &header) == 0);
	*ret_size = header.file_bytes;
	return 0;
}

/* One kind of damage, somewhere. */
static void damage(uint8_t *data, size_t len)
{
	static const uint32_t words[] = {0,          1,          8,       0x7fffffff, 0x80000000,
					 0xffffffff, 0xfffffff8, 0x10000, 0xffff};
	static const char types[][5] = {"stco", "co64", "stsz", "stz2", "stsc", "stts", "ctts",
					"elst", "trak", "cmov", "mvex", "esds", "wave", "stsd"};
	size_t at = rng((uint32_t)len), count = 1 + rng(4);

	switch (rng(5)) {
	case 0:
		data[at] = (uint8_t)rng(256);
		break;
	case 1:
		data[at] ^= (uint8_t)(1u << rng(8));
		break;
	case 2: /* a word, where words lie */
		at = at / 4 * 4;
		if (at + 4 <= len)
			set_be32(data + at, words[rng(SC_ARRAY_SIZE(words))]);
		break;
	case 3: /* another type of box */
		for (; at + 4 <= len; at++)
			if (!memcmp(data + at, "st", 2) || !memcmp(data + at, "co", 2)) {
				memcpy(data + at, types[rng(SC_ARRAY_SIZE(types))], 4);
				break;
			}
		break;
	default: /* a part moved */
		count *= 16;
		if (at + count <= len)
			memmove(data + rng((uint32_t)(len - count)), data + at, count);
		break;
	}
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	auto_buf struct buf good = BUF_EMPTY;
	auto_free uint8_t *data = NULL;
	int64_t size_bytes = 0;
	size_t before, index_at, index_len;
	const char *moov;

	if (argc > 3) {
		auto_free char *text = NULL;
		size_t len = 0;

		REQUIRE(file_read_text(AT_FDCWD, argv[3], 64 << 20, &text, &len) == 0);
		buf_add(&good, text, len);
		size_bytes = (int64_t)len;
	} else {
		make_file(&good, &size_bytes);
	}
	read_one((const uint8_t *)good.data, good.len, size_bytes);
	CHECK_INT(n_indexed, 1);

	/* What lies beside the index is not read: damage it nowhere else. */
	moov = memmem(good.data, good.len, "moov", 4);
	REQUIRE(moov && moov - good.data >= 4);
	index_at = (size_t)(moov - good.data) - 4;
	index_len = get_be32((const uint8_t *)good.data + index_at);
	REQUIRE(index_len <= good.len - index_at);
	printf("%zu rounds from seed %lu\n", rounds, seed);
	fflush(stdout);
	for (size_t round = 0; round < rounds; round++) {
		int failures = check_failures;

		/* Of exactly the length, so that a sanitizer sees a byte behind the end. */
		data = malloc(good.len);
		REQUIRE(data);
		memcpy(data, good.data, good.len);
		rng_state = seed + round;
		for (uint32_t i = 1 + rng(5); i; i--)
			damage(data + index_at, index_len);
		read_one(data, good.len, size_bytes);
		free(take_ptr(data));
		if (check_failures != failures)
			fprintf(stderr, "seed %zu\n", (size_t)seed + round);
	}
	printf("%zu read, %zu of them indexed; incomplete %zu, invalid %zu, over a limit %zu\n",
	       n_read, n_indexed, n_codes[SC_UPLOAD_INCOMPLETE], n_codes[SC_INVALID_MEDIA],
	       n_codes[SC_LIMIT_EXCEEDED]);
	/* Damage must have gone both ways, or nothing was tried. */
	CHECK(argc > 1 || n_indexed > rounds / 20);
	CHECK(argc > 1 || n_codes[SC_INVALID_MEDIA] > rounds / 50);

	before = n_indexed;
	for (size_t len = 0; len < good.len && argc <= 3; len += 1 + len / 512) {
		data = malloc(len + 1);
		REQUIRE(data);
		memcpy(data, good.data, len);
		read_one(data, len, (int64_t)len);
		free(take_ptr(data));
	}
	CHECK_INT(n_indexed, before); /* an upload cut short is never taken for a whole one */
	return check_result();
}
