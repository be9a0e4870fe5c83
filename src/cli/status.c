/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip status: jobs in detail, or the mount as a whole. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "cli.h"
#include "health.h"
#include "jobs.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "table.h"
#include "text.h"
#include "times.h"

static void add_row(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "  %-9s", name);
	text_add_safe(out, value);
	buf_add(out, "\n", 1);
}

static void add_times(struct buf *out, const struct job_status *s)
{
	char when[CLOCK_UTC_SIZE], age[TIMES_AGE_SIZE], line[96];

	clock_format_utc(s->created_ms, when);
	times_format_age(clock_wall_ms(&clock_system) - s->created_ms, age);
	snprintf(line, sizeof(line), "%s (%s ago)", when, age);
	add_row(out, "created", line);
	if (!s->finished_ms)
		return;
	clock_format_utc(s->finished_ms, when);
	if (s->processing_ms >= 0)
		snprintf(line, sizeof(line), "%s (took %" PRId64 ".%03d s)", when,
			 s->processing_ms / 1000, (int)(s->processing_ms % 1000));
	else
		snprintf(line, sizeof(line), "%s", when);
	add_row(out, "finished", line);
}

static void add_warnings(struct buf *out, const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	const json_t *warnings = json_object_get(json, "warnings");

	for (size_t i = 0; i < json_array_size(warnings); i++) {
		const char *warning = json_string_value(json_array_get(warnings, i));

		add_row(out, "warning", warning ? warning : "?");
	}
	json_decref(json);
}

static void print_job(struct cli *cli, const struct job_status *s, const char *text)
{
	auto_buf struct buf out = BUF_EMPTY, line = BUF_EMPTY;
	char clips[JOB_CLIPS_SIZE];

	buf_printf(&out, "%s  ", s->id);
	term_add_state(&cli->term, &out, s->state, job_state_name(s->state));
	buf_printf(&out, "  %d%%", s->progress);
	if (s->state != JOB_FAILED) { /* there the message is the error's, below */
		buf_add_str(&out, "  ");
		text_add_safe(&out, s->message);
	}
	buf_add(&out, "\n", 1);
	add_row(&out, "upload", s->upload_id);
	job_format_clips(s, clips);
	buf_printf(&line, "%s", clips);
	if (s->state == JOB_RUNNING || s->state == JOB_DONE)
		buf_printf(&line, " in %s/jobs/%s/clips", cli->mount, s->id);
	add_row(&out, "clips", line.data ? line.data : clips);
	if (s->state == JOB_FAILED) {
		buf_reset(&line);
		buf_printf(&line, "%s: %s", s->error_code, s->error_message);
		add_row(&out, "error", line.data ? line.data : s->error_code);
	}
	add_times(&out, s);
	if (s->n_warnings)
		add_warnings(&out, text);
	cli_print_raw(cli, out.data ? out.data : "");
}

static int show_one(struct cli *cli, int dir_fd, const char *id)
{
	auto_status struct job_status status = {0};
	auto_free char *text = NULL;
	int r = job_read(dir_fd, id, "status", &status, &text, NULL);

	if (r == -ENOENT)
		return cli_no_job(cli, id);
	if (r < 0)
		return cli_fail(cli, r, "%s/jobs/%s/status", cli->mount, id);
	if (cli->options->is_json)
		cli_print_raw(cli, text);
	else
		print_job(cli, &status, text);
	return CLI_DONE;
}

/* Without ids: how the mount is, and what is not yet over. */
static int show_all(struct cli *cli, int dir_fd)
{
	auto_job_list struct job_list list = {0};
	auto_health struct health health = {0};
	auto_free const struct job_status **sorted = NULL;
	auto_buf struct buf out = BUF_EMPTY;
	size_t active = 0;
	int r;

	r = health_read(dir_fd, &health);
	if (r < 0)
		return cli_fail(cli, r, "%s/health", cli->mount);
	r = job_list_refresh(&list, dir_fd);
	if (r < 0)
		return cli_fail(cli, r, "%s/jobs", cli->mount);
	sorted = job_list_sorted(&list, job_compare_active);
	if (!sorted)
		return cli_fail(cli, -ENOMEM, "status");
	while (active < list.n && !job_state_is_final(sorted[active]->state))
		active++;
	text_add_safe(&out, cli->mount);
	buf_add_str(&out, ": ");
	health_add(&out, &health);
	buf_printf(&out, "; %zu job%s ended\n", list.n - active, list.n - active == 1 ? "" : "s");
	if (active)
		table_add_jobs(&out, &cli->term, sorted, active, false);
	cli_print_raw(cli, out.data ? out.data : "");
	return CLI_DONE;
}

static int show_health_json(struct cli *cli, int dir_fd)
{
	auto_free char *text = NULL;
	int r = file_read_text(dir_fd, "health", 1u << 20, &text, NULL);

	if (r < 0)
		return cli_fail(cli, r, "%s/health", cli->mount);
	cli_print_raw(cli, text);
	return CLI_DONE;
}

int status_run(struct cli *cli)
{
	const struct options *o = cli->options;
	auto_fd int dir_fd = -1;
	int worst = cli_open_mount(cli, &dir_fd);

	if (worst)
		return worst;
	if (!o->n_args)
		return o->is_json ? show_health_json(cli, dir_fd) : show_all(cli, dir_fd);
	for (size_t i = 0; i < o->n_args; i++)
		worst = cli_worse(worst, show_one(cli, dir_fd, o->args[i]));
	return worst;
}
