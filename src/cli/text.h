/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text that is safe and fits on a terminal. Whatever came from outside (names, messages of the
 * mount) goes through here: what does not print (escapes, newlines, bytes that are no text,
 * characters that turn the writing direction) is shown as '?'.
 *
 * Widths are cells of the terminal, by the locale that setlocale(LC_CTYPE) has set. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storyclip/common/buf.h"

/** Whether the locale's text is UTF-8: else only ASCII is drawn. */
bool text_is_utf8(void);

/** Cells of the safe form. */
size_t text_width(const char *s);
/** The safe form, whole. */
void text_add_safe(struct buf *out, const char *s);
/** The safe form in at most so many cells; what is cut off ends in an ellipsis. */
void text_add_cut(struct buf *out, const char *s, size_t cells);
/** The same, and blanks up to exactly so many cells. */
void text_add_padded(struct buf *out, const char *s, size_t cells);

/**
 * A file name as it may stand in JSON: bytes that are not UTF-8 become %XX (INTERFACE.md,
 * "Uploads"). Independent of the locale.
 */
void text_add_json_name(struct buf *out, const char *name);

/** Size for text_format_bytes(). */
#define TEXT_BYTES_SIZE 16
/** "999", "1.2K", "34M", "5.0G": three digits at most, powers of 1024. */
void text_format_bytes(int64_t bytes, char out[TEXT_BYTES_SIZE]);
