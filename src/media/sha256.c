/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an upload's bytes are, by libavutil's SHA-256. One thread. */
#include "sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/sha.h>

#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"

#define PIECE_BYTES  ((size_t)1 << 20)
#define DIGEST_BYTES 32

static void write_hex(const uint8_t digest[DIGEST_BYTES], char out[SHA256_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * DIGEST_BYTES] = '\0';
}

static int hash(int fd, struct AVSHA *sha, uint8_t *piece,
		void (*worked)(void *context, uint64_t bytes), void *context)
{
	int64_t at = 0;
	ssize_t n;

	while ((n = file_pread_full(fd, piece, PIECE_BYTES, at)) > 0) {
		/* The unit of len is unsigned int in older releases: a piece fits into both. */
		av_sha_update(sha, piece, (unsigned int)n);
		at += n;
		worked(context, (uint64_t)n);
	}
	return n < 0 ? (int)n : 0;
}

int sha256_of_file(int fd, void (*worked)(void *context, uint64_t bytes), void *context,
		   struct error *e, char ret[SHA256_SIZE])
{
	auto_free uint8_t *piece = malloc(PIECE_BYTES);
	struct AVSHA *sha = av_sha_alloc();
	uint8_t digest[DIGEST_BYTES];
	int r = piece && sha ? av_sha_init(sha, 256) : -ENOMEM;

	if (r == 0)
		r = hash(fd, sha, piece, worked, context);
	if (r == 0) {
		av_sha_final(sha, digest);
		write_hex(digest, ret);
	}
	av_free(sha);
	return r < 0 ? error_from_errno(e, r, "reading the upload for its SHA-256") : 0;
}
