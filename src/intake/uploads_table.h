/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table behind uploads.h: uploads by inode, each with its names. Shared by what happens to them
 * (uploads.c) and by what is due of them (uploads_due.c). Private to src/intake.
 */
#pragma once

#include "storyclip/common/sync.h"
#include "upload_names.h"
#include "uploads.h"

struct upload {
	struct upload *next; /* in its bucket */
	dev_t dev;
	ino_t ino;
	unsigned int writers;
	bool is_due;         /* sync and row are due */
	bool is_taken;       /* … and the registry thread is at it */
	bool is_anew;        /* … and not only for its times */
	int64_t written_ns;  /* its mtime before its times were set; UPLOAD_WRITTEN_UNKNOWN */
	unsigned int n_touching; /* whose times are being set now */
	int sync_fd;         /* what to sync; -1: by path */
	uint64_t generation; /* rises with every event: a sync that was overtaken does not count */
	bool is_incomplete;
	int64_t incomplete_size, incomplete_mtime_ns;
	struct upload_name **paths; /* its names, as far as they were told */
	size_t n_paths;
};

struct uploads {
	struct lock lock; /* intake.registry: all below */
	struct cond due_cond;
	bool is_woken;
	bool is_pausing; /* what is due is waited for by nobody */
	struct upload **buckets;
	size_t n_buckets, n_uploads;
	unsigned int n_open; /* with writers */
	size_t n_due;
	size_t n_fds, max_fds; /* sync_fds that are kept, and how many may be (max_fds: constant) */
	uint64_t generation;
	struct upload_names names;
	struct due changes; /* only its changes */
};

/** @return NULL: nothing goes on with it */
struct upload *uploads_find_locked(struct uploads *uploads, dev_t dev, ino_t ino)
	SC_REQUIRES(&uploads->lock);
/** The same, put in if it is not there. @return NULL without memory, which is logged */
struct upload *uploads_get_locked(struct uploads *uploads, dev_t dev, ino_t ino)
	SC_REQUIRES(&uploads->lock);
/** Forget it when nothing goes on with it any more. */
void uploads_settle_locked(struct uploads *uploads, struct upload *u) SC_REQUIRES(&uploads->lock);

/** Keep *fd (then -1) for the sync, unless one is kept already. */
void uploads_keep_fd_locked(struct uploads *uploads, struct upload *u, int *fd)
	SC_REQUIRES(&uploads->lock);
/** The kept one, the caller's now, or -1. */
int uploads_take_fd_locked(struct uploads *uploads, struct upload *u) SC_REQUIRES(&uploads->lock);

bool upload_has_path(const struct upload *u, const char *path);
void uploads_add_path_locked(struct uploads *uploads, struct upload *u, const char *path)
	SC_REQUIRES(&uploads->lock);
/** @return whether it had the name */
bool uploads_drop_path_locked(struct uploads *uploads, struct upload *u, const char *path)
	SC_REQUIRES(&uploads->lock);
/** Names below a renamed directory. @return whether it has such */
bool uploads_move_paths_locked(struct uploads *uploads, struct upload *u, const char *old_dir,
			       const char *new_dir) SC_REQUIRES(&uploads->lock);
/** No upload has this name any more. */
void uploads_forget_name_locked(struct uploads *uploads, const char *path)
	SC_REQUIRES(&uploads->lock);
