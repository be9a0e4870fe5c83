/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mend.h"

#include "bytes.h"

/* libavformat's own bound: mov_build_index() ends there. */
#define SIZE_MAX_READ 0x3fffffffu

/* Longer than any media, and no bound of libavformat's. */
#define DURATION_OF_ALL 0x7fffffffu

static void add(const struct mp4_file *file, const uint8_t *at, uint32_t value,
		struct mp4_mend *ret)
{
	if (ret->n < MP4_MEND_MAX)
		ret->places[ret->n++] =
			(struct mp4_mend_place){file->moov_offset + (at - file->moov), value};
}

static void find_edit(const struct mp4_file *file, const struct mp4_track *t, struct mp4_mend *ret)
{
	const struct mp4_edit *shown = NULL;

	for (size_t i = 0; i < t->n_edits; i++) {
		if (t->edits[i].media_time < 0)
			continue;
		if (shown) /* parts are decoded without their list */
			return;
		shown = &t->edits[i];
	}
	if (shown && !shown->duration)
		add(file, shown->duration_at, DURATION_OF_ALL, ret);
}

static void find_sizes(const struct mp4_file *file, const struct mp4_track *t, struct mp4_mend *ret)
{
	if (t->uniform_size || t->size_bits != 32)
		return;
	for (uint32_t i = 0; i < t->sizes.n; i++) {
		const uint8_t *size = t->sizes.data + 4 * (size_t)i;

		if (get_be32(size) > SIZE_MAX_READ)
			add(file, size, 1, ret);
	}
}

void mp4_mend_find(const struct mp4_input *input, struct mp4_mend *ret)
{
	struct mp4_file *file = NULL;
	struct error ignored = {0};

	ret->n = 0;
	if (mp4_file_read(input, &ignored, &file) < 0)
		return;
	/* The lists first: there are fewer of them, and the room is for both. */
	for (size_t i = 0; i < file->n_tracks && !file->is_fragmented; i++)
		find_edit(file, &file->tracks[i], ret);
	for (size_t i = 0; i < file->n_tracks; i++)
		find_sizes(file, &file->tracks[i], ret);
	mp4_file_free(file);
}

void mp4_mend_apply(const struct mp4_mend *mend, uint8_t *data, size_t len, int64_t offset)
{
	for (size_t i = 0; i < mend->n; i++)
		for (int k = 0; k < 4; k++) {
			int64_t at = mend->places[i].at + k - offset;

			if (at >= 0 && at < (int64_t)len)
				data[at] = (uint8_t)(mend->places[i].value >> (24 - 8 * k));
		}
}
