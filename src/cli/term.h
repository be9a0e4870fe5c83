/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The terminal on standard output, if there is one: its size, colours, a block of lines at the
 * bottom that is redrawn in place, and the whole screen for top. Plain ANSI sequences. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "storyclip/common/buf.h"
#include "storyclip/job.h"

struct term {
	bool is_live;   /* standard output is a terminal that can redraw */
	bool has_color; /* and NO_COLOR is not set */
	size_t width;   /* cells that may be used; unbounded when not live */
	size_t height;
	size_t live_lines; /* drawn at the bottom, to be replaced */
	bool is_full;      /* the whole screen is taken */
	bool has_saved;    /* the keyboard's settings are to be put back */
	struct termios saved;
};

/** @param may_draw  false: never redraw, as if in a pipe */
void term_init(struct term *term, bool may_draw);
/** Ask for the size again. */
void term_measure(struct term *term);

/** Take the block of live lines away: whatever is printed next stands where it began. */
void term_live_clear(struct term *term);
/** Replace the block. @param text  whole lines, each fitting the width */
void term_live_draw(struct term *term, const struct buf *text);

/** Take the whole screen, with keys read one by one and not shown. Does nothing when not live. */
void term_full_begin(struct term *term);
/** Draw one screen. @param text  lines, at most height, each fitting the width */
void term_full_draw(struct term *term, const struct buf *text);
/** Give the screen back. Idempotent. */
void term_full_end(struct term *term);

/** Add a text that is already safe, in the state's colour. */
void term_add_state(const struct term *term, struct buf *out, enum job_state state,
		    const char *text);
