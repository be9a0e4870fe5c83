/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads that wait: jobs/<id>/wait. A parked request holds no thread; it is answered when the job has
 * ended, when its reader is interrupted, when the job is removed, or when the mount stops.
 */
#pragma once

#include <stdbool.h>

#include "node.h"
#include "storyclip/common/sync.h"

struct job_dir;
struct parked_read;

struct parked {
	struct lock lock;
	/* protected by lock */
	bool is_stopping;
	struct parked_read *first;
};

extern const struct node_kind parked_wait_kind;

void parked_init(struct parked *parked);
void parked_finish(struct parked *parked);
/** Answer everybody with ENOTCONN, and whoever would park from now on. */
void parked_stop(struct fs *fs);
/** From the notify thread: the job may have ended, or is gone. */
void parked_wake(struct fs *fs, struct job_dir *job);
