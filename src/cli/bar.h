/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress as a bar, and as one line of a terminal. Pure; any thread. */
#pragma once

#include <stddef.h>

#include "storyclip/common/buf.h"

/**
 * Add "[####....]": cells counts the brackets too; under three nothing is added. In UTF-8 in
 * eighths of a cell, else in whole ones. percent is cut to 0..100; only 100 fills the bar.
 */
void bar_add(struct buf *out, int percent, size_t cells);

/** What one line shows. Texts come from outside: they are made safe here. */
struct bar_line {
	const char *name;
	size_t name_cells;  /* its column, so that the bars of several lines stand below each other;
			       0: its own */
	int percent;        /* below 0: unknown, no bar */
	const char *detail; /* behind the number, gets what room is left */
};
/** Add the line in at most width cells, without newline; narrow ones lose detail first, then the
 * bar. */
void bar_line_add(struct buf *out, const struct bar_line *line, size_t width);
