/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients have stored through shared mappings is the kernel's until it writes it: before the mount ends. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "storyclip/common/sync.h"

/** Start it zeroed. Used by the main thread; `flush`, its own thread, only does the call. */
struct flush {
	struct lock lock;
	struct cond cond;
	bool is_done; /* protected by lock */
	pthread_t thread;
	bool has_thread;
	const char *mountpoint;
};

/** Have the kernel write them, while requests are answered still: syncfs(2). Waits a bounded time. */
void flush_begin(struct flush *flush, const char *mountpoint);
/** Once the mount is gone, which ends a call that was not answered. */
void flush_end(struct flush *flush);
