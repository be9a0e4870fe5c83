/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8, and names that are none. Pure functions, any thread. */
#include "storyclip/common/utf8.h"

#include <stdlib.h>
#include <string.h>

#include "storyclip/common/macros.h"

size_t utf8_length(const char *text)
{
	static const struct {
		unsigned char first, last; /* range of the lead byte */
		unsigned char low, high;   /* range of the byte behind it */
		size_t len;
	} forms[] = {
		{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < SC_ARRAY_SIZE(forms); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (forms[i].len > 1 && (s[1] < forms[i].low || s[1] > forms[i].high))
			return 0;
		/* The NUL at the end is no continuation, so this does not run over it. */
		for (size_t k = 2; k < forms[i].len; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return forms[i].len;
	}
	return 0;
}

char *utf8_escape(const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(text) + 1), *to = out;

	if (!out)
		return NULL;
	while (*text) {
		size_t n = utf8_length(text);

		if (n) {
			memcpy(to, text, n);
			to += n;
		} else {
			*to++ = '%';
			*to++ = digits[(unsigned char)*text >> 4];
			*to++ = digits[(unsigned char)*text & 15];
		}
		text += n ? n : 1;
	}
	*to = '\0';
	return out;
}
