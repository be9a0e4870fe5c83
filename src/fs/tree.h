/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every name of the mount that is not data, written once: two tables, one for the root, one for
 * jobs/<id>. Look-up, listing, attributes and removal all walk them.
 */
#pragma once

#include <stdatomic.h>

#include "node.h"
#include "pollers.h"
#include "storyclip/common/buf.h"
#include "storyclip/job.h"

#define TREE_ROWS_MAX 16

struct row_dir;
struct job_dir;

struct tree_row {
	const char *name;
	mode_t mode;    /* type and permissions */
	double timeout; /* how long the kernel may keep the name */
	/** The node of this name now, with a reference. @return 0, -ENOENT, -ENOMEM, -EIO */
	int (*get)(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		   struct node **ret);
	const struct node_kind *kind; /* of the node, when get is row_node_get() */
	/* a text's renderer, when get is one of textfile.h */
	void (*render_job)(const struct job_snapshot *job, const char *cdn_base, struct buf *out);
	void (*render_root)(struct fs *fs, struct buf *out);
	/* Of a root's text: while this number is the same and the text is no older than that, it is
	   given again. Neither: it is made anew for each look-up, and is a new version when it differs. */
	uint64_t (*changes)(struct fs *fs);
	int64_t fresh_ms;
	bool is_fixed; /* the text never changes once its directory exists */
};

/** A directory whose names are rows: the root, or jobs/<id>. */
struct row_dir {
	struct node node;
	const struct tree_row *rows; /* constant, as are the next two */
	size_t n_rows;
	struct job_dir *job; /* the job whose directory it is, or NULL */
	/* protected by fs.tree; not counted: a dying child takes itself off */
	struct node **children; /* by row; made when one is looked up first */
	/* One bit for each row: the kernel may know the newest version of it. Set before the version
	   is read, cleared by the notify thread, which then tells the kernel. */
	atomic_uint looked;
	struct poll_list pollers; /* open texts of these names */
};

/** A node that is nothing but its row. */
struct row_node {
	struct node node;
	const struct tree_row *row;
};

extern const struct tree_row tree_root_rows[];
extern const size_t tree_root_rows_count;
extern const struct tree_row tree_job_rows[];
extern const size_t tree_job_rows_count;
/** The row of `status`, which `wait` gives in the end. */
extern const struct tree_row *const tree_status_row;
extern const struct tree_row *const tree_clips_row;

extern const struct node_kind tree_root_kind;

void row_dir_init(struct fs *fs, struct row_dir *dir, const struct node_kind *kind, uint64_t ino,
		  struct node *parent, const struct tree_row *rows, size_t n_rows);
static inline struct row_dir *row_dir_of(struct node *node)
{
	return (struct row_dir *)node;
}
static inline unsigned int row_index(const struct row_dir *dir, const struct tree_row *row)
{
	return (unsigned int)(row - dir->rows);
}
/** See that there is room for children. Without the lock. @return 0 or -ENOMEM */
int row_dir_prepare(struct fs *fs, struct row_dir *dir);
/** The row with this name, or NULL. */
const struct tree_row *row_find(const struct row_dir *dir, const char *name);
/** st_ino of a row's name. */
uint64_t row_ino(const struct row_dir *dir, const struct tree_row *row);

/** tree_row.get for nodes that are made once for each directory. */
int row_node_get(struct fs *fs, struct row_dir *dir, const struct tree_row *row, struct node **ret);
/** node_kind.detach and .destroy of a row_node, and of everything that starts with one. */
void row_node_detach(struct fs *fs, struct node *node);
void row_node_destroy(struct fs *fs, struct node *node);
static inline const struct tree_row *row_of(const struct node *node)
{
	return ((const struct row_node *)node)->row;
}

/** Handlers of directories of rows. */
void row_dir_lookup(struct fs *fs, fuse_req_t req, struct node *node, const char *name);
void row_dir_readdir(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		     struct fuse_file_info *fi, bool is_plus);
