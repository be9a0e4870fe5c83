/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for jobs to end. */
#include "watch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "bar.h"
#include "text.h"

#define LOOK_MS 200

struct watch {
	struct cli *cli;
	struct watched *jobs;
	size_t n;
	watch_ended_fn ended;
	void *context;
	int worst;
};

int watch_exit_of(enum job_state state)
{
	return state == JOB_DONE ? CLI_DONE : state == JOB_CANCELLED ? CLI_CANCELLED : CLI_FAILED;
}

static void say_ended(struct cli *cli, const struct job_status *s, const char *text)
{
	if (cli->options->is_json)
		cli_print_raw(cli, text);
	if (s->state == JOB_FAILED) {
		cli_error(cli, "%s (%s) failed: %s: %s", s->id, s->upload_id, s->error_code,
			  s->error_message);
	} else if (s->state == JOB_CANCELLED) {
		cli_error(cli, "%s (%s) was cancelled", s->id, s->upload_id);
	} else if (!cli->options->is_json) {
		cli_print(cli, "%s  done  %d clip%s  %s", s->id, s->total_clips,
			  s->total_clips == 1 ? "" : "s", s->upload_id);
		if (s->n_warnings)
			cli_print(cli, "%s  %zu warning%s: storyclip status %s", s->id,
				  s->n_warnings, s->n_warnings == 1 ? "" : "s", s->id);
	}
}

static void note_status(struct watch *w, struct watched *job, struct job_status status,
			const char *text)
{
	job_status_finish(&job->status);
	job->status = status;
	job->is_over = job_state_is_final(status.state);
	if (!job->is_over)
		return;
	say_ended(w->cli, &status, text);
	w->worst = cli_worse(w->worst, watch_exit_of(status.state));
	if (w->ended)
		w->worst = cli_worse(w->worst, w->ended(w->cli, job, text, w->context));
}

/*
 * One look at a job. `wait` and `status` give the same; only the first blocks.
 * @return CLI_DONE, or an exit code that ends the watching
 */
static int look(struct watch *w, struct watched *job, int dir_fd, const char *file)
{
	struct cli *cli = w->cli;
	auto_free char *text = NULL;
	struct job_status status;
	int r = job_read(dir_fd, job->id, file, &status, &text, NULL);

	if (r == 0) {
		note_status(w, job, status, text);
		return CLI_DONE;
	}
	if (cli_interrupted())
		return cli_interrupted();
	if (cli_errno_is_gone(r))
		return cli_fail(cli, r, "%s", job->id);
	job->is_over = true;
	if (r == -ENOENT && job->status.message) {
		cli_error(cli, "%s: removed while it was waited for", job->id);
		w->worst = cli_worse(w->worst, CLI_FAILED);
	} else if (r == -ENOENT) {
		w->worst = cli_worse(w->worst, cli_no_job(cli, job->id));
	} else {
		w->worst = cli_worse(w->worst, cli_fail(cli, r, "%s/%s", job->id, file));
	}
	return CLI_DONE;
}

static void add_job(struct buf *out, const struct watched *job, size_t name_cells, size_t width)
{
	const struct job_status *s = &job->status;
	char detail[JOB_CLIPS_SIZE + ERROR_MESSAGE_SIZE], clips[JOB_CLIPS_SIZE];
	struct bar_line line = {
		.name = s->upload_id,
		.name_cells = name_cells,
		.percent = s->progress,
		.detail = detail,
	};

	job_format_clips(s, clips);
	if (s->total_clips >= 0)
		snprintf(detail, sizeof(detail), "%s clips  %s", clips, s->message);
	else
		snprintf(detail, sizeof(detail), "%s", s->message);
	bar_line_add(out, &line, width);
	buf_add(out, "\n", 1);
}

/* Bars of those that run, then of those that wait, as many as fit. */
static void draw(struct watch *w)
{
	static const enum job_state order[] = {JOB_RUNNING, JOB_QUEUED};
	struct term *term = &w->cli->term;
	auto_buf struct buf out = BUF_EMPTY;
	size_t room, left = 0, shown = 0, name_cells = 0;

	term_measure(term);
	room = term->height > 2 ? term->height - 2 : 1;
	for (size_t i = 0; i < w->n; i++) {
		if (w->jobs[i].is_over || !w->jobs[i].status.message)
			continue;
		left++;
		if (text_width(w->jobs[i].status.upload_id) > name_cells)
			name_cells = text_width(w->jobs[i].status.upload_id);
	}
	for (size_t k = 0; k < SC_ARRAY_SIZE(order); k++) {
		for (size_t i = 0; i < w->n && shown < room; i++) {
			const struct watched *job = &w->jobs[i];

			if (job->is_over || !job->status.message || job->status.state != order[k])
				continue;
			add_job(&out, job, name_cells, term->width);
			shown++;
		}
	}
	if (left > shown)
		buf_printf(&out, "and %zu more\n", left - shown);
	term_live_draw(term, &out);
}

/* A look at each. The mount is not kept open between two: it could not be unmounted. */
static int look_at_all(struct watch *w, size_t *ret_left)
{
	auto_fd int dir_fd = -1;
	int r = cli_open_mount(w->cli, &dir_fd);

	*ret_left = 0;
	for (size_t i = 0; !r && i < w->n; i++) {
		if (!w->jobs[i].is_over)
			r = look(w, &w->jobs[i], dir_fd, "status");
		*ret_left += !w->jobs[i].is_over;
	}
	return r;
}

/* On a terminal: look at all, draw, sleep. */
static int watch_live(struct watch *w)
{
	for (;;) {
		size_t left;
		int r = look_at_all(w, &left);

		if (r)
			return r;
		draw(w);
		if (!left || cli_interrupted())
			return cli_interrupted();
		poll(NULL, 0, LOOK_MS);
	}
}

/* In a pipe: one after the other; together they take as long as the longest. */
static int watch_blocking(struct watch *w)
{
	for (size_t i = 0; i < w->n; i++) {
		auto_fd int dir_fd = -1;
		int r = cli_interrupted();

		if (!r)
			r = cli_open_mount(w->cli, &dir_fd);
		while (!r && !w->jobs[i].is_over)
			r = look(w, &w->jobs[i], dir_fd, "wait");
		if (r)
			return r;
	}
	return CLI_DONE;
}

static void say_going_on(struct watch *w)
{
	auto_buf struct buf ids = BUF_EMPTY;

	for (size_t i = 0; i < w->n; i++)
		if (!w->jobs[i].is_over)
			buf_printf(&ids, " %s", w->jobs[i].id);
	if (ids.len)
		cli_error(w->cli, "the jobs go on; to stop them: storyclip cancel%s", ids.data);
}

int watch_run(struct cli *cli, struct watched *jobs, size_t n, watch_ended_fn ended, void *context)
{
	struct watch w = {cli, jobs, n, ended, context, CLI_DONE};
	int r = cli->term.is_live ? watch_live(&w) : watch_blocking(&w);

	term_live_clear(&cli->term);
	if (r && cli_interrupted())
		say_going_on(&w);
	for (size_t i = 0; i < n; i++)
		job_status_finish(&jobs[i].status);
	return r ? r : w.worst;
}
