/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The picture's packets of a source whose bytes have no place in the file: those of a part of it,
 * in a nameless file, at the offsets that the index gives them. Private to src/media. One thread.
 */
#pragma once

#include "../source.h"

struct prove_store;

/** Codes: IO_ERROR, OUT_OF_MEMORY */
int prove_store_open(struct media_source *source, int dir_fd, struct error *e,
		     struct prove_store **ret);
void prove_store_close(struct prove_store *store);
SC_DEFINE_AUTO(prove_store, prove_store_close)

/** Borrowed. */
int prove_store_fd(const struct prove_store *store);

/**
 * Have the picture's samples [low, end). What lies before them is forgotten; asking for it again
 * reads the source from its beginning.
 * Codes: IO_ERROR, OUT_OF_MEMORY, UPLOAD_CHANGED, and those of opening a source
 */
int prove_store_fill(struct prove_store *store, size_t low, size_t end, struct error *e);
