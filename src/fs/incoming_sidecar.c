/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests that are files of incoming/ (<upload>.process): when they act, and whose they are.
 * Handler threads; what a request's errno has to wait for is answered by the intake's command
 * thread.
 *
 * A flush says nothing before the first byte: shells and dd send one then. From the first byte on
 * each flush carries the request out as far as it goes, and its errno is that of close(2).
 */
#include "incoming_node.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "fs_state.h"
#include "reply.h"

struct inc_sidecar {
	struct caller caller;   /* who opened it */
	atomic_uint writes;     /* since then */
	atomic_uint flushed_at; /* how many there were at the last flush */
	/* The file when it was last looked at: its size, and its mtime in ns. */
	atomic_llong size, mtime;
};

/* @return whether it has changed since */
static bool has_changed(struct inc_sidecar *sidecar, int fd)
{
	long long mtime, old_size;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	mtime = (long long)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	old_size = atomic_exchange(&sidecar->size, st.st_size);
	return atomic_exchange(&sidecar->mtime, mtime) != mtime || old_size != st.st_size;
}

struct inc_sidecar *inc_sidecar_opened(fuse_req_t req, const char *path, int fd)
{
	struct inc_sidecar *sidecar = intake_is_sidecar(path) ? calloc(1, sizeof(*sidecar)) : NULL;

	/* Without memory it acts at its last close, and its file's owner has asked. */
	if (sidecar) {
		caller_of_request(req, true, &sidecar->caller);
		has_changed(sidecar, fd);
	}
	return sidecar;
}

void inc_sidecar_look(struct inc_sidecar *sidecar, int fd)
{
	if (sidecar && has_changed(sidecar, fd))
		inc_sidecar_written(sidecar);
}

void inc_sidecar_written(struct inc_sidecar *sidecar)
{
	if (sidecar)
		atomic_fetch_add(&sidecar->writes, 1);
}

static void reply_errno(void *context, int err, const char *json)
{
	reply_result(context, err);
}

void inc_sidecar_flush(struct fs *fs, fuse_req_t req, struct inc_sidecar *sidecar, char *path,
		       int r)
{
	unsigned int writes = sidecar ? atomic_load(&sidecar->writes) : 0, before;

	if (r < 0 || !writes || !path || !intake_is_sidecar(path)) {
		reply_result(req, r);
		return;
	}
	before = atomic_exchange(&sidecar->flushed_at, writes);
	intake_sidecar(fs->intake, &sidecar->caller, path,
		       before == writes ? SIDECAR_FLUSHED_AGAIN : SIDECAR_FLUSHED, reply_errno,
		       req);
}

void inc_sidecar_closed(struct fs *fs, struct inc_sidecar *sidecar, const struct inc_node *node,
			const char *path)
{
	unsigned int writes = sidecar ? atomic_load(&sidecar->writes) : 0;

	/* One that was renamed while it was open may have become one only now. */
	if (path && node->type == S_IFREG && intake_is_sidecar(path))
		intake_sidecar(fs->intake, sidecar ? &sidecar->caller : NULL, path,
			       writes && atomic_load(&sidecar->flushed_at) == writes
				       ? SIDECAR_CLOSED_FLUSHED
				       : SIDECAR_CLOSED,
			       NULL, NULL);
	free(sidecar);
}

int inc_sidecar_may_name(struct fs *fs, fuse_req_t req, const struct stat *st, const char *name)
{
	struct caller caller;

	if (!S_ISREG(st->st_mode) || !intake_is_sidecar(name))
		return 0;
	caller_of_request(req, false, &caller);
	return intake_may_be_sidecar(&caller, st->st_uid) ? 0 : -EPERM;
}

void inc_sidecar_named(struct fs *fs, fuse_req_t req, const struct stat *st, const char *path)
{
	struct caller caller;

	if (!path || !S_ISREG(st->st_mode) || !intake_is_sidecar(path)) {
		fuse_reply_err(req, 0);
		return;
	}
	caller_of_request(req, true, &caller);
	intake_sidecar(fs->intake, &caller, path, SIDECAR_RENAMED, reply_errno, req);
}

void inc_sidecar_made(struct fs *fs, fuse_req_t req, const char *path)
{
	struct caller caller;

	if (!intake_is_sidecar(path))
		return;
	caller_of_request(req, true, &caller);
	intake_sidecar(fs->intake, &caller, path, SIDECAR_CLOSED, NULL, NULL);
}
