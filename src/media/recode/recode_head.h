/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first frames of a clip in the source's codec, to go into one track with what is copied behind
 * them: encoded with x264 or x265 in the source's own form, under parameter sets with ids of their
 * own. Private to src/media. One thread (libav uses some beneath it).
 */
#pragma once

#include "../copy/copy.h"
#include "../encode/encode_spool.h"

struct head_encoder;

/**
 * Nothing is decoded before the first head.
 * Codes: UNSUPPORTED_CODEC (the stream's description leaves no room), OUT_OF_MEMORY
 */
int head_open(const struct media_source *source, struct error *e, struct head_encoder **ret);
void head_close(struct head_encoder *head);
SC_DEFINE_AUTO(head_encoder, head_close)

/**
 * Try whether the frame shown at `start` (in the picture's ticks) can be encoded in the source's form.
 * Codes: IO_ERROR, OUT_OF_MEMORY, INTERNAL
 */
int head_probe(const struct media_source *source, int64_t start, struct error *e, bool *ret);

/**
 * Encode the head of a clip into the spool: size and place of its samples, and the track's new
 * description, are set.
 * Codes: UNSUPPORTED_CODEC (the encoder is not there or cannot make frames like these), INVALID_MEDIA, IO_ERROR,
 * OUT_OF_MEMORY, INTERNAL
 */
int head_add(struct head_encoder *head, unsigned int number, struct spool *spool,
	     struct copy_clip *clip, struct error *e);
