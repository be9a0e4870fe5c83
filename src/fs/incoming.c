/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes of incoming/: found by inode, opened beneath, their names followed. Handler threads. */
#include "incoming.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs_state.h"
#include "incoming_node.h"
#include "reply.h"
#include "storyclip/common/file.h"

struct inc_proc_path inc_proc_path(int fd)
{
	struct inc_proc_path p;

	snprintf(p.path, sizeof(p.path), "/proc/self/fd/%d", fd);
	return p;
}

bool inc_is_hidden(struct fs *fs, const struct inc_node *dir, const char *name)
{
	return dir == fs->incoming.root && !strcmp(name, INTAKE_HOLD_DIR);
}

/* ---- names ---- */

/* Whether dir lies at or below node, by the names that are known here. */
static bool is_below_locked(const struct inc_node *node, const struct node *dir)
{
	for (; dir; dir = dir->parent)
		if (dir == &node->node)
			return true;
	return false;
}

/* @param is_moved  the kernel has moved the name itself; else it may have kept the old one as well */
static void set_name(struct fs *fs, struct inc_node *node, struct inc_node *dir, const char *name,
		     bool is_moved)
{
	struct node *old_parent = NULL;
	char *copy, *old_name = NULL;
	bool is_known, had_claim = false;

	lock_acquire(&fs->tree.lock);
	/* What was moved behind the mount may be known above itself: the rest is not true yet. */
	is_known = (node->name && node->node.parent == &dir->node && !strcmp(node->name, name)) ||
		   is_below_locked(node, &dir->node);
	if (node->name && node->node.parent == &dir->node && !strcmp(node->name, name))
		behind_claim_locked(fs, node);
	lock_release(&fs->tree.lock);
	if (is_known || node == fs->incoming.root)
		return;
	copy = strdup(name);
	lock_acquire(&fs->tree.lock);
	if (!is_below_locked(node, &dir->node)) {
		had_claim = node->behind.has_claim;
		behind_unclaim_locked(fs, node);
		old_name = node->name;
		node->name = take_ptr(copy);
		old_parent = node->node.parent;
		node->node.parent = &dir->node;
		dir->node.refs++;
		behind_claim_locked(fs, node);
	}
	lock_release(&fs->tree.lock);
	if (had_claim && !is_moved)
		behind_tell_name(fs, inc_of(old_parent), old_name);
	free(copy);
	free(old_name);
	if (old_parent)
		node_unref(fs, old_parent);
}

static struct node_key inc_key(struct fs *fs, const struct stat *st)
{
	return (struct node_key){
		.owner = &fs->incoming, .a = (uint64_t)st->st_dev, .b = (uint64_t)st->st_ino};
}

static struct inc_node *find_by_stat(struct fs *fs, const struct stat *st)
{
	struct node_key key = inc_key(fs, st);
	struct node *node;

	lock_acquire(&fs->tree.lock);
	node = node_find_locked(&fs->tree, &key);
	if (node)
		node->refs++;
	lock_release(&fs->tree.lock);
	return node ? inc_of(node) : NULL;
}

void inc_renamed(struct fs *fs, const struct stat *st, struct inc_node *dir, const char *name)
{
	struct inc_node *node = find_by_stat(fs, st);

	if (!node)
		return;
	set_name(fs, node, dir, name, true);
	node_unref(fs, &node->node);
}

void inc_name_gone(struct fs *fs, const struct stat *st, struct inc_node *old_dir,
		   const char *old_name)
{
	struct inc_node *node = find_by_stat(fs, st);
	char *gone = NULL;

	if (!node)
		return;
	lock_acquire(&fs->tree.lock);
	if (node->name && node->node.parent == &old_dir->node && !strcmp(node->name, old_name)) {
		behind_unclaim_locked(fs, node);
		gone = take_ptr(node->name);
	}
	lock_release(&fs->tree.lock);
	free(gone);
	node_unref(fs, &node->node);
}

/* The path of a node, room for `extra` bytes behind it; NULL when it has no name. */
static char *path_locked(struct fs *fs, const struct inc_node *node, size_t extra, size_t *ret_len)
{
	const struct inc_node *root = fs->incoming.root;
	const struct inc_node *n;
	size_t len = 0, at;
	char *path;

	for (n = node; n != root; n = inc_of(n->node.parent)) {
		if (!n->name)
			return NULL;
		len += strlen(n->name) + 1;
	}
	path = malloc(len + extra + 1);
	if (!path)
		return NULL;
	at = len;
	for (n = node; n != root; n = inc_of(n->node.parent)) {
		size_t part = strlen(n->name);

		path[--at] = '/';
		at -= part;
		memcpy(path + at, n->name, part);
	}
	path[len] = '\0';
	*ret_len = len;
	return path;
}

char *inc_path(struct fs *fs, struct inc_node *node)
{
	size_t len = 0;
	char *path;

	lock_acquire(&fs->tree.lock);
	path = path_locked(fs, node, 0, &len);
	lock_release(&fs->tree.lock);
	if (path && len)
		path[len - 1] = '\0'; /* the slash behind the last component */
	return path;
}

char *inc_path_of_name(struct fs *fs, struct inc_node *dir, const char *name)
{
	size_t size = strlen(name) + 1, len = 0;
	char *path;

	lock_acquire(&fs->tree.lock);
	path = path_locked(fs, dir, size, &len);
	lock_release(&fs->tree.lock);
	if (path)
		memcpy(path + len, name, size);
	return path;
}

/* ---- nodes ---- */

/* The number shown: the file's own, made distinct when another file system is mounted inside. */
static uint64_t shown_ino(struct fs *fs, const struct stat *st)
{
	const struct inc_node *root = fs->incoming.root;
	char other[64];

	if (!root || st->st_dev == root->dev)
		return st->st_ino;
	snprintf(other, sizeof(other), "incoming#%llx/%llx", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino);
	return node_virtual_ino(other);
}

static int node_create(struct fs *fs, const struct stat *st, int *fd, struct node *parent,
		       struct inc_node **ret)
{
	struct inc_node *node = calloc(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	node->fd = take_fd(fd);
	node->dev = st->st_dev;
	node->ino = st->st_ino;
	node->type = st->st_mode & S_IFMT;
	node_init(fs, &node->node, &incoming_kind, shown_ino(fs, st), parent);
	*ret = node;
	return 0;
}

/* The node of what an O_PATH descriptor opens; takes the descriptor. */
static int get_by_fd(struct fs *fs, struct inc_node *dir, const char *name, int *fd,
		     struct inc_node **ret)
{
	struct inc_node *fresh, *found;
	struct node_key key;
	struct node *node;
	struct stat st;
	int r;

	if (fstat(*fd, &st) < 0)
		return -errno;
	found = find_by_stat(fs, &st);
	if (!found) {
		r = node_create(fs, &st, fd, &dir->node, &fresh);
		if (r < 0)
			return r;
		key = inc_key(fs, &st);
		lock_acquire(&fs->tree.lock);
		node = node_find_locked(&fs->tree, &key);
		if (node) {
			node->refs++; /* somebody else was faster */
			found = inc_of(node);
		} else {
			node_insert_locked(&fs->tree, &fresh->node, &key);
			found = fresh;
		}
		lock_release(&fs->tree.lock);
		if (found != fresh)
			node_unref(fs, &fresh->node);
	}
	set_name(fs, found, dir, name, false);
	if (found->type == S_IFREG)
		inc_keep(fs, found);
	*ret = found;
	return 0;
}

int inc_get(struct fs *fs, struct inc_node *dir, const char *name, struct inc_node **ret)
{
	auto_fd int fd = -1;
	int r;

	if (inc_is_hidden(fs, dir, name))
		return -ENOENT;
	r = file_open_beneath(dir->fd, name, O_PATH | O_NOFOLLOW, 0, &fd);
	return r < 0 ? r : get_by_fd(fs, dir, name, &fd, ret);
}

int inc_get_opened(struct fs *fs, struct inc_node *dir, const char *name, int fd,
		   struct inc_node **ret)
{
	auto_fd int path_fd = open(inc_proc_path(fd).path, O_PATH | O_CLOEXEC);

	return path_fd < 0 ? -errno : get_by_fd(fs, dir, name, &path_fd, ret);
}

int inc_check_frozen(struct fs *fs, const struct inc_node *node)
{
	return intake_is_frozen(fs->intake, node->dev, node->ino) ? -ETXTBSY : 0;
}

/* File systems whose files change without inotify's hearing of it. */
static bool is_remote(int fd)
{
	static const unsigned long remote[] = {
		NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
		FUSE_SUPER_MAGIC, V9FS_MAGIC, CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC,
		CODA_SUPER_MAGIC, OCFS2_SUPER_MAGIC, 0x01161970 /* GFS2 */,
	};
	struct statfs vfs;

	if (fstatfs(fd, &vfs) < 0)
		return true;
	for (size_t i = 0; i < SC_ARRAY_SIZE(remote); i++)
		if ((unsigned int)vfs.f_type == remote[i])
			return true;
	return false;
}

int incoming_init(struct fs *fs, const char *path)
{
	auto_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int node_fd = -1;
	struct stat st;

	fs->incoming.root_fd = -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	node_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (node_fd < 0)
		return -errno;
	fs->incoming.root_fd = take_fd(&fd);
	fs->incoming.is_remote = is_remote(fs->incoming.root_fd);
	inc_keep_init(fs);
	return node_create(fs, &st, &node_fd, &fs->root.node, &fs->incoming.root);
}

void incoming_finish(struct fs *fs)
{
	if (fs->incoming.root)
		node_unref(fs, &fs->incoming.root->node);
	if (fs->incoming.root_fd >= 0)
		close(fs->incoming.root_fd);
	fs->incoming.root = NULL;
	fs->incoming.root_fd = -1;
}

int incoming_get_root(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		      struct node **ret)
{
	node_ref(fs, &fs->incoming.root->node);
	*ret = &fs->incoming.root->node;
	return 0;
}

/* ---- handlers ---- */

static void inc_lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	struct inc_node *node;
	int r = inc_get(fs, inc_of(dir), name, &node);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		inc_reply_named(fs, req, inc_of(dir), name, node);
}

void inc_reply_named(struct fs *fs, fuse_req_t req, struct inc_node *dir, const char *name,
		     struct inc_node *node)
{
	reply_node(fs, req, &node->node, behind_name_timeout(fs, dir, name, node));
}

int inc_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct inc_node *n = inc_of(node);
	bool is_watched = behind_attributes_begin(fs, n);

	if (fstatat(n->fd, "", st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*timeout = behind_attributes_timeout(fs, n, is_watched, st);
	st->st_ino = node->ino;
	if (S_ISREG(st->st_mode)) {
		st->st_blksize = INCOMING_BLKSIZE;
		if (st->st_nlink) {
			unsigned int hidden = intake_hidden_links(fs->intake, n->dev, n->ino);

			st->st_nlink -= hidden < st->st_nlink ? hidden : st->st_nlink;
		}
	}
	if (n == fs->incoming.root && st->st_nlink > 2)
		st->st_nlink--; /* the hold directory */
	return 0;
}

static int set_times(int fd, const struct stat *attr, int to_set)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		times[0] = attr->st_atim;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_MTIME)
		times[1] = attr->st_mtim;
	return utimensat(AT_FDCWD, inc_proc_path(fd).path, times, 0) < 0 ? -errno : 0;
}

/* Cut or lengthen a file, by an open file of the caller's or by a short-lived one that counts as a
 * writer. */
static int set_size_now(struct fs *fs, struct inc_node *node, off_t size, struct fuse_file_info *fi)
{
	auto_fd int fd = -1;
	auto_free char *path = NULL;
	int r = inc_check_frozen(fs, node);

	if (r == 0)
		r = inc_limit_size(fs, fi ? inc_file_of(fi)->fd : node->fd, size);
	if (r < 0)
		return r;
	if (fi)
		inc_sidecar_written(inc_file_of(fi)->sidecar);
	if (fi)
		return ftruncate(inc_file_of(fi)->fd, size) < 0 ? -errno : 0;
	fd = open(inc_proc_path(node->fd).path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	path = inc_path(fs, node);
	intake_writer_opened(fs->intake, node->dev, node->ino, path);
	r = ftruncate(fd, size) < 0 ? -errno : 0;
	intake_writer_closed(fs->intake, node->dev, node->ino, path, fd);
	return r;
}

static int set_size(struct fs *fs, struct inc_node *node, off_t size, struct fuse_file_info *fi)
{
	struct intake_opening opening;
	int r;

	intake_opening_begin(fs->intake, node->dev, node->ino, &opening);
	r = set_size_now(fs, node, size, fi);
	intake_opening_end(fs->intake, &opening);
	return r;
}

static int set_attributes(struct fs *fs, struct as_caller *as, struct inc_node *node,
			  const struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct inc_proc_path proc = inc_proc_path(node->fd);
	int r = 0;

	if (node->type == S_IFLNK)
		return -EPERM; /* the path would follow it */
	if (to_set & FUSE_SET_ATTR_MODE) {
		mode_t mode = attr->st_mode & 07777;

		/* Nothing that is uploaded is ever run; see FUSE.md section 3 for what it would
		 * cost. */
		if (node->type == S_IFREG)
			mode &= ~(mode_t)(S_ISUID | S_ISGID);
		/* Without its groups a caller would silently lose setgid. */
		r = as_caller_add_groups(as);
		if (r == 0 && chmod(proc.path, mode) < 0)
			r = -errno;
	}
	if (r == 0 && (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))) {
		uid_t uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
		gid_t gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;

		do
			r = chown(proc.path, uid, gid) < 0 ? -errno : 0;
		while (as_caller_retry(as, r));
	}
	if (r == 0 && (to_set & FUSE_SET_ATTR_SIZE)) {
		do
			r = set_size(fs, node, attr->st_size, fi);
		while (as_caller_retry(as, r));
	}
	if (r == 0 && (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME))) {
		do
			r = set_times(node->fd, attr, to_set);
		while (as_caller_retry(as, r));
	}
	return r;
}

static void inc_setattr(struct fs *fs, fuse_req_t req, struct node *node, const struct stat *attr,
			int to_set, struct fuse_file_info *fi)
{
	struct inc_node *n = inc_of(node);
	struct as_caller as = {0};
	auto_free char *path = NULL;
	double timeout = 0;
	struct stat st;
	bool is_timed = n->type == S_IFREG && (to_set & FUSE_SET_ATTR_MTIME) &&
			fstat(n->fd, &st) == 0;
	int r = as_caller_enter(&as, req);

	if (is_timed)
		intake_times_setting(fs->intake, &st);
	if (r == 0)
		r = set_attributes(fs, &as, n, attr, to_set, fi);
	as_caller_leave(&as);
	if (r == 0)
		r = inc_getattr(fs, node, &st, &timeout);
	if (is_timed) {
		path = inc_path(fs, n);
		intake_times_set(fs->intake, n->dev, n->ino, path, r == 0);
	}
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, timeout);
}

/* A link that somebody put into the backing directory is shown, can be removed, is not followed. */
static void inc_readlink(struct fs *fs, fuse_req_t req, struct node *node)
{
	fuse_reply_err(req, EPERM);
}

static void inc_detach(struct fs *fs, struct node *node)
{
	inc_unkeep_locked(fs, inc_of(node));
	behind_detach_locked(fs, inc_of(node));
}

static void inc_destroy(struct fs *fs, struct node *node)
{
	struct inc_node *n = inc_of(node);

	behind_forget(fs, n);
	if (n->fd >= 0)
		close(n->fd);
	free(n->name);
	free(n);
}

const struct node_kind incoming_kind = {
	.lookup = inc_lookup,
	.opendir = inc_opendir,
	.readdir = inc_readdir,
	.releasedir = inc_releasedir,
	.fsyncdir = inc_fsyncdir,
	.create = inc_create,
	.mknod = inc_mknod,
	.mkdir = inc_mkdir,
	.unlink = inc_unlink,
	.rmdir = inc_rmdir,
	.rename = inc_rename,
	.link = inc_link,
	.getattr = inc_getattr,
	.setattr = inc_setattr,
	.readlink = inc_readlink,
	.open = inc_open,
	.read = inc_read,
	.write = inc_write,
	.flush = inc_flush,
	.release = inc_release,
	.fsync = inc_fsync,
	.fallocate = inc_fallocate,
	.lseek = inc_lseek,
	.copy_range = inc_copy_range,
	.setxattr = inc_setxattr,
	.getxattr = inc_getxattr,
	.listxattr = inc_listxattr,
	.removexattr = inc_removexattr,
	.detach = inc_detach,
	.destroy = inc_destroy,
};
