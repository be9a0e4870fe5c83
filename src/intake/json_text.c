/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts that people sent, made fit for JSON and for messages. Any thread. */
#include "parse.h"

#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at s (1 to 4), or 0 when it is none: overlong forms, surrogates and
 * numbers above U+10FFFF are none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		unsigned char low = s[0] == 0xe0 ? 0xa0 : 0x80, high = s[0] == 0xed ? 0x9f : 0xbf;

		return s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 ? 3 : 0;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		unsigned char low = s[0] == 0xf0 ? 0x90 : 0x80, high = s[0] == 0xf4 ? 0x8f : 0xbf;

		return s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80
			       ? 4
			       : 0;
	}
	return 0;
}

size_t text_length(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t length = 0;

	while (*p) {
		size_t n = utf8_length(p);

		length += n ? n : 3;
		p += n ? n : 1;
	}
	return length;
}

void json_string_add(struct buf *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	buf_add(out, "\"", 1);
	while (*p) {
		size_t n = utf8_length(p);

		if (n == 0) {
			buf_printf(out, "%%%02X", *p);
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			buf_printf(out, "\\%c", *p);
		} else if (*p == '\n') {
			buf_add_str(out, "\\n");
		} else if (*p < 0x20 || *p == 0x7f) {
			buf_printf(out, "\\u%04x", *p);
		} else {
			buf_add(out, p, n);
		}
		p += n;
	}
	buf_add(out, "\"", 1);
}

const char *text_shorten(const char *s, char *out, size_t size)
{
	size_t len = strlen(s);

	if (len < size) {
		memcpy(out, s, len + 1);
		return out;
	}
	len = size - 4;
	/* Not amidst a character: go back over its continuation bytes. */
	while (len && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	memcpy(out, s, len);
	memcpy(out + len, "...", 4);
	return out;
}
