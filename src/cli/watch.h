/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for jobs to end: bars on a terminal, blocking reads of `wait` and plain lines in a pipe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"
#include "jobs.h"

struct watched {
	char id[JOB_ID_SIZE];
	struct job_status status; /* the newest that was seen; its upload is NULL until then */
	bool is_over;             /* ended, or nothing more can be known of it */
};

/**
 * Called once for each job that has ended, after its line was printed.
 * @param text  its last status, JSON
 * @return an exit code; it joins the job's own
 */
typedef int (*watch_ended_fn)(struct cli *cli, const struct watched *job, const char *text,
			      void *context);

/**
 * Wait until all have ended and print how.
 * @param ended  may be NULL
 * @return the worst of the exit codes (cli_worse), at once for a mount that went away or a signal
 */
int watch_run(struct cli *cli, struct watched *jobs, size_t n, watch_ended_fn ended, void *context);

/** The exit code that an ended job gives. */
int watch_exit_of(enum job_state state);
