/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies that appear whole: hidden temporary name, sync, rename. A caught signal ends them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/** Told now and then (at most ten times a second) how far a copy is. */
struct copy_watch {
	void (*report)(void *context, int64_t done_bytes, int64_t total_bytes);
	void *context;
};

/** A copy that has no name yet. */
struct copy {
	int dir_fd;    /* borrowed */
	char name[64]; /* temporary */
	bool is_there;
};

/**
 * Copy all of src_fd, from its start, to a hidden file in dir_fd, synced to disk. Sparse sources
 * stay whole, not sparse.
 * @param watch  may be NULL
 * @return 0, -EINTR (a signal was caught) or a negative errno; nothing is left behind then
 */
int copy_begin(int src_fd, int dir_fd, const struct copy_watch *watch, struct copy *ret);
/**
 * Give it its name and sync the directory.
 * @return 0, -EEXIST (only without may_replace; another name can be tried), another negative errno
 */
int copy_name(struct copy *copy, const char *name, bool may_replace);
/** Remove what has no name. Idempotent; accepts {0}. */
void copy_drop(struct copy *copy);
#define auto_copy __attribute__((cleanup(copy_drop)))

/** Whether two files hold the same bytes. @return 1, 0, -EINTR or a negative errno */
int copy_is_same(int a_fd, int b_fd);
