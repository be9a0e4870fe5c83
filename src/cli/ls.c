/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip ls: all jobs, newest first. */
#include "cli.h"
#include "jobs.h"
#include "table.h"

/* Each status as it is, read once more: a list does not keep thousands of texts. */
static int print_json(struct cli *cli, int dir_fd, const struct job_status **jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_status struct job_status status = {0};
		auto_free char *text = NULL;
		int r = job_read(dir_fd, jobs[i]->id, "status", &status, &text, NULL);

		if (r == -ENOENT)
			continue; /* removed meanwhile */
		if (r < 0)
			return cli_fail(cli, r, "%s/jobs/%s/status", cli->mount, jobs[i]->id);
		cli_print_raw(cli, text);
	}
	return CLI_DONE;
}

int ls_run(struct cli *cli)
{
	const struct options *o = cli->options;
	auto_job_list struct job_list list = {0};
	auto_free const struct job_status **jobs = NULL;
	auto_buf struct buf out = BUF_EMPTY;
	auto_fd int dir_fd = -1;
	size_t n = 0;
	int r;

	r = cli_open_mount(cli, &dir_fd);
	if (r)
		return r;
	r = job_list_refresh(&list, dir_fd);
	if (r < 0)
		return cli_fail(cli, r, "%s/jobs", cli->mount);
	jobs = job_list_sorted(&list, job_compare_newest);
	if (!jobs)
		return cli_fail(cli, -ENOMEM, "ls");
	for (size_t i = 0; i < list.n; i++)
		if (!o->has_state || jobs[i]->state == o->state)
			jobs[n++] = jobs[i];
	if (o->is_json)
		return print_json(cli, dir_fd, jobs, n);
	table_add_jobs(&out, &cli->term, jobs, n, false);
	cli_print_raw(cli, out.data ? out.data : "");
	return CLI_DONE;
}
