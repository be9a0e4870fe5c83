/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Acting as whoever sent a request, on this thread only, so that owners, quotas and permissions of
 * what is done in incoming/ are the caller's.
 */
#pragma once

#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "storyclip/caller.h"
#include "storyclip/common/creds.h"

struct as_caller {
	fuse_req_t req;
	struct creds creds;
	struct caller caller;
	bool has_groups;
};

/**
 * Take on the caller's ids, for now without any supplementary group: fewer rights, never more, and
 * asking for them costs a read in /proc. Nothing for root, and nothing when the daemon is not root.
 * Ended by as_caller_leave(), or with the scope: auto_as_caller struct as_caller as = {0};
 * @return 0, or -EPERM when the ids cannot be taken on (unmapped in this user namespace)
 */
int as_caller_enter(struct as_caller *as, fuse_req_t req);
/** Also the groups, at once, where their lack would not show as an error. */
int as_caller_add_groups(struct as_caller *as);
/**
 * Whether a failure r may have been for want of groups; they are there now:
 *     do r = …; while (as_caller_retry(&as, r));
 */
bool as_caller_retry(struct as_caller *as, int r);
void as_caller_leave(struct as_caller *as);
#define auto_as_caller __attribute__((cleanup(as_caller_leave)))

/**
 * The ids alone, without groups and for less, while bytes are written to what is open already: whose they
 * are decides whether the blocks that a file system keeps for root may be used (ext4). Nothing for root, and
 * nothing when the daemon is not root. Ended by as_writer_leave(), or with the scope:
 * auto_as_writer bool is_writer = as_writer_enter(req);
 * @return whether there is something to end
 */
bool as_writer_enter(fuse_req_t req);
/**
 * The same while a file is handed to the kernel that will write it by itself, with the ids of this moment
 * and for every later open as well: root does it as the file's owner.
 */
bool as_owner_enter(fuse_req_t req, int fd);
void as_writer_leave(const bool *is_writer);
/* Its value is for the end of the scope alone, which clang does not take for a use. */
#define auto_as_writer __attribute__((cleanup(as_writer_leave), unused))

/**
 * The mask that files made by this thread get next: the caller's, and as the thread has its own the
 * backing file system applies it just as natively (not at all where a default ACL rules).
 */
void as_caller_umask(fuse_req_t req);

/** Who asks. @param has_groups  also the supplementary groups (reads /proc) */
void caller_of_request(fuse_req_t req, bool has_groups, struct caller *ret);
