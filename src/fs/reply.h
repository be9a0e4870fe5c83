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
