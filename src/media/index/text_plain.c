/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a cue without the marks that SubRip, WebVTT and ASS put between them. */
#include <string.h>

#include "storyclip/common/macros.h"
#include "text_track.h"

/* What lies behind a mark that begins at text[i], or i where it is none: it has no end. */
static size_t skip_mark(const char *text, size_t len, size_t i, char end)
{
	const char *found = memchr(text + i, end, len - i);

	return found ? (size_t)(found - text) + 1 : i;
}

/* No line breaks at the end, none doubled by a carriage return. */
static void trim(struct buf *b, size_t from)
{
	while (!b->is_failed && b->len > from &&
	       (b->data[b->len - 1] == '\n' || !b->data[b->len - 1]))
		b->len--;
}

/* <i>, </font>, <c.yellow>: a letter, a slash or a digit follows; "a < b" stays. */
static bool is_tag(const char *text, size_t len, size_t i)
{
	char c = i + 1 < len ? text[i + 1] : '\0';

	return text[i] == '<' && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				  (c >= '0' && c <= '9') || c == '/');
}

void text_from_subrip(const char *text, size_t len, struct buf *ret)
{
	size_t from = ret->len;

	for (size_t i = 0; i < len && text[i];) {
		size_t behind = i;

		if (is_tag(text, len, i))
			behind = skip_mark(text, len, i, '>');
		else if (text[i] == '{' && i + 1 < len && text[i + 1] == '\\')
			behind = skip_mark(text, len, i, '}');
		if (behind == i && text[i] != '\r')
			buf_add(ret, text + i, 1);
		i = behind > i ? behind : i + 1;
	}
	trim(ret, from);
}

/* @return bytes of the entity at text[0], 0: none that is known */
static size_t read_entity(const char *text, size_t len, struct buf *ret)
{
	static const struct {
		const char *name, *means;
	} entities[] = {
		{"&amp;", "&"},
		{"&lt;", "<"},
		{"&gt;", ">"},
		{"&nbsp;", "\xc2\xa0"},
		{"&lrm;", "\xe2\x80\x8e"},
		{"&rlm;", "\xe2\x80\x8f"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(entities); i++) {
		size_t n = strlen(entities[i].name);

		if (n > len || memcmp(text, entities[i].name, n) != 0)
			continue;
		buf_add_str(ret, entities[i].means);
		return n;
	}
	return 0;
}

void text_from_webvtt(const char *text, size_t len, struct buf *ret)
{
	size_t from = ret->len;

	for (size_t i = 0; i < len && text[i];) {
		size_t behind = i;

		if (is_tag(text, len, i))
			behind = skip_mark(text, len, i, '>');
		else if (text[i] == '&')
			behind = i + read_entity(text + i, len - i, ret);
		if (behind == i && text[i] != '\r')
			buf_add(ret, text + i, 1);
		i = behind > i ? behind : i + 1;
	}
	trim(ret, from);
}

/* Whether the marks in braces switch drawing (\p1) on or off: what follows is then no text. */
static bool is_drawing(const char *marks, size_t len, bool before)
{
	for (size_t i = 0; i + 2 < len; i++)
		if (marks[i] == '\\' && marks[i + 1] == 'p' && marks[i + 2] >= '0' &&
		    marks[i + 2] <= '9')
			before = marks[i + 2] != '0';
	return before;
}

void text_from_ass(const char *event, size_t len, struct buf *ret)
{
	size_t from = ret->len, i = 0;
	bool has_drawing = false;

	for (int fields = 8; fields; fields--) {
		size_t behind = skip_mark(event, len, i, ',');

		if (behind == i)
			return;
		i = behind;
	}
	while (i < len && event[i]) {
		size_t behind = event[i] == '{' ? skip_mark(event, len, i, '}') : i;
		char next = i + 1 < len ? event[i + 1] : '\0';

		if (behind > i) {
			has_drawing = is_drawing(event + i, behind - i, has_drawing);
			i = behind;
			continue;
		}
		if (event[i] == '\\' && (next == 'N' || next == 'n' || next == 'h')) {
			buf_add_str(ret, next == 'h' ? "\xc2\xa0" : "\n");
			i += 2;
			continue;
		}
		if (!has_drawing && event[i] != '\r')
			buf_add(ret, event + i, 1);
		i++;
	}
	trim(ret, from);
}
