/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs as a table. */
#include "table.h"

#include <stdio.h>
#include <string.h>

#include "bar.h"
#include "storyclip/common/clock.h"
#include "text.h"
#include "times.h"

#define GAP            2
#define STATE_CELLS    9 /* "cancelled" */
#define PROGRESS_CELLS 8
#define BAR_CELLS      22
#define AGE_CELLS      6
#define UPLOAD_MIN     12

struct columns {
	size_t id, clips, upload, bar;
};

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t columns_width(const struct columns *c)
{
	return c->id + STATE_CELLS + PROGRESS_CELLS + c->bar + c->clips + c->upload + AGE_CELLS +
	       GAP * 5;
}

/* As wide as their content; what does not fit is taken from the upload, then from the bar and the
 * id. */
static struct columns measure(const struct term *term, const struct job_status **jobs, size_t n,
			      bool has_bars)
{
	struct columns c = {.id = 2, .clips = 5, .upload = 6, .bar = has_bars ? BAR_CELLS : 0};
	char clips[JOB_CLIPS_SIZE];

	for (size_t i = 0; i < n; i++) {
		job_format_clips(jobs[i], clips);
		c.id = max_size(c.id, strlen(jobs[i]->id));
		c.clips = max_size(c.clips, strlen(clips));
		c.upload = max_size(c.upload, text_width(jobs[i]->upload_id));
	}
	if (columns_width(&c) > term->width && c.upload > UPLOAD_MIN) {
		size_t over = columns_width(&c) - term->width;

		c.upload = c.upload - UPLOAD_MIN > over ? c.upload - over : UPLOAD_MIN;
	}
	if (columns_width(&c) > term->width)
		c.bar = 0;
	return c;
}

static void add_gap(struct buf *out)
{
	buf_add(out, "  ", GAP);
}

static void add_job(struct buf *out, const struct term *term, const struct columns *c,
		    const struct job_status *job, int64_t now_ms)
{
	char clips[JOB_CLIPS_SIZE], age[TIMES_AGE_SIZE], state[STATE_CELLS + 1];

	job_format_clips(job, clips);
	times_format_age(now_ms - job->created_ms, age);
	text_add_padded(out, job->id, c->id);
	add_gap(out);
	snprintf(state, sizeof(state), "%-*s", STATE_CELLS, job_state_name(job->state));
	term_add_state(term, out, job->state, state);
	add_gap(out);
	if (c->bar) {
		bar_add(out, job->progress, c->bar - 1);
		buf_add(out, " ", 1);
	}
	buf_printf(out, "%*d%%", PROGRESS_CELLS - 1, job->progress);
	add_gap(out);
	text_add_padded(out, clips, c->clips);
	add_gap(out);
	text_add_padded(out, job->upload_id, c->upload);
	add_gap(out);
	buf_printf(out, "%*s\n", AGE_CELLS, age);
}

static void add_head(struct buf *out, const struct columns *c)
{
	text_add_padded(out, "ID", c->id);
	add_gap(out);
	text_add_padded(out, "STATE", STATE_CELLS);
	add_gap(out);
	text_add_padded(out, "", c->bar);
	text_add_padded(out, "PROGRESS", PROGRESS_CELLS);
	add_gap(out);
	text_add_padded(out, "CLIPS", c->clips);
	add_gap(out);
	text_add_padded(out, "UPLOAD", c->upload);
	add_gap(out);
	buf_printf(out, "%*s\n", AGE_CELLS, "AGE");
}

/* A terminal narrower than the narrowest table: cut, without colours, which would be cut too. */
static void add_narrow(struct buf *out, const struct term *term, const struct columns *c,
		       const struct job_status **jobs, size_t n)
{
	struct term plain = {.width = term->width};
	int64_t now_ms = clock_wall_ms(&clock_system);

	for (size_t i = 0; i <= n; i++) {
		auto_buf struct buf line = BUF_EMPTY;

		if (i == 0)
			add_head(&line, c);
		else
			add_job(&line, &plain, c, jobs[i - 1], now_ms);
		if (buf_error(&line) < 0)
			return;
		line.data[line.len - 1] = '\0';
		text_add_cut(out, line.data, term->width);
		buf_add(out, "\n", 1);
	}
}

void table_add_jobs(struct buf *out, const struct term *term, const struct job_status **jobs,
		    size_t n, bool has_bars)
{
	struct columns c = measure(term, jobs, n, has_bars);
	int64_t now_ms = clock_wall_ms(&clock_system);

	if (columns_width(&c) > term->width) {
		add_narrow(out, term, &c, jobs, n);
		return;
	}
	add_head(out, &c);
	for (size_t i = 0; i < n; i++)
		add_job(out, term, &c, jobs[i], now_ms);
}
