/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A run of samples of H.264 as a player would decode it that has nothing else: what it shows at
 * some times. Private to src/media. One thread (libav uses some beneath it).
 */
#pragma once

#include "../copy/copy.h"

#define PROVE_HASH_BYTES 16

struct prove_frame {
	int64_t pts;
	bool is_there; /* it came out of the decoder; else the rest says nothing */
	bool is_bad;   /* the decoder itself says that it is not whole */
	uint8_t hash[PROVE_HASH_BYTES]; /* of its size, its form and all its planes */
};

/** Samples to be decoded, in this order. */
struct prove_run {
	const struct index_track *track;
	const uint32_t *numbers; /* places in its samples; NULL: first, first + 1, … */
	size_t first;
	size_t n;
};

/**
 * Decode with a decoder that is new, until all wanted frames have been seen.
 *
 * @param fd      holds each sample's bytes at its offset
 * @param frames  their pts are given, all else is set
 * Codes: IO_ERROR, OUT_OF_MEMORY, UNSUPPORTED_CODEC (there is no decoder)
 */
int prove_decode(const struct media_source *source, const struct prove_run *run, int fd,
		 struct prove_frame *frames, size_t n_frames, struct error *e);
