/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread as its request's caller: see as_caller.h. Handler threads. */
#include "as_caller.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

void caller_of_request(fuse_req_t req, bool has_groups, struct caller *ret)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int n;

	memset(ret, 0, sizeof(*ret));
	ret->uid = ctx->uid;
	ret->gid = ctx->gid;
	ret->pid = ctx->pid;
	if (!has_groups)
		return;
	n = fuse_req_getgroups(req, CALLER_GROUPS_MAX, ret->groups);
	/* More than fit are left out; a process that is gone has none. */
	if (n > 0)
		ret->n_groups = n < CALLER_GROUPS_MAX ? (size_t)n : CALLER_GROUPS_MAX;
}

int as_caller_enter(struct as_caller *as, fuse_req_t req)
{
	as->req = req;
	as->has_groups = false;
	caller_of_request(req, false, &as->caller);
	if (as->caller.uid == 0 && as->caller.gid == 0)
		return 0;
	return creds_become(&as->caller, &as->creds);
}

int as_caller_add_groups(struct as_caller *as)
{
	if (!as->creds.is_switched || as->has_groups)
		return 0;
	creds_restore(&as->creds);
	caller_of_request(as->req, true, &as->caller);
	as->has_groups = true;
	return creds_become(&as->caller, &as->creds);
}

bool as_caller_retry(struct as_caller *as, int r)
{
	if (r != -EACCES && r != -EPERM)
		return false;
	if (!as->creds.is_switched || as->has_groups)
		return false;
	return as_caller_add_groups(as) == 0 && as->caller.n_groups > 0;
}

void as_caller_leave(struct as_caller *as)
{
	creds_restore(&as->creds);
}

static bool write_as(uid_t uid, gid_t gid)
{
	if (geteuid() != 0 || uid == 0)
		return false;
	/* An id that cannot be taken on (unmapped here) leaves the daemon's own. */
	setfsgid(gid);
	setfsuid(uid);
	return true;
}

bool as_writer_enter(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return write_as(ctx->uid, ctx->gid);
}

bool as_owner_enter(fuse_req_t req, int fd)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct stat st;

	if (ctx->uid == 0 && fstat(fd, &st) == 0)
		return write_as(st.st_uid, st.st_gid);
	return write_as(ctx->uid, ctx->gid);
}

void as_writer_leave(const bool *is_writer)
{
	int saved = errno;

	if (!*is_writer)
		return;
	setfsuid(geteuid());
	setfsgid(getegid());
	errno = saved;
}

void as_caller_umask(fuse_req_t req)
{
	/* A no-op once the thread has its own. It cannot fail but for memory: then the mask is
	   shared with threads that set theirs before each use as well. */
	if (unshare(CLONE_FS) == 0)
		umask(fuse_req_ctx(req)->umask);
}
