/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of names in incoming/: mkdir, mknod, unlink, rmdir, rename, link. Handler threads. */
#include "incoming_node.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_state.h"
#include "reply.h"
#include "storyclip/common/file.h"

void inc_mkdir(struct fs *fs, fuse_req_t req, struct node *dir, const char *name, mode_t mode)
{
	struct inc_node *parent = inc_of(dir), *node;
	struct as_caller as = {0};
	int r;

	if (inc_is_hidden(fs, parent, name)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	r = as_caller_enter(&as, req);
	as_caller_umask(req);
	if (r == 0) {
		do
			r = mkdirat(parent->fd, name, mode) < 0 ? -errno : 0;
		while (as_caller_retry(&as, r));
	}
	as_caller_leave(&as);
	if (r == 0)
		r = inc_get(fs, parent, name, &node);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		inc_reply_named(fs, req, parent, name, node);
}

/* mknod(2) of a regular file: an empty file that was written and closed. */
void inc_mknod(struct fs *fs, fuse_req_t req, struct node *dir, const char *name, mode_t mode)
{
	struct inc_node *parent = inc_of(dir), *node;
	struct as_caller as = {0};
	auto_free char *path = NULL;
	auto_fd int fd = -1;
	int r;

	if (inc_is_hidden(fs, parent, name)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	r = as_caller_enter(&as, req);
	as_caller_umask(req);
	if (r == 0) {
		do
			r = file_open_beneath(parent->fd, name, O_WRONLY | O_CREAT | O_EXCL,
					      mode & 01777, &fd);
		while (as_caller_retry(&as, r));
	}
	as_caller_leave(&as);
	if (r == 0)
		r = inc_get_opened(fs, parent, name, fd, &node);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	path = inc_path(fs, node);
	if (path) {
		intake_writer_opened(fs->intake, node->dev, node->ino, path);
		intake_writer_closed(fs->intake, node->dev, node->ino, path, fd);
		inc_sidecar_made(fs, req, path);
	}
	inc_reply_named(fs, req, parent, name, node);
}

static void remove_name(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
			int flags)
{
	struct inc_node *parent = inc_of(dir);
	struct as_caller as = {0};
	auto_free char *path = NULL;
	struct stat st = {0};
	int r;

	if (inc_is_hidden(fs, parent, name)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	path = inc_path_of_name(fs, parent, name);
	if (fstatat(parent->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	r = as_caller_enter(&as, req);
	if (r == 0) {
		do
			r = unlinkat(parent->fd, name, flags) < 0 ? -errno : 0;
		while (as_caller_retry(&as, r));
	}
	as_caller_leave(&as);
	if (r == 0) {
		inc_name_gone(fs, &st, parent, name);
		if (path)
			intake_unlinked(fs->intake, path);
	}
	reply_result(req, r);
}

void inc_unlink(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	remove_name(fs, req, dir, name, 0);
}

void inc_rmdir(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	remove_name(fs, req, dir, name, AT_REMOVEDIR);
}

/* ---- rename ---- */

struct renaming {
	struct inc_node *dir, *new_dir;
	const char *name, *new_name;
	unsigned int flags;
	struct stat moved, replaced; /* replaced: only when had_target */
	bool had_target;
};

static int rename_by_caller(struct renaming *r_, fuse_req_t req)
{
	auto_as_caller struct as_caller as = {0};
	int r = as_caller_enter(&as, req);

	if (r < 0)
		return r;
	do
		r = renameat2(r_->dir->fd, r_->name, r_->new_dir->fd, r_->new_name, r_->flags) < 0
			    ? -errno
			    : 0;
	while (as_caller_retry(&as, r));
	return r;
}

/* Somebody may have moved it on behind the mount, before its new name was known here. */
static void check_renamed(struct fs *fs, struct inc_node *dir, const char *name,
			  const struct stat *renamed)
{
	struct stat st;

	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != renamed->st_ino ||
	    st.st_dev != renamed->st_dev)
		behind_tell_name(fs, dir, name);
}

/* What has been renamed keeps its node; the intake follows the paths. */
static void rename_tell(struct fs *fs, const struct renaming *r_)
{
	auto_free char *old_path = inc_path_of_name(fs, r_->dir, r_->name);
	auto_free char *new_path = inc_path_of_name(fs, r_->new_dir, r_->new_name);
	const struct stat *moved = &r_->moved, *other = &r_->replaced;
	/* No name in incoming/, so free to stand in between. */
	static const char between[] = INTAKE_HOLD_DIR "/exchanged";

	if (r_->had_target && !(r_->flags & RENAME_EXCHANGE))
		inc_name_gone(fs, other, r_->new_dir, r_->new_name);
	inc_renamed(fs, moved, r_->new_dir, r_->new_name);
	check_renamed(fs, r_->new_dir, r_->new_name, moved);
	if (r_->flags & RENAME_EXCHANGE) {
		inc_renamed(fs, other, r_->dir, r_->name);
		check_renamed(fs, r_->dir, r_->name, other);
	}
	if (!old_path || !new_path)
		return;
	if (!(r_->flags & RENAME_EXCHANGE)) {
		intake_renamed(fs->intake, old_path, new_path, S_ISDIR(moved->st_mode),
			       moved->st_dev, moved->st_ino);
		return;
	}
	intake_renamed(fs->intake, new_path, between, S_ISDIR(other->st_mode), other->st_dev,
		       other->st_ino);
	intake_renamed(fs->intake, old_path, new_path, S_ISDIR(moved->st_mode), moved->st_dev,
		       moved->st_ino);
	intake_renamed(fs->intake, between, old_path, S_ISDIR(other->st_mode), other->st_dev,
		       other->st_ino);
}

void inc_rename(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
		struct node *new_dir, const char *new_name, unsigned int flags)
{
	struct renaming r_ = {.dir = inc_of(dir),
			      .new_dir = inc_of(new_dir),
			      .name = name,
			      .new_name = new_name,
			      .flags = flags};
	auto_free char *new_path = NULL;
	int r;

	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (inc_is_hidden(fs, r_.dir, name) || inc_is_hidden(fs, r_.new_dir, new_name)) {
		fuse_reply_err(req, inc_is_hidden(fs, r_.dir, name) ? ENOENT : EPERM);
		return;
	}
	if (fstatat(r_.dir->fd, name, &r_.moved, AT_SYMLINK_NOFOLLOW) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	r_.had_target = fstatat(r_.new_dir->fd, new_name, &r_.replaced, AT_SYMLINK_NOFOLLOW) == 0;
	r = inc_sidecar_may_name(fs, req, &r_.moved, new_name);
	if (r == 0 && r_.had_target && (flags & RENAME_EXCHANGE))
		r = inc_sidecar_may_name(fs, req, &r_.replaced, name);
	if (r == 0)
		r = rename_by_caller(&r_, req);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	/* Two names of one file: rename(2) leaves both. */
	if (!(r_.had_target && r_.moved.st_dev == r_.replaced.st_dev &&
	      r_.moved.st_ino == r_.replaced.st_ino))
		rename_tell(fs, &r_);
	new_path = inc_path_of_name(fs, r_.new_dir, new_name);
	if (new_path && intake_is_sidecar(new_path)) {
		/* A refused request is an error of a rename that was done: the kernel believes it was not. */
		behind_tell_name(fs, r_.dir, name);
		behind_tell_name(fs, r_.new_dir, new_name);
	}
	inc_sidecar_named(fs, req, &r_.moved, new_path);
}

void inc_link(struct fs *fs, fuse_req_t req, struct node *node, struct node *new_dir,
	      const char *new_name)
{
	struct inc_node *n = inc_of(node), *parent = inc_of(new_dir), *linked;
	struct inc_proc_path proc = inc_proc_path(n->fd);
	struct as_caller as = {0};
	auto_free char *path = NULL;
	struct stat st;
	int r;

	if (inc_is_hidden(fs, parent, new_name) || n->type != S_IFREG ||
	    fstatat(n->fd, "", &st, AT_EMPTY_PATH) < 0 ||
	    inc_sidecar_may_name(fs, req, &st, new_name) < 0) {
		fuse_reply_err(req, EPERM);
		return;
	}
	r = as_caller_enter(&as, req);
	if (r == 0) {
		do
			r = linkat(AT_FDCWD, proc.path, parent->fd, new_name, AT_SYMLINK_FOLLOW) < 0
				    ? -errno
				    : 0;
		while (as_caller_retry(&as, r));
	}
	as_caller_leave(&as);
	if (r == 0)
		r = inc_get(fs, parent, new_name, &linked);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	path = inc_path_of_name(fs, parent, new_name);
	if (path) {
		intake_linked(fs->intake, path, n->dev, n->ino);
		inc_sidecar_made(fs, req, path);
	}
	inc_reply_named(fs, req, parent, new_name, linked);
}
