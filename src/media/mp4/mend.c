/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mend.h"

#include "bytes.h"

/* libavformat's own bound: mov_build_index() ends there. */
#define SIZE_MAX_READ 0x3fffffffu

static void find_in_track(const struct mp4_file *file, const struct mp4_track *t,
			  struct mp4_mend *ret)
{
	if (t->uniform_size || t->size_bits != 32)
		return;
	for (uint32_t i = 0; i < t->sizes.n && ret->n < MP4_MEND_MAX; i++) {
		const uint8_t *size = t->sizes.data + 4 * (size_t)i;

		if (get_be32(size) > SIZE_MAX_READ)
			ret->places[ret->n++] = file->moov_offset + (size - file->moov);
	}
}

void mp4_mend_find(const struct mp4_input *input, struct mp4_mend *ret)
{
	struct mp4_file *file = NULL;
	struct error ignored = {0};

	ret->n = 0;
	if (mp4_file_read(input, &ignored, &file) < 0)
		return;
	for (size_t i = 0; i < file->n_tracks; i++)
		find_in_track(file, &file->tracks[i], ret);
	mp4_file_free(file);
}

void mp4_mend_apply(const struct mp4_mend *mend, uint8_t *data, size_t len, int64_t offset)
{
	static const uint8_t one[4] = {0, 0, 0, 1};

	for (size_t i = 0; i < mend->n; i++)
		for (int k = 0; k < 4; k++) {
			int64_t at = mend->places[i] + k - offset;

			if (at >= 0 && at < (int64_t)len)
				data[at] = one[k];
		}
}
