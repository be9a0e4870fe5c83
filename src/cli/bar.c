/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress as a bar, and as one line of a terminal. */
#include "bar.h"

#include "storyclip/common/macros.h"
#include "text.h"

#define PERCENT_CELLS 6 /* "  42% " */
#define BAR_MIN       12
#define BAR_MAX       42
#define NAME_MIN      8

void bar_add(struct buf *out, int percent, size_t cells)
{
	static const char *const eighths[] = {
		" ",
		"\xe2\x96\x8f",
		"\xe2\x96\x8e",
		"\xe2\x96\x8d",
		"\xe2\x96\x8c",
		"\xe2\x96\x8b",
		"\xe2\x96\x8a",
		"\xe2\x96\x89",
		"\xe2\x96\x88",
	};
	bool is_utf8 = text_is_utf8();
	size_t inner, filled;

	if (cells < 3)
		return;
	percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
	inner = cells - 2;
	filled = inner * 8 * (size_t)percent / 100; /* rounded down: only 100 fills it */
	buf_add(out, "[", 1);
	for (size_t i = 0; i < inner; i++) {
		size_t here = filled > i * 8 ? filled - i * 8 : 0;

		if (here > 8)
			here = 8;
		if (is_utf8)
			buf_add_str(out, eighths[here]);
		else
			buf_add(out, here == 8 ? "#" : ".", 1);
	}
	buf_add(out, "]", 1);
}

void bar_line_add(struct buf *out, const struct bar_line *line, size_t width)
{
	size_t name = line->name_cells ? line->name_cells : text_width(line->name);
	size_t left, bar;

	if (width < NAME_MIN + PERCENT_CELLS) {
		text_add_cut(out, line->name, width);
		return;
	}
	if (name > width / 3)
		name = width / 3 > NAME_MIN ? width / 3 : NAME_MIN;
	text_add_padded(out, line->name, name);
	left = width - name;
	bar = left / 2 > BAR_MAX ? BAR_MAX : left / 2;
	if (line->percent >= 0 && bar >= BAR_MIN && left > PERCENT_CELLS + 1 + bar) {
		buf_add(out, " ", 1);
		bar_add(out, line->percent, bar);
		left -= bar + 1;
	}
	if (line->percent >= 0 && left >= PERCENT_CELLS) {
		buf_printf(out, " %3d%%", line->percent > 100 ? 100 : line->percent);
		left -= PERCENT_CELLS - 1;
	}
	if (left > 2 && line->detail[0]) {
		buf_add(out, "  ", 2);
		text_add_cut(out, line->detail, left - 2);
	}
}
