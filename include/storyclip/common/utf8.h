/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8, and names that are none. Pure functions, any thread. */
#pragma once

#include <stddef.h>

/** Length of the UTF-8 sequence that text begins with, or 0 when that is none (RFC 3629: shortest, no
 *  surrogates). */
size_t utf8_length(const char *text);

/** A name as JSON shows it: bytes that are not UTF-8 as %XX. To be freed; NULL: no memory. */
char *utf8_escape(const char *text);
