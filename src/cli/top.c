/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip top: all jobs, drawn anew each second until q or Ctrl-C. In a pipe: once. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "health.h"
#include "jobs.h"
#include "storyclip/common/clock.h"
#include "table.h"
#include "text.h"

#define FRAME_MS   1000
#define HEAD_LINES 4 /* summary, counts, blank, the table's head */

static void add_line(struct buf *out, const struct buf *line, size_t width)
{
	if (line->len)
		text_add_cut(out, line->data, width);
	buf_add(out, "\n", 1);
}

static void add_head(struct buf *out, const struct cli *cli, const struct health *health,
		     const struct job_list *list)
{
	auto_buf struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	size_t counts[JOB_STATE_COUNT] = {0};
	char now[CLOCK_UTC_SIZE];

	clock_format_utc(clock_wall_ms(&clock_system), now);
	buf_printf(&first, "storyclip %.8s UTC  %s: ", now + strlen("2026-11-24T"), cli->mount);
	health_add(&first, health);
	add_line(out, &first, cli->term.width);
	for (size_t i = 0; i < list->n; i++)
		counts[list->rows[i].status.state]++;
	buf_printf(&second, "%zu job%s:", list->n, list->n == 1 ? "" : "s");
	for (int s = 0; s < JOB_STATE_COUNT; s++)
		buf_printf(&second, "%s %zu %s", s ? "," : "", counts[s],
			   job_state_name((enum job_state)s));
	add_line(out, &second, cli->term.width);
	buf_add(out, "\n", 1);
}

/* One frame. The mount is opened for each: an open one could not be unmounted. */
static int frame(struct cli *cli, struct job_list *list, struct buf *out)
{
	auto_free const struct job_status **sorted = NULL;
	auto_health struct health health = {0};
	auto_fd int dir_fd = -1;
	size_t n;
	int r;

	r = cli_open_mount(cli, &dir_fd);
	if (r)
		return r;
	r = health_read(dir_fd, &health);
	if (r == 0)
		r = job_list_refresh(list, dir_fd);
	if (r < 0)
		return cli_fail(cli, r, "%s", cli->mount);
	sorted = job_list_sorted(list, job_compare_active);
	if (!sorted)
		return cli_fail(cli, -ENOMEM, "top");
	add_head(out, cli, &health, list);
	n = list->n;
	if (cli->term.height <= HEAD_LINES)
		n = 0;
	else if (n > cli->term.height - HEAD_LINES)
		n = cli->term.height - HEAD_LINES;
	table_add_jobs(out, &cli->term, sorted, n, true);
	return CLI_DONE;
}

/* Until the next frame is due. @return true when q was pressed, or the keyboard went away */
static bool sleep_or_quit(void)
{
	struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;

	/* Without a keyboard (a script's closed input) Ctrl-C remains. */
	if (!isatty(STDIN_FILENO)) {
		poll(NULL, 0, FRAME_MS);
		return false;
	}
	if (poll(&keys, 1, FRAME_MS) <= 0)
		return false;
	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

int top_run(struct cli *cli)
{
	auto_job_list struct job_list list = {0};
	int r;

	term_full_begin(&cli->term);
	for (;;) {
		auto_buf struct buf out = BUF_EMPTY;

		term_measure(&cli->term);
		r = frame(cli, &list, &out);
		if (r)
			break;
		if (!cli->term.is_full) {
			cli_print_raw(cli, out.data ? out.data : "");
			break;
		}
		term_full_draw(&cli->term, &out);
		if (cli_interrupted() || sleep_or_quit())
			break;
	}
	term_full_end(&cli->term);
	/* Ctrl-C is the ordinary way out of top, as q is. */
	return r ? r : cli_interrupted() == 128 + SIGINT ? CLI_DONE : cli_interrupted();
}
