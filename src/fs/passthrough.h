/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel passthrough (FUSE.md section 3): reads and writes of an open file go to its backing file
 * without coming here. It is there or not in three steps: at build time libfuse and the kernel's
 * headers must know it, with INIT the kernel must offer it, and for each file the kernel must accept
 * the backing file. Whatever is refused is opened without, silently.
 *
 * All opens of an inode that are under way at one time must have the same backing id, or all none:
 * the kernel fails others with EIO. struct backing keeps that.
 */
#pragma once

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "storyclip/error.h"

struct fs;

/** Of one inode, {0} at first; protected by fs.tree. */
struct backing {
	unsigned int opens;
	int id;        /* the kernel's; 0: none */
	bool is_plain; /* opened without one, so none may be had until the last of its opens has gone */
};

struct passthrough {
	const char *why_not; /* NULL: negotiated. Constant from INIT on */
	atomic_int refused;  /* errno with which the kernel last refused a backing file; 0: it did not */
	atomic_bool is_tried;
};

/** In the init handler: ask the kernel for it. */
void passthrough_init(struct fs *fs, struct fuse_conn_info *conn);

/**
 * One more open of an inode. Fills in how it is opened (fi->backing_id, and the flags that go with it).
 * @param fd  open for reading or writing, the kernel's from now on as well; borrowed
 * @param is_wanted  false: only if the inode is open so already
 * @return whether it goes by passthrough
 * Threads: any handler, with the daemon's own rights, no lock held. Each call wants a backing_close().
 */
bool backing_open(struct fs *fs, struct backing *backing, int fd, bool is_wanted,
		  struct fuse_file_info *fi);
/** One open less, also one that could not be answered. Any thread, no lock held. */
void backing_close(struct fs *fs, struct backing *backing);

/** Whether it is in force, and if not, or not for all, why (else ""). Any handler: tries it when nobody has yet. */
bool passthrough_is_on(struct fs *fs, char why[ERROR_MESSAGE_SIZE]);
