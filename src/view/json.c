/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings as JSON, and uploadIds as names. Pure functions, any thread. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "storyclip/common/utf8.h"
#include "storyclip/view.h"

static void add_ascii(struct buf *out, unsigned char c)
{
	static const struct {
		char c, letter;
	} short_forms[] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
			   {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};

	for (size_t i = 0; i < SC_ARRAY_SIZE(short_forms); i++) {
		if (c == (unsigned char)short_forms[i].c) {
			buf_printf(out, "\\%c", short_forms[i].letter);
			return;
		}
	}
	if (c < 0x20 || c == 0x7f)
		buf_printf(out, "\\u%04x", c);
	else
		buf_add(out, &c, 1);
}

void view_json_string(struct buf *out, const char *s)
{
	buf_add(out, "\"", 1);
	while (*s) {
		size_t n = utf8_length(s);

		if (n == 1)
			add_ascii(out, (unsigned char)*s);
		else if (n)
			buf_add(out, s, n);
		else
			buf_printf(out, "%%%02X", (unsigned char)*s);
		s += n ? n : 1;
	}
	buf_add(out, "\"", 1);
}

/* ---- names in by-upload/ ---- */

#define UPLOAD_NAME_MAX 255
/* A '%' that is followed by neither 2F nor 25: no encoded uploadId begins so. */
#define LONG_NAME_FORMAT "%%long-%016llx%016llx"

/* Two independent 64-bit FNV-1a hashes: not against malice, an uploadId's owner gains nothing. */
static void hash_name(const char *s, uint64_t ret[2])
{
	ret[0] = 0xcbf29ce484222325ull;
	ret[1] = 0x84222325cbf29ce4ull;
	for (; *s; s++) {
		ret[0] = (ret[0] ^ (unsigned char)*s) * 0x100000001b3ull;
		ret[1] = (ret[1] ^ (unsigned char)~*s) * 0x100000001b3ull;
		ret[1] ^= ret[1] >> 29;
	}
}

void view_upload_name(const char *upload_id, char out[256])
{
	uint64_t hash[2];
	size_t n = 0;

	for (const char *s = upload_id; *s; s++) {
		const char *code = *s == '/' ? "%2F" : *s == '%' ? "%25" : NULL;

		if (n + (code ? 3 : 1) > UPLOAD_NAME_MAX) {
			hash_name(upload_id, hash);
			snprintf(out, 256, LONG_NAME_FORMAT, (unsigned long long)hash[0],
				 (unsigned long long)hash[1]);
			return;
		}
		if (code) {
			memcpy(out + n, code, 3);
			n += 3;
		} else {
			out[n++] = *s;
		}
	}
	out[n] = '\0';
}

int view_upload_id_from_name(const char *name, char **ret)
{
	size_t n = 0;
	char *id = malloc(strlen(name) + 1);

	if (!id)
		return -ENOMEM;
	for (const char *s = name; *s; s++) {
		if (*s != '%') {
			id[n++] = *s;
			continue;
		}
		if (strncmp(s, "%2F", 3) != 0 && strncmp(s, "%25", 3) != 0) {
			free(id);
			return -ENOENT;
		}
		id[n++] = s[2] == 'F' ? '/' : '%';
		s += 2;
	}
	id[n] = '\0';
	*ret = id;
	return 0;
}
