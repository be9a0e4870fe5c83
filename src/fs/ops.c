/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From an operation to the handler of its node's kind. What a kind does not have is refused here,
 * each operation with its one errno. Handler threads.
 */
#include "ops.h"

#include <string.h>
#include <sys/statvfs.h>

#include "clips.h"
#include "compat.h"
#include "fs_state.h"
#include "reply.h"

#define MAX_WRITE_BYTES (1024 * 1024)

static struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct node *node_of(fuse_req_t req, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &fs_of(req)->root.node : (struct node *)(uintptr_t)ino;
}

/* Call the node's handler, or answer with err. */
#define DISPATCH(ino, handler, err, ...)                                           \
	do {                                                                       \
		struct node *node_ = node_of(req, ino);                            \
		if (node_->kind->handler)                                          \
			node_->kind->handler(fs_of(req), req, node_, __VA_ARGS__); \
		else                                                               \
			fuse_reply_err(req, err);                                  \
	} while (0)

/*
 * Without KILLPRIV_V2 the kernel asks for security.capability before it writes to a cached file,
 * each time (FUSE.md section 3). No regular file of incoming/ has the bits that it hands over.
 */
static void init_xattr(struct fs *fs, struct fuse_conn_info *conn)
{
	enum settings_switch wanted = fs->deps.settings->xattr;
	bool is_free = false;

#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
	is_free = wanted != SWITCH_OFF && compat_want(conn, FUSE_CAP_HANDLE_KILLPRIV_V2);
#endif
	fs->has_xattr = wanted == SWITCH_AUTO ? is_free : wanted == SWITCH_ON;
	/* Only the kernel's own checks know lists, and it asks for them only where there are some.
	 */
	if (fs->has_xattr)
		compat_want(conn, FUSE_CAP_POSIX_ACL);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	init_xattr(userdata, conn);
	passthrough_init(userdata, conn);
	compat_want(conn, FUSE_CAP_DONT_MASK);      /* the backing file system masks, as natively */
	compat_want(conn, FUSE_CAP_ATOMIC_O_TRUNC); /* an open is refused, or truncates, as one */
	compat_want(conn, FUSE_CAP_AUTO_INVAL_DATA); /* pages go with another time stamp or size */
	compat_want(conn, FUSE_CAP_PARALLEL_DIROPS);
	compat_want(conn, FUSE_CAP_READDIRPLUS);
	compat_want(conn, FUSE_CAP_READDIRPLUS_AUTO);
#ifdef FUSE_CAP_EXPIRE_ONLY
	compat_want(conn, FUSE_CAP_EXPIRE_ONLY);
#endif
	compat_want(conn, FUSE_CAP_SPLICE_READ);
	compat_want(conn, FUSE_CAP_SPLICE_WRITE);
	compat_want(conn, FUSE_CAP_SPLICE_MOVE);
#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
	compat_want(conn,
		    FUSE_CAP_DIRECT_IO_ALLOW_MMAP); /* of files just made: they are direct_io */
#endif
	/* The backing files' times and sizes are the truth; a cache of writes would hide them. */
	compat_do_without(conn, FUSE_CAP_WRITEBACK_CACHE);
	conn->max_write = MAX_WRITE_BYTES;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	DISPATCH(parent, lookup, ENOTDIR, name);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	if (ino != FUSE_ROOT_ID)
		node_forget(fs_of(req), node_of(req, ino), n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		if (forgets[i].ino != FUSE_ROOT_ID)
			node_forget(fs_of(req), node_of(req, forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *node = node_of(req, ino);
	struct stat st;
	double timeout = 0;
	int r = node->kind->getattr(fs_of(req), node, &st, &timeout);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, timeout);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	DISPATCH(ino, setattr, EPERM, attr, to_set, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct node *node = node_of(req, ino);

	if (node->kind->readlink)
		node->kind->readlink(fs_of(req), req, node);
	else
		fuse_reply_err(req, EINVAL);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	/* Devices, pipes and sockets have no business between uploads. */
	if (!S_ISREG(mode))
		fuse_reply_err(req, EPERM);
	else
		DISPATCH(parent, mknod, EPERM, name, mode);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	DISPATCH(parent, mkdir, EPERM, name, mode);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	DISPATCH(parent, unlink, EPERM, name);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	DISPATCH(parent, rmdir, EPERM, name);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned int flags)
{
	struct node *dir = node_of(req, parent);
	struct node *new_dir = node_of(req, new_parent);

	if (dir->kind == new_dir->kind && dir->kind->rename)
		dir->kind->rename(fs_of(req), req, dir, name, new_dir, new_name, flags);
	else if (dir->kind == &clips_kind && new_dir->kind == &incoming_kind)
		fuse_reply_err(req, EXDEV); /* mv then copies, and unlinks the clip */
	else
		fuse_reply_err(req, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	struct node *node = node_of(req, ino);
	struct node *new_dir = node_of(req, new_parent);

	if (node->kind == new_dir->kind && node->kind->link)
		node->kind->link(fs_of(req), req, node, new_dir, new_name);
	else
		fuse_reply_err(req, new_dir->kind == &incoming_kind ? EXDEV : EPERM);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	DISPATCH(ino, open, EACCES, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	DISPATCH(ino, read, EBADF, size, off, fi);
}

static void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t off,
			 struct fuse_file_info *fi)
{
	DISPATCH(ino, write, EBADF, in, off, fi);
}

/* (ENOSYS would switch it off for the whole mount.) */
static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *handle)
{
	struct node *node = node_of(req, ino);

	if (node->kind->poll) {
		node->kind->poll(fs_of(req), req, node, fi, handle);
		return;
	}
	if (handle)
		fuse_pollhandle_destroy(handle);
	fuse_reply_poll(req, POLL_ORDINARY);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	DISPATCH(ino, flush, 0, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	DISPATCH(ino, release, 0, fi);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int is_datasync, struct fuse_file_info *fi)
{
	DISPATCH(ino, fsync, 0, is_datasync, fi);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *node = node_of(req, ino);

	if (node->kind->opendir)
		node->kind->opendir(fs_of(req), req, node, fi);
	else
		fuse_reply_open(req, fi); /* a listing has no state but its cookie */
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	DISPATCH(ino, readdir, ENOTDIR, size, off, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi)
{
	DISPATCH(ino, readdir, ENOTDIR, size, off, fi, true);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	DISPATCH(ino, releasedir, 0, fi);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int is_datasync, struct fuse_file_info *fi)
{
	DISPATCH(ino, fsyncdir, 0, is_datasync, fi);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs vfs;

	/* Of the uploads' volume: it is what can be filled through the mount. */
	if (fstatvfs(fs_of(req)->incoming.root_fd, &vfs) < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_statfs(req, &vfs);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	DISPATCH(parent, create, EPERM, name, mode, fi);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
			 struct fuse_file_info *fi)
{
	DISPATCH(ino, fallocate, EOPNOTSUPP, mode, off, len, fi);
}

/* Where a text or a clip has data: everywhere. (ENOSYS would switch it off for the whole mount.) */
static void lseek_without_holes(fuse_req_t req, struct node *node, off_t off, int whence)
{
	struct stat st;
	double timeout;
	int r = node->kind->getattr(fs_of(req), node, &st, &timeout);

	if (r < 0)
		fuse_reply_err(req, -r);
	else if (whence != SEEK_DATA && whence != SEEK_HOLE)
		fuse_reply_err(req, EINVAL);
	else if (off < 0 || off >= st.st_size)
		fuse_reply_err(req, ENXIO);
	else
		fuse_reply_lseek(req, whence == SEEK_DATA ? off : st.st_size);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	struct node *node = node_of(req, ino);

	if (node->kind->lseek)
		node->kind->lseek(fs_of(req), req, node, off, whence, fi);
	else
		lseek_without_holes(req, node, off, whence);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			       struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
			       struct fuse_file_info *fi_out, size_t len, int flags)
{
	struct node *in = node_of(req, ino_in);
	struct node *out = node_of(req, ino_out);

	if (in->kind == out->kind && in->kind->copy_range)
		in->kind->copy_range(fs_of(req), req, in, off_in, fi_in, out, off_out, fi_out, len,
				     flags);
	else
		fuse_reply_err(req, EOPNOTSUPP); /* the kernel copies by itself */
}

/* The first ENOSYS switches each of the four off in the kernel: nothing is asked any more. */
static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	if (fs_of(req)->has_xattr)
		DISPATCH(ino, setxattr, EOPNOTSUPP, name, value, size, flags);
	else
		fuse_reply_err(req, ENOSYS);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	/* ENODATA: to the kernel's question for an access list, another answer is a refusal. */
	if (fs_of(req)->has_xattr)
		DISPATCH(ino, getxattr, ENODATA, name, size);
	else
		fuse_reply_err(req, ENOSYS);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct node *node = node_of(req, ino);

	if (!fs_of(req)->has_xattr)
		fuse_reply_err(req, ENOSYS);
	else if (node->kind->listxattr)
		node->kind->listxattr(fs_of(req), req, node, size);
	else if (size)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_xattr(req, 0);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	if (fs_of(req)->has_xattr)
		DISPATCH(ino, removexattr, EOPNOTSUPP, name);
	else
		fuse_reply_err(req, ENOSYS);
}

const struct fuse_lowlevel_ops ops_table = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write_buf = op_write_buf,
	.poll = op_poll,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.create = op_create,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
};
