/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of an MP4's index, its tables unrolled, its codecs' boxes, its index for cutting. */
#include "../../src/media/index/index.h"

#include <string.h>

#include "../../src/media/mp4/avcc.h"
#include "../../src/media/mp4/bytes.h"
#include "../../src/media/mp4/entry.h"
#include "../../src/media/mp4/hvcc.h"
#include "../../src/media/mp4/keyframe.h"
#include "../../src/media/mp4/nal.h"
#include "../../src/media/mp4/reader.h"
#include "fuzz.h"

#define SAMPLES_MAX 100000

struct memory {
	const uint8_t *data;
	size_t size;
};

static ssize_t read_memory(void *context, void *data, size_t len, int64_t offset)
{
	const struct memory *m = context;

	if (offset < 0 || offset >= (int64_t)m->size)
		return 0;
	if (len > m->size - (size_t)offset)
		len = m->size - (size_t)offset;
	memcpy(data, m->data + offset, len);
	return (ssize_t)len;
}

/* A description as a head would add its parameter sets to it. */
static void try_sets(const struct index_track *t)
{
	static const uint8_t any[] = {0x67, 66, 0, 31, 0x40};
	const struct avcc_sets avc = {any, any, sizeof(any), sizeof(any)};
	const struct nal_unit unit = {any, sizeof(any)};
	const struct hvcc_sets hevc = {unit, unit, unit};
	auto_buf struct buf with_avc = BUF_EMPTY, with_hevc = BUF_EMPTY;
	struct avcc_info avcc;
	struct hvcc_info hvcc;

	if (avcc_read(t->stsd, t->stsd_len, t->set_ids, &avcc) == 0)
		FUZZ_REQUIRE(avcc.free_id > 0 && avcc.free_id < 32);
	if (avcc_add(t->stsd, t->stsd_len, &avc, &with_avc) == 0)
		FUZZ_REQUIRE(with_avc.len == t->stsd_len + 4 + 2 * sizeof(any));
	if (hvcc_read(t->stsd, t->stsd_len, &hvcc) == 0)
		FUZZ_REQUIRE(hvcc.vps_id < 16 && hvcc.sps_id < 16 && hvcc.pps_id < 32);
	if (hvcc_add(t->stsd, t->stsd_len, &hevc, &with_hevc) == 0)
		FUZZ_REQUIRE(with_hevc.len >= t->stsd_len + 3 * (2 + sizeof(any)));
}

static void try_index(const struct mp4_file *file, const struct mp4_input *input)
{
	static const struct media_listener deaf;
	auto_of(media_index) struct media_index *index = NULL;
	struct error e = {0};

	if (index_from_mp4(file, input, &deaf, &e, &index) < 0) {
		FUZZ_REQUIRE(e.code != SC_OK);
		return;
	}
	for (size_t k = 0; k < index->n_tracks; k++) {
		const struct index_track *t = &index->tracks[k];

		FUZZ_REQUIRE(t->frame_ticks > 0 && t->timescale > 0);
		if (t->is_video && t->stsd_len)
			try_sets(t);
		for (size_t i = 0; i < t->n_samples; i++)
			FUZZ_REQUIRE(t->samples[i].offset >= 0 &&
				     t->samples[i].offset <= input->size_bytes - t->samples[i].size);
	}
}

/* Small files only: what is large by claim alone is refused by the same checks. */
static size_t samples_of(const struct mp4_file *file)
{
	size_t n = 0;

	for (size_t i = 0; i < file->n_tracks; i++)
		n += file->tracks[i].n_samples;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory memory = {data, size};
	const struct mp4_input input = {
		.read = read_memory, .context = &memory, .size_bytes = (int64_t)size};
	auto_of(mp4_file) struct mp4_file *file = NULL;
	struct error e = {0};

	if (size >= 12)
		(void)mp4_is_likely(data, size);
	if (mp4_file_read(&input, &e, &file) < 0) {
		FUZZ_REQUIRE(e.code != SC_OK);
		return 0;
	}
	for (size_t i = 0; i < file->n_tracks; i++) {
		struct mp4_sample *samples = NULL;
		size_t n = 0;

		if (mp4_track_expand(&file->tracks[i], SAMPLES_MAX, &samples, &n) == 0)
			free(samples);
	}
	if (index_mp4_is_simple(file) && samples_of(file) <= SAMPLES_MAX)
		try_index(file, &input);
	return 0;
}
