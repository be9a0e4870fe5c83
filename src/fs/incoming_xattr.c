/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extended attributes and access lists of incoming/: user.* and system.posix_acl_* are the backing
 * file's. Every other name space is none here: security.* would cost a request with each write
 * (FUSE.md section 3), trusted.* is the daemon's. Handler threads.
 */
#include "incoming_node.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs_state.h"
#include "reply.h"

#define ACL_PREFIX "system.posix_acl_"

static bool is_acl(const char *name)
{
	return !strcmp(name, ACL_PREFIX "access") || !strcmp(name, ACL_PREFIX "default");
}

static bool is_allowed(const char *name)
{
	return !strncmp(name, "user.", 5) || is_acl(name);
}

/* A symlink, put there behind the mount, has none: its path here would be followed. */
static bool has_attributes(const struct inc_node *node)
{
	return node->type == S_IFREG || node->type == S_IFDIR;
}

void inc_setxattr(struct fs *fs, fuse_req_t req, struct node *node, const char *name,
		  const char *value, size_t size, int flags)
{
	struct inc_proc_path proc = inc_proc_path(inc_of(node)->fd);
	struct as_caller as = {0};
	int r;

	if (!has_attributes(inc_of(node)) || !is_allowed(name)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	r = as_caller_enter(&as, req);
	/* Without its groups a caller would silently lose setgid by an access list. */
	if (r == 0 && is_acl(name))
		r = as_caller_add_groups(&as);
	if (r == 0) {
		do
			r = setxattr(proc.path, name, value, size, flags) < 0 ? -errno : 0;
		while (as_caller_retry(&as, r));
	}
	as_caller_leave(&as);
	reply_result(req, r);
}

void inc_removexattr(struct fs *fs, fuse_req_t req, struct node *node, const char *name)
{
	struct inc_proc_path proc = inc_proc_path(inc_of(node)->fd);
	struct as_caller as = {0};
	int r;

	if (!has_attributes(inc_of(node)) || !is_allowed(name)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	r = as_caller_enter(&as, req);
	if (r == 0) {
		do
			r = removexattr(proc.path, name) < 0 ? -errno : 0;
		while (as_caller_retry(&as, r));
	}
	as_caller_leave(&as);
	reply_result(req, r);
}

/* Answer a question whose answer's length was asked for (size 0), or the answer itself. */
static void reply_bytes(fuse_req_t req, const char *bytes, ssize_t n, size_t size)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else if ((size_t)n > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, bytes, (size_t)n);
}

/* An access list is asked for by the kernel itself, for whoever wants to enter: as the daemon. */
static ssize_t get_value(fuse_req_t req, struct inc_node *node, const char *name, char *value,
			 size_t size)
{
	struct inc_proc_path proc = inc_proc_path(node->fd);
	auto_as_caller struct as_caller as = {0};
	ssize_t n = is_acl(name) ? 0 : as_caller_enter(&as, req);

	if (n < 0)
		return n;
	do {
		n = getxattr(proc.path, name, value, size);
		if (n < 0)
			n = -errno;
	} while (as_caller_retry(&as, n < 0 ? (int)n : 0));
	/* Where the backing file system has no lists, none is there: the kernel would take another
	 * errno for a refusal of the access. */
	return n == -EOPNOTSUPP && is_acl(name) ? -ENODATA : n;
}

void inc_getxattr(struct fs *fs, fuse_req_t req, struct node *node, const char *name, size_t size)
{
	auto_free char *value = size ? malloc(size) : NULL;
	ssize_t n;

	if (size && !value)
		n = -ENOMEM;
	else if (is_acl(name) && !has_attributes(inc_of(node)))
		n = -ENODATA;
	else if (!is_allowed(name) || !has_attributes(inc_of(node)))
		n = -EOPNOTSUPP;
	else
		n = get_value(req, inc_of(node), name, value, size);
	reply_bytes(req, value, n, size);
}

/* Keep the names that can be asked for; -E… passes through. */
static ssize_t filter_names(char *names, ssize_t n)
{
	ssize_t kept = 0;

	for (ssize_t at = 0; at < n;) {
		size_t len = strlen(names + at) + 1;

		if (is_allowed(names + at)) {
			memmove(names + kept, names + at, len);
			kept += (ssize_t)len;
		}
		at += (ssize_t)len;
	}
	return n < 0 ? n : kept;
}

void inc_listxattr(struct fs *fs, fuse_req_t req, struct node *node, size_t size)
{
	struct inc_proc_path proc = inc_proc_path(inc_of(node)->fd);
	auto_free char *names = malloc(XATTR_LIST_MAX);
	ssize_t n = 0;

	if (!names) {
		n = -ENOMEM;
	} else if (has_attributes(inc_of(node))) {
		n = listxattr(proc.path, names, XATTR_LIST_MAX);
		n = filter_names(names, n < 0 ? -errno : n);
	}
	reply_bytes(req, names, n == -EOPNOTSUPP ? 0 : n, size);
}
