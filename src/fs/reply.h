/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers that several handlers give. */
#pragma once

#include "node.h"

/** Answer with an errno; r is 0 or negative. */
static inline void reply_result(fuse_req_t req, int r)
{
	fuse_reply_err(req, r < 0 ? -r : 0);
}

/** Attributes of a virtual file or directory, all but mode filled in from what is given. */
void attr_fill(struct stat *st, uint64_t ino, mode_t mode, uid_t uid, gid_t gid, int64_t mtime_ms);

/** What LOOKUP and READDIRPLUS tell about a node. */
int entry_fill(struct fs *fs, struct node *node, double entry_timeout,
	       struct fuse_entry_param *entry);
/** Answer with a node; takes over the caller's reference as the kernel's look-up. */
void reply_node(struct fs *fs, fuse_req_t req, struct node *node, double entry_timeout);

/** The directory listing that one READDIR asks for. */
struct listing {
	struct fs *fs;
	fuse_req_t req;
	bool is_plus;
	char *data;
	size_t len, size;
	bool is_full;
	uint64_t removals; /* of jobs, before the page was read */
};

int listing_init(struct listing *l, struct fs *fs, fuse_req_t req, size_t size, bool is_plus);
/** Add a name that the kernel shall look up itself. @param next  cookie of what follows
 *  @return false when there is no room: reply now */
bool listing_add(struct listing *l, const char *name, uint64_t ino, mode_t mode, off_t next);
/** The same with a node, which the kernel then knows (READDIRPLUS). Takes over the reference. */
bool listing_add_node(struct listing *l, const char *name, struct node *node, double entry_timeout,
		      off_t next);
/** "." and "..", cookies 1 and 2. @return false when there is no room */
bool listing_add_dots(struct listing *l, struct node *dir, off_t off);
void listing_reply(struct listing *l);

/** A directory whose entries come as pages of rows, in the order of a cookie that stays theirs. */
struct paged_listing {
	size_t row_size;
	/** Up to n rows behind `after` (0: the first). @return how many, or a negative errno */
	int (*page)(struct listing *l, struct node *dir, int64_t after, void *rows, size_t n);
	int64_t (*cookie)(const void *row);
	/** Add a page's rows from the first on, by listing_add() and its like; next of each is cookie + 2.
	 *  @return how many there was room for */
	size_t (*add)(struct listing *l, struct node *dir, const void *rows, size_t n);
	void (*finish)(void *row); /* frees what a row owns; may be NULL */
};
/** Answer READDIR. The cookie of an entry is its row's + 2. */
void listing_pages(struct fs *fs, fuse_req_t req, struct node *dir, size_t size, off_t off,
		   bool is_plus, const struct paged_listing *paged);
