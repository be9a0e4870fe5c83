/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storyclip/common/mountinfo.h"

#include <stdbool.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

void mountinfo_unescape(char *field)
{
	char *to = field;

	for (const char *s = field; *s; s++) {
		if (s[0] == '\\' && s[1] <= '3' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}
