/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip wait: until jobs have ended. */
#include <string.h>

#include "cli.h"
#include "watch.h"

int wait_run(struct cli *cli)
{
	const struct options *o = cli->options;
	auto_free struct watched *jobs = calloc(o->n_args, sizeof(*jobs));

	if (!jobs)
		return cli_fail(cli, -ENOMEM, "wait");
	for (size_t i = 0; i < o->n_args; i++)
		memcpy(jobs[i].id, o->args[i], strlen(o->args[i]) + 1);
	return watch_run(cli, jobs, o->n_args, NULL, NULL);
}
