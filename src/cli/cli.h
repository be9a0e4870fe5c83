/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program storyclip: what its commands share. A person's first tool; it does nothing that a
 * shell could not do with the mount's files, and knows nothing of the daemon behind them.
 *
 * One thread. Commands print what they have to say and return an exit code.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "options.h"
#include "storyclip/common/macros.h"
#include "term.h"

/** Exit codes; 128 + the signal's number for one that was caught (Ctrl-C: 130). */
enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_MOUNT = 3,
	CLI_CANCELLED = 4,
	CLI_REFUSED = 5,
};

struct cli {
	const struct options *options;
	char *mount; /* absolute path of the mount's root */
	struct term term;
};

/** The whole program. @return its exit code */
int cli_main(int argc, char **argv);

/** The one of two exit codes that says more: no mount, refused, failed, cancelled, done. */
int cli_worse(int a, int b);

/** Print one line to standard error, with the program's name, made safe. */
void cli_error(struct cli *cli, const char *fmt, ...) SC_PRINTF(2, 3);
/**
 * The same for a failed call: ": <reason>" is added. r is a negative errno.
 * @return CLI_NO_MOUNT when it tells that the mount went away, 128 + signal when one was caught,
 * else CLI_FAILED
 */
int cli_fail(struct cli *cli, int r, const char *fmt, ...) SC_PRINTF(3, 4);
/** Print one line to standard output; what is formatted is made safe. */
void cli_print(struct cli *cli, const char *fmt, ...) SC_PRINTF(2, 3);
/** Print text as it is (JSON, or made safe already). */
void cli_print_raw(struct cli *cli, const char *text);

/** Say that there is no such job. @return CLI_REFUSED */
int cli_no_job(struct cli *cli, const char *id);

/** The exit code of a signal that was caught; 0 without one. */
int cli_interrupted(void);

/**
 * Open the mount's root. Not kept for long: an open directory keeps a mount from being unmounted.
 * On failure it has been printed. @return CLI_DONE or CLI_NO_MOUNT
 */
int cli_open_mount(struct cli *cli, int *ret_fd);
/** Whether an errno tells that the daemon has gone. */
bool cli_errno_is_gone(int r);

/* The commands, one per file or two. */
int cut_run(struct cli *cli);
int wait_run(struct cli *cli);
int status_run(struct cli *cli);
int cancel_run(struct cli *cli);
int retry_run(struct cli *cli);
int rm_run(struct cli *cli);
int ls_run(struct cli *cli);
int top_run(struct cli *cli);
