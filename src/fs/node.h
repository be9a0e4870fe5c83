/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes: what the kernel knows by a number. A node lives while the kernel has looked it up or while
 * somebody here holds a reference (a child its parent, an open file its node); its nodeid is its
 * address, so a request finds it without a search.
 *
 * What a node can do is its kind: a table of handlers, each of which answers its request exactly once.
 */
#pragma once

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "storyclip/common/sync.h"

struct fs;
struct node;

/** How long the kernel may keep what only changes with a notification, and what may always change. */
#define TIMEOUT_STABLE 86400.0
#define TIMEOUT_NONE 0.0

/**
 * Handlers of one kind of node. A missing one is answered by ops.c with the errno of its table.
 * Each gets the request to answer; none waits for a commit or for the notify thread.
 */
struct node_kind {
	/* directories */
	void (*lookup)(struct fs *fs, fuse_req_t req, struct node *dir, const char *name);
	void (*opendir)(struct fs *fs, fuse_req_t req, struct node *dir, struct fuse_file_info *fi);
	void (*readdir)(struct fs *fs, fuse_req_t req, struct node *dir, size_t size, off_t off,
			struct fuse_file_info *fi, bool is_plus);
	void (*releasedir)(struct fs *fs, fuse_req_t req, struct node *dir,
			   struct fuse_file_info *fi);
	void (*fsyncdir)(struct fs *fs, fuse_req_t req, struct node *dir, int is_datasync,
			 struct fuse_file_info *fi);
	void (*create)(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
		       mode_t mode, struct fuse_file_info *fi);
	void (*mknod)(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
		      mode_t mode);
	void (*mkdir)(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
		      mode_t mode);
	void (*unlink)(struct fs *fs, fuse_req_t req, struct node *dir, const char *name);
	void (*rmdir)(struct fs *fs, fuse_req_t req, struct node *dir, const char *name);
	/* both directories are of this kind; others are refused by ops.c */
	void (*rename)(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
		       struct node *new_dir, const char *new_name, unsigned int flags);
	void (*link)(struct fs *fs, fuse_req_t req, struct node *node, struct node *new_dir,
		     const char *new_name);
	/* all */
	/** @return 0 or a negative errno; *timeout is how long the kernel may keep it */
	int (*getattr)(struct fs *fs, struct node *node, struct stat *st, double *timeout);
	void (*setattr)(struct fs *fs, fuse_req_t req, struct node *node, const struct stat *attr,
			int to_set, struct fuse_file_info *fi);
	void (*readlink)(struct fs *fs, fuse_req_t req, struct node *node);
	/* only while fs.has_xattr; get and list answer as the backing system calls do */
	void (*setxattr)(struct fs *fs, fuse_req_t req, struct node *node, const char *name,
			 const char *value, size_t size, int flags);
	void (*getxattr)(struct fs *fs, fuse_req_t req, struct node *node, const char *name,
			 size_t size);
	void (*listxattr)(struct fs *fs, fuse_req_t req, struct node *node, size_t size);
	void (*removexattr)(struct fs *fs, fuse_req_t req, struct node *node, const char *name);
	/* files */
	void (*open)(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
	void (*read)(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		     struct fuse_file_info *fi);
	void (*write)(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_bufvec *in,
		      off_t off, struct fuse_file_info *fi);
	void (*flush)(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
	/** Answer with fuse_reply_poll(); takes over the handle, which may be NULL. See pollers.h. */
	void (*poll)(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi,
		     struct fuse_pollhandle *handle);
	void (*release)(struct fs *fs, fuse_req_t req, struct node *node,
			struct fuse_file_info *fi);
	void (*fsync)(struct fs *fs, fuse_req_t req, struct node *node, int is_datasync,
		      struct fuse_file_info *fi);
	void (*fallocate)(struct fs *fs, fuse_req_t req, struct node *node, int mode, off_t off,
			  off_t len, struct fuse_file_info *fi);
	void (*lseek)(struct fs *fs, fuse_req_t req, struct node *node, off_t off, int whence,
		      struct fuse_file_info *fi);
	void (*copy_range)(struct fs *fs, fuse_req_t req, struct node *in, off_t off_in,
			   struct fuse_file_info *fi_in, struct node *out, off_t off_out,
			   struct fuse_file_info *fi_out, size_t len, int flags);

	/** The node is about to die: take it off every list. Called with fs.tree held; may be NULL. */
	void (*detach)(struct fs *fs, struct node *node);
	/** Free what the kind added, and the node. No lock is held. */
	void (*destroy)(struct fs *fs, struct node *node);
};

/** What finds a node again: all fields are compared; unused ones are 0. */
struct node_key {
	const void *owner; /* the directory, or what else makes a name space */
	uint64_t a, b;
	const char *name; /* borrowed from the node, or NULL */
};

struct node {
	const struct node_kind *kind; /* constant, as is ino */
	uint64_t ino;                 /* st_ino */
	/* protected by fs.tree */
	struct node *parent; /* counted; changes only in incoming/ */
	uint64_t lookups;    /* what the kernel will forget */
	unsigned int refs;   /* ours */
	bool is_hashed;
	struct node_key key;
	struct node *next; /* of the same bucket */
	struct node *all_next, **all_back; /* of every node there is */
};

#define NODE_BUCKETS_MIN 256

/** All nodes that can be found by a key. */
struct tree {
	struct lock lock;
	/* protected by lock */
	struct node **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_nodes;   /* hashed */
	struct node *all;
};

int tree_init(struct tree *tree);
void tree_finish(struct tree *tree);
/** The kernel is gone without having forgotten each node: forget them. No other thread may be here. */
void tree_forget_all(struct fs *fs);

/** Fill in a node that the caller has; counted once for the caller (refs 1). Takes a reference of parent. */
void node_init(struct fs *fs, struct node *node, const struct node_kind *kind, uint64_t ino,
	       struct node *parent);
struct node *node_find_locked(struct tree *tree, const struct node_key *key);
void node_insert_locked(struct tree *tree, struct node *node, const struct node_key *key);
/** What the key finds, with a reference, or NULL. Takes fs.tree. */
struct node *node_find(struct fs *fs, const struct node_key *key);
/**
 * Put a fresh node in under its key. Where somebody was faster, theirs comes back, with a reference, and
 * the fresh one goes. Takes fs.tree.
 */
struct node *node_insert(struct fs *fs, struct node *fresh, const struct node_key *key);
/** Names lead to it no more; it lives until it is forgotten. */
void node_unhash_locked(struct tree *tree, struct node *node);

/** Count one reference more. Any thread; the caller has one already, or holds fs.tree. */
void node_ref(struct fs *fs, struct node *node);
void node_unref(struct fs *fs, struct node *node);
/** Turn the caller's reference into one look-up of the kernel, to be answered with the node. */
void node_ref_to_lookup(struct fs *fs, struct node *node);
/** The kernel forgets n look-ups. */
void node_forget(struct fs *fs, struct node *node, uint64_t n);

/** st_ino of a virtual name: the same at all times and in every mount of this ROOT. */
uint64_t node_virtual_ino(const char *path);
/** The same of a name in a directory with that number, and cheaper. */
uint64_t node_virtual_ino_in(uint64_t dir_ino, const char *name);
