/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One daemon per directory: lock files that say who holds them. Main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storyclip/config.h"

#define LOCKS_MAX     5
#define LOCKS_WAIT_MS 10000 /* umount returns before the daemon has gone */

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
 * to wait_ms (LOCKS_WAIT_MS for a mount) for another daemon to go. The lock ends with this process, however it ends.
 * @return 0, -EBUSY (*e names the holder's pid and mount point) or another errno
 */
int locks_take(const struct settings *settings, int64_t wait_ms, struct error *e,
	       struct locks *ret);
/** Whether a daemon has ROOT, as far as the caller may see. */
bool locks_are_held(const struct settings *settings);
void locks_release(struct locks *locks);
