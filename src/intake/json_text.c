/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts that people sent, made fit for JSON and for messages. Any thread. */
#include "parse.h"

#include <stdio.h>
#include <string.h>

#include "storyclip/common/utf8.h"

size_t text_length(const char *s)
{
	size_t length = 0;

	while (*s) {
		size_t n = utf8_length(s);

		length += n ? n : 3;
		s += n ? n : 1;
	}
	return length;
}

void json_string_add(struct buf *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	buf_add(out, "\"", 1);
	while (*p) {
		size_t n = utf8_length((const char *)p);

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
