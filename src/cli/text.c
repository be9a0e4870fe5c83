/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that is safe and fits on a terminal. */
#include "text.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "storyclip/common/macros.h"
#include "storyclip/common/utf8.h"

bool text_is_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

/* Characters without width that would change how the rest of the line is read. */
static bool is_misleading(wchar_t c)
{
	return c == 0x200e || c == 0x200f || c == 0x061c || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

struct glyph {
	const char *bytes;
	size_t len;   /* of bytes, as shown */
	size_t cells; /* 0: combines with the one before */
};

/* The glyph at s (not at its end). @return bytes of s that it takes */
static size_t glyph_next(const char *s, size_t len, struct glyph *ret)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t n = mbrtowc(&c, s, len, &state);
	int cells;

	*ret = (struct glyph){"?", 1, 1};
	if (n == (size_t)-1 || n == (size_t)-2 || n == 0)
		return 1;
	cells = wcwidth(c);
	if (cells >= 0 && !is_misleading(c))
		*ret = (struct glyph){s, n, (size_t)cells};
	return n;
}

size_t text_width(const char *s)
{
	size_t len = strlen(s), cells = 0;
	struct glyph g;

	while (len) {
		size_t n = glyph_next(s, len, &g);

		cells += g.cells;
		s += n;
		len -= n;
	}
	return cells;
}

/* @return cells added, at most max */
static size_t add_up_to(struct buf *out, const char *s, size_t max)
{
	size_t len = strlen(s), cells = 0;
	struct glyph g;

	while (len) {
		size_t n = glyph_next(s, len, &g);

		if (g.cells > max - cells)
			break;
		buf_add(out, g.bytes, g.len);
		cells += g.cells;
		s += n;
		len -= n;
	}
	return cells;
}

void text_add_safe(struct buf *out, const char *s)
{
	add_up_to(out, s, SIZE_MAX);
}

static size_t add_cut(struct buf *out, const char *s, size_t cells)
{
	size_t added;

	if (!cells)
		return 0;
	if (text_width(s) <= cells)
		return add_up_to(out, s, cells);
	added = add_up_to(out, s, cells - 1);
	buf_add_str(out, text_is_utf8() ? "\xe2\x80\xa6" : "~");
	return added + 1;
}

void text_add_cut(struct buf *out, const char *s, size_t cells)
{
	add_cut(out, s, cells);
}

void text_add_padded(struct buf *out, const char *s, size_t cells)
{
	for (size_t added = add_cut(out, s, cells); added < cells; added++)
		buf_add(out, " ", 1);
}

void text_add_json_name(struct buf *out, const char *name)
{
	auto_free char *escaped = utf8_escape(name);

	if (escaped)
		buf_add_str(out, escaped);
	else
		out->is_failed = true;
}

void text_format_bytes(int64_t bytes, char out[TEXT_BYTES_SIZE])
{
	static const char units[] = "KMGTPE";
	double value = (double)(bytes > 0 ? bytes : 0);
	size_t i = 0;

	if (value < 1000) {
		snprintf(out, TEXT_BYTES_SIZE, "%.0f", value);
		return;
	}
	for (value /= 1024; value >= 999.5 && units[i + 1]; i++)
		value /= 1024;
	snprintf(out, TEXT_BYTES_SIZE, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[i]);
}
