/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who asks: credentials of the process behind a request, as the kernel gave them. Plain data. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define CALLER_GROUPS_MAX 64 /* supplementary groups kept; more are left out (fewer rights, never more) */

struct caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	size_t n_groups;
	gid_t groups[CALLER_GROUPS_MAX];
};
