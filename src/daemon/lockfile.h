/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One daemon per directory: lock files that say who holds them. Main thread. */
#pragma once

#include <stddef.h>

#include "storyclip/config.h"

#define LOCKS_MAX 5

struct locks {
	int fds[LOCKS_MAX];
	char *paths[LOCKS_MAX]; /* owned */
	size_t n;
};

#define LOCKS_NONE     \
	{              \
		.n = 0 \
	}

/**
 * Lock ROOT and every directory that was moved out of it (for the database: that file), waiting up
 * to 10 s for another daemon to go. The lock ends with this process, however it ends.
 * @return 0, -EBUSY (*e names the holder's pid and mount point) or another errno
 */
int locks_take(const struct settings *settings, struct error *e, struct locks *ret);
void locks_release(struct locks *locks);
