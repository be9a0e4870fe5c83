/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Acting as the process behind a request: its fsuid, fsgid and groups decide what the backing
 * directories allow and whom new files belong to.
 *
 * Only the calling thread changes, never the whole process. A daemon that is not root stays what
 * it is: then all files are its user's (INTERFACE.md).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "storyclip/caller.h"

/** What creds_restore() puts back. Starts as {0}: nothing to restore. */
struct creds {
	bool is_switched;
	uid_t fsuid;
	gid_t fsgid;
	size_t n_groups;
	gid_t groups[CALLER_GROUPS_MAX];
};

/**
 * Become the caller on this thread, for file access only. As another uid than root it also loses
 * the capabilities that override permissions (CAP_DAC_OVERRIDE and its like).
 * @return 0 or a negative errno; nothing is changed then
 *
 *     auto_creds struct creds creds = {0};
 *     r = creds_become(caller, &creds);
 *
 * Threads: any; the restore is made by the same thread. Never blocks.
 */
int creds_become(const struct caller *caller, struct creds *ret);
/** Become oneself again; does nothing on {0} or a second time. */
void creds_restore(struct creds *creds);

#define auto_creds __attribute__((cleanup(creds_restore)))
