/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal on standard output. */
#include "term.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "storyclip/common/file.h"

#define ESC "\033["

static bool env_is_set(const char *name)
{
	const char *value = getenv(name);

	return value && value[0];
}

void term_init(struct term *term, bool may_draw)
{
	const char *kind = getenv("TERM");

	*term = (struct term){0};
	term->is_live = may_draw && isatty(STDOUT_FILENO) && kind && strcmp(kind, "dumb") != 0;
	term->has_color = term->is_live && !env_is_set("NO_COLOR");
	term_measure(term);
}

void term_measure(struct term *term)
{
	struct winsize size;

	if (!term->is_live) {
		term->width = SIZE_MAX;
		term->height = SIZE_MAX;
		return;
	}
	term->width = 80;
	term->height = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
		term->width = size.ws_col;
		term->height = size.ws_row;
	}
	/* The last cell stays free: many terminals wrap when it is written. */
	if (term->width > 1)
		term->width--;
}

/* In one write, so that no half frame is seen. What cannot be drawn is no failure of the command.
 */
static void put(const struct buf *text)
{
	fflush(stdout);
	if (text->len)
		(void)!file_write_all(STDOUT_FILENO, text->data, text->len);
}

static void add_live_clear(struct term *term, struct buf *out)
{
	if (term->live_lines)
		buf_printf(out, ESC "%zuA\r" ESC "J", term->live_lines);
	term->live_lines = 0;
}

void term_live_clear(struct term *term)
{
	auto_buf struct buf out = BUF_EMPTY;

	add_live_clear(term, &out);
	put(&out);
}

void term_live_draw(struct term *term, const struct buf *text)
{
	auto_buf struct buf out = BUF_EMPTY;

	if (!term->is_live)
		return;
	add_live_clear(term, &out);
	if (text->len)
		buf_add(&out, text->data, text->len);
	for (size_t i = 0; i < text->len; i++)
		term->live_lines += text->data[i] == '\n';
	put(&out);
}

static void put_str(const char *s)
{
	fflush(stdout);
	(void)!file_write_all(STDOUT_FILENO, s, strlen(s));
}

void term_full_begin(struct term *term)
{
	struct termios keys;

	if (!term->is_live)
		return;
	if (tcgetattr(STDIN_FILENO, &term->saved) == 0) {
		keys = term->saved;
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		keys.c_cc[VSUSP] =
			_POSIX_VDISABLE; /* a stopped top would leave the screen as it is */
		term->has_saved = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
	}
	term->is_full = true;
	put_str(ESC "?1049h" ESC "?25l");
}

void term_full_draw(struct term *term, const struct buf *text)
{
	auto_buf struct buf out = BUF_EMPTY;

	/*
	 * Each line is cleared behind its text, the rest at the end: nothing flickers. No newline
	 * behind the last: on a full screen it would scroll.
	 */
	buf_add_str(&out, ESC "H");
	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] == '\n')
			buf_add_str(&out, i + 1 < text->len ? ESC "K\r\n" : ESC "K");
		else
			buf_add(&out, &text->data[i], 1);
	}
	buf_add_str(&out, ESC "J");
	put(&out);
}

void term_full_end(struct term *term)
{
	if (!term->is_full)
		return;
	term->is_full = false;
	put_str(ESC "?25h" ESC "?1049l");
	if (term->has_saved)
		tcsetattr(STDIN_FILENO, TCSANOW, &term->saved);
	term->has_saved = false;
}

void term_add_state(const struct term *term, struct buf *out, enum job_state state,
		    const char *text)
{
	static const char *const colors[JOB_STATE_COUNT + 1] = {
		[JOB_QUEUED] = "2",  [JOB_RUNNING] = "36",   [JOB_DONE] = "32",
		[JOB_FAILED] = "31", [JOB_CANCELLED] = "33", [JOB_STATE_COUNT] = "0",
	};

	if (term->has_color)
		buf_printf(out, ESC "%sm%s" ESC "0m", colors[state], text);
	else
		buf_add_str(out, text);
}
