/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * poll(2), select and epoll on files of the mount. An open file that can tell of something has a
 * poller; the kernel's question leaves a handle in it, and the notify thread answers that handle
 * once the kernel was told of the change. The kernel then asks again, which brings the next handle.
 *
 * A kind of node without a poll handler is an ordinary file: always readable and writable.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>

#include "node.h"

/** What an ordinary file answers. */
#define POLL_ORDINARY (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM)
/** A newer version of this text exists. */
#define POLL_NEWER (POLLIN | POLLRDNORM | POLLPRI)
/** A read of this stream does not block. */
#define POLL_READABLE (POLLIN | POLLRDNORM)

/** The beginning of an open file. */
struct poller {
	/** Free the open file, the poller with it: it is released, or the mount ends while it is
	 * open. */
	void (*destroy)(struct fs *fs, struct poller *poller);
	/* protected by fs.parked */
	struct fuse_pollhandle *handle;        /* owned; NULL: nobody waits */
	struct poller *next, **back;           /* on a list while there is a handle */
	struct poller *open_next, **open_back; /* of all open files */
};

/** Open files that wait for the same; all zero when empty. */
struct poll_list {
	/* protected by fs.parked */
	struct poller *first;
};

/** A file is opened. */
void poller_init(struct fs *fs, struct poller *poller,
		 void (*destroy)(struct fs *fs, struct poller *poller));
/** The open file goes: part of its destroy. */
void poller_finish(struct fs *fs, struct poller *poller);
/** Destroy what the kernel has not released: the mount has ended. No other thread may be here. */
void pollers_destroy_all(struct fs *fs);
/** Keep a handle in place of the one before. @param handle  owned from now on; NULL changes nothing
 */
void poll_keep(struct fs *fs, struct poll_list *list, struct poller *poller,
	       struct fuse_pollhandle *handle);
/**
 * Wake those on the list that are due (NULL: all). Only from the notify thread.
 * @param is_due  called with fs.parked held; the poller's open file cannot go away meanwhile
 */
void poll_wake(struct fs *fs, struct poll_list *list,
	       bool (*is_due)(const struct poller *poller, const void *context),
	       const void *context);
