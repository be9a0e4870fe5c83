/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread's file credentials. Raw system calls throughout: glibc's setgroups() changes every
 * thread of the process, the kernel's only the one that calls. Any thread.
 */
#include "storyclip/common/creds.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "storyclip/common/log.h"

/* On 32-bit machines the plain numbers are the old calls with 16-bit ids. */
#ifdef SYS_setgroups32
#define SC_SYS_SETGROUPS SYS_setgroups32
#define SC_SYS_GETGROUPS SYS_getgroups32
#else
#define SC_SYS_SETGROUPS SYS_setgroups
#define SC_SYS_GETGROUPS SYS_getgroups
#endif

/* setfsuid() tells no errors: an id that cannot be only reports the one in force. */
static uid_t current_fsuid(void)
{
	return (uid_t)setfsuid((uid_t)-1);
}

static gid_t current_fsgid(void)
{
	return (gid_t)setfsgid((gid_t)-1);
}

int creds_become(const struct caller *caller, struct creds *ret)
{
	struct creds before = {0};
	long n;

	if (geteuid() != 0)
		return 0;
	before.fsuid = current_fsuid();
	before.fsgid = current_fsgid();
	/* Root with more groups than fit gets none back: it needs none. */
	n = syscall(SC_SYS_GETGROUPS, CALLER_GROUPS_MAX, before.groups);
	before.n_groups = n > 0 ? (size_t)n : 0;
	if (syscall(SC_SYS_SETGROUPS, caller->n_groups, caller->groups) < 0)
		return -errno;
	before.is_switched = true;
	/* The gid first: as another user the thread may not change it any more. */
	setfsgid(caller->gid);
	setfsuid(caller->uid);
	if (current_fsgid() != caller->gid || current_fsuid() != caller->uid) {
		creds_restore(&before);
		return -EPERM;
	}
	*ret = before;
	return 0;
}

void creds_restore(struct creds *creds)
{
	int saved = errno;

	if (!creds->is_switched)
		return;
	setfsuid(creds->fsuid);
	setfsgid(creds->fsgid);
	if (syscall(SC_SYS_SETGROUPS, creds->n_groups, creds->groups) < 0)
		log_error_with(-errno, "taking back the daemon's own groups");
	creds->is_switched = false;
	errno = saved;
}
