/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growing byte buffer: text that is being made, lines that are being collected.
 *
 * Failing allocations are remembered (is_failed) and later calls do nothing, so that a renderer
 * checks once at its end. Not locked: one thread at a time.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "storyclip/common/macros.h"

struct buf {
	char *data; /* NUL-terminated once anything was added; NULL before */
	size_t len; /* without the NUL */
	size_t cap;
	bool is_failed; /* an allocation failed; the content is not to be used */
};

#define BUF_EMPTY                                                                                  \
	(struct buf)                                                                               \
	{                                                                                          \
		0                                                                                  \
	}

/** Free the content; the buffer is empty and usable again. Accepts an empty one. */
void buf_finish(struct buf *b);
/** Forget the content, keep the memory. */
void buf_reset(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) SC_PRINTF(2, 3);
/** Drop the first n bytes (n <= len). */
void buf_drop_front(struct buf *b, size_t n);
/** Hand the bytes over (to be freed with free()); the buffer is empty afterwards. NULL if is_failed. */
char *buf_take(struct buf *b, size_t *ret_len);
/** 0, or -ENOMEM if any addition has failed. */
int buf_error(const struct buf *b);

#define auto_buf __attribute__((cleanup(buf_finish)))
