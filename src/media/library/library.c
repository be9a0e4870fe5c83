/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What media.h offers and the module does. */
#include "library.h"

#include "../mp4/reader.h"
#include "storyclip/common/file.h"

int media_library_load(struct error *e)
{
	const struct media_library *library;

	return media_library_get(e, &library);
}

bool media_wants_library(int fd, enum cut_mode mode)
{
	uint8_t head[12];

	if (mode != CUT_EXACT && mode != CUT_KEYFRAME)
		return true;
	/* What cannot be read is media_open()'s to tell. */
	return file_pread_full(fd, head, sizeof(head), 0) == sizeof(head) &&
	       !mp4_is_likely(head, sizeof(head));
}

int media_sha256(int fd, void (*worked)(void *context, uint64_t bytes), void *context,
		 struct error *e, char ret[SHA256_SIZE])
{
	const struct media_library *library;
	int r = media_library_get(e, &library);

	return r < 0 ? r : library->sha256(fd, worked, context, e, ret);
}

const char *media_ffmpeg_version(struct error *e)
{
	const struct media_library *library;

	return media_library_get(e, &library) < 0 ? NULL : library->ffmpeg_version();
}
