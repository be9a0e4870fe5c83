/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of key=value pairs, as a person types it at a prompt. Any thread. */
#include "pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "storyclip/common/macros.h"

#define BLANK " \t\r\n"

void pair_finish(struct pair *pair)
{
	free(pair->key);
	free(pair->value);
	pair->key = pair->value = NULL;
}

/* Copy one word's bytes without their quotes to out (large enough). @return where it ends, or NULL
 */
static const char *word_unquote(const char *p, char *out)
{
	char quote = '\0';

	for (; *p && (quote || !strchr(BLANK, *p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' && p[1] && (!quote || strchr("\"\\$`", p[1])))
			p++;
		*out++ = *p;
	}
	*out = '\0';
	return quote ? NULL : p;
}

int pair_next(const char **rest, struct error *e, struct pair *ret)
{
	const char *start = *rest + strspn(*rest, BLANK), *end;
	size_t key_len = strcspn(start, "=" BLANK);
	char shown[64];

	if (!*start) {
		*rest = start;
		return 0;
	}
	if (start[key_len] != '=' || key_len == 0)
		return error_set(e, SC_INVALID_REQUEST,
				 "'%s' is neither JSON nor key=value; write a JSON object or "
				 "uploadId=NAME clipDuration=5",
				 text_shorten(start, shown, sizeof(shown)));
	ret->key = strndup(start, key_len);
	ret->value = malloc(strlen(start) + 1);
	if (!ret->key || !ret->value) {
		pair_finish(ret);
		return -ENOMEM;
	}
	end = word_unquote(start + key_len + 1, ret->value);
	if (!end) {
		pair_finish(ret);
		return error_set(e, SC_INVALID_REQUEST, "a quote is not closed in '%s'; close it",
				 text_shorten(start, shown, sizeof(shown)));
	}
	*rest = end;
	return 1;
}
