/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots: each version of a text is a node of its own, so that its size, its time stamp and every
 * read of it agree for ever, and the kernel may cache all of it. A name leads to the newest version.
 *
 * A look-up first sets the name's `looked` bit and then reads the version; whoever changes the text
 * raises the version first and then clears the bit (notify.c). So no change is missed, and changes
 * that nobody has looked at cost nothing.
 */
#pragma once

#include "node.h"
#include "tree.h"

/** Bytes of ended jobs' texts that are kept before the kernel is asked to forget the oldest. */
#define TEXTS_KEPT_BYTES (128 * 1024)

struct text_node {
	struct row_node base;
	/* constant */
	uint64_t version; /* of a job; of a root's text when its making was begun … */
	uint64_t made;    /* … and done, by the same count; of a job's text its version */
	char *text; /* owned */
	size_t len;
	uint64_t changes;    /* of a root's text: what row->changes said before it was made … */
	int64_t rendered_ms; /* … and when that was, monotonic */
	int64_t mtime_ms;
	uid_t uid;
	gid_t gid;
	/* protected by fs.tree: the list of texts of ended jobs, newest first */
	struct text_node *newer, *older;
	bool is_listed;
};

struct texts {
	struct text_node *newest, *oldest;
	size_t bytes;
	atomic_uint_fast64_t renderings; /* of root's texts: their beginnings and ends */
};

extern const struct node_kind textfile_kind;

/** tree_row.get of jobs/<id>/status and its like. */
int textfile_get_job(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		     struct node **ret);
/** tree_row.get of README, health, metrics and their like. */
int textfile_get_root(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		      struct node **ret);
/** From the notify thread: wake who polls a text of this job of which there is a newer version. */
void textfile_wake_job(struct fs *fs, struct job_dir *job);
/** The same for the root's texts: the kernel asks again, and the handler makes them anew and compares. */
void textfile_wake_root(struct fs *fs);
/** Answer a read of a text. */
void text_reply(struct fs *fs, fuse_req_t req, struct text_node *text, size_t size, off_t off);
static inline struct text_node *text_of(struct node *node)
{
	return (struct text_node *)node;
}
