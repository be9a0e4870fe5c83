/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * incoming/: a read-write pass-through of UPLOAD_TMP_DIR, confined beneath it. A file is a node by its
 * device and inode number, with an O_PATH descriptor; a name is one component, opened beneath its
 * directory's descriptor. The backing directory may change behind the mount: behind.h has how the
 * kernel hears of that.
 */
#pragma once

#include <sys/types.h>

#include "node.h"
#include "notify.h"
#include "tree.h"

/** What programs should read and write at a time. */
#define INCOMING_BLKSIZE (1024 * 1024)

struct inc_node;
struct inc_file;

struct incoming {
	int root_fd; /* UPLOAD_TMP_DIR, O_PATH; -1: not opened */
	bool is_remote; /* others may change it unseen, and its closes report errors; constant */
	struct inc_node *root;
	/* protected by fs.tree: files open for writing */
	struct inc_file *writers;
	/* protected by fs.tree, see incoming_kept.c: regular files that the kernel knows, the one that
	   was looked up longest ago first */
	struct inc_node *kept_first, **kept_last;
	size_t n_kept, max_kept;
	bool is_trimming;
	struct inc_close *closes; /* while trimming: to be answered when there are fewer */
	struct notify_item trim;
};

extern const struct node_kind incoming_kind;

/** Open the directory. @return 0 or a negative errno */
int incoming_init(struct fs *fs, const char *path);
void incoming_finish(struct fs *fs);
/** tree_row.get of `incoming`. */
int incoming_get_root(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		      struct node **ret);
/**
 * The mount is gone, and with it every open file: tell the intake of those whose RELEASE the kernel
 * did not deliver any more.
 */
void incoming_all_closed(struct fs *fs);
