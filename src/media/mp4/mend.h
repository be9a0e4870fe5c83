/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes in an MP4's index that cannot be true: libavformat reads no index on behind one of 2^30 and
 * more, where our reader leaves one sample out. And an edit that lasts 0: to the end of the media, as
 * in fragmented files, where libavformat shows nothing unless there are fragments. So it is shown an
 * index without either. No libav.
 */
#pragma once

#include "reader.h"

#define MP4_MEND_MAX 64

struct mp4_mend {
	struct mp4_mend_place {
		int64_t at;     /* in the file: 32 bits */
		uint32_t value; /* that are shown as this */
	} places[MP4_MEND_MAX];
	size_t n;
};

/** Find them; none where the index cannot be read. Reads the index. */
void mp4_mend_find(const struct mp4_input *input, struct mp4_mend *ret);
/** Mend what was read of the file at offset. */
void mp4_mend_apply(const struct mp4_mend *mend, uint8_t *data, size_t len, int64_t offset);
