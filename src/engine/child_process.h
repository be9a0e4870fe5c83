/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting a child with exactly the descriptors of proto.h and nothing else. */
#pragma once

#include <sys/types.h>

struct spawn_plan {
	const char *path;  /* the program */
	const char *order; /* its standard input */
	size_t order_len;
	int said_fd;   /* standard output and error */
	int report_fd; /* the writing end, PROTO_REPORT_FD there */
	int fds[2];    /* descriptors 4 and 5 there */
};

/**
 * Start it in a process group of its own, with a small environment, no signal blocked or ignored.
 * The descriptors stay the caller's. Any thread.
 * @param ret_pidfd  becomes readable when it has ended
 * @return 0 or a negative errno (also of a program that is missing)
 */
int spawn_child(const struct spawn_plan *plan, pid_t *ret_pid, int *ret_pidfd);
