/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads that wait (wait, events): kept, answered later, interruptible. A parked request holds no
 * thread. It belongs to whoever takes it off its list under the lock: the notify thread, the stop,
 * or the interrupt; only that one answers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "node.h"
#include "notify.h"
#include "storyclip/common/sync.h"

struct parked_read {
	/* constant */
	fuse_req_t req;
	void *file; /* the open file; it is there until the answer */
	size_t size;
	off_t off;
	/* protected by fs.parked */
	bool is_interrupted;              /* before it was put on a list */
	struct parked_read *next, **back; /* back: NULL while it is on no list */
};

/** Reads that wait for the same kind of thing; all zero when empty. */
struct parked_list {
	struct parked_read *first;
};

/** The lock of all that wait, by a read or by poll(2), and the reads. */
struct parked {
	struct lock lock; /* fs.parked */
	/* protected by lock */
	bool is_stopping;
	struct parked_list waits;  /* reads of wait */
	struct parked_list events; /* reads of events */
	/* fs.notify: wakes who polls when the mount stops */
	struct notify_item stop_item;
	bool is_stop_told;
};

void parked_init(struct parked *parked);
void parked_finish(struct parked *parked);
/** Answer everybody with ENOTCONN, and whoever would park from now on. */
void parked_stop(struct fs *fs);
/** How many reads wait now: for metrics. */
unsigned int parked_count(struct fs *fs);

/** What a request needs in order to wait. NULL: no memory. Without the lock. */
struct parked_read *parked_create(fuse_req_t req, void *file, size_t size, off_t off);
/** Put it on a list. @return 0; -EINTR (the caller takes it back by parked_take_back()) */
int parked_add_locked(struct parked_list *list, struct parked_read *read);
void parked_remove_locked(struct parked_read *read);
/**
 * Free a read that the caller has taken off its list, or has not put on one, and hand out the
 * request, which the caller answers. Without the lock.
 */
fuse_req_t parked_take_back(struct parked_read *read);
