/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open files of incoming/. Handler threads.
 *
 * With kernel passthrough only open and close, and what changes a size, come here. Without: what
 * only writes is opened direct_io, for writes then come as large as they were made, which is the
 * faster way (FUSE.md section 3); reads are cached by the kernel, which drops its pages when it sees
 * another time stamp or size, and with an open after a change of any kind.
 */
#include "incoming_node.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "as_caller.h"
#include "fs_state.h"
#include "reply.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"

/* ---- open files ---- */

/* What the daemon opens with: O_DIRECT would ask for buffers aligned as nobody's here are. */
static int backing_flags(int flags)
{
	return (flags & ~(O_DIRECT | O_NOFOLLOW | O_CREAT | O_EXCL | O_NOCTTY)) | O_CLOEXEC;
}

static bool is_writable(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* Apart, for contrib/sanitizers/tsan.supp names it. */
static void inc_file_free(struct inc_file *file)
{
	close(file->fd);
	free(file);
}

static void unlist_writer(struct fs *fs, struct inc_file *file)
{
	lock_acquire(&fs->tree.lock);
	*file->back = file->next;
	if (file->next)
		file->next->back = file->back;
	lock_release(&fs->tree.lock);
}

/* The mount ends while the file is open: nobody is told of it any more. */
static void file_drop(struct fs *fs, struct poller *poller)
{
	struct inc_file *file = (struct inc_file *)(void *)poller;
	struct inc_node *node = file->node;

	poller_finish(fs, poller);
	if (file->is_writable)
		unlist_writer(fs, file);
	free(file->sidecar);
	inc_file_free(file);
	inc_unuse(fs, node);
}

/* Take over a descriptor as an open file, and tell the intake when it can be written. */
static int file_create(struct fs *fs, fuse_req_t req, struct inc_node *node, int *fd, int flags,
		       struct inc_file **ret)
{
	struct inc_file *file = calloc(1, sizeof(*file));
	auto_free char *path = NULL;

	if (!file)
		return -ENOMEM;
	poller_init(fs, &file->poller, file_drop);
	file->fd = take_fd(fd);
	atomic_init(&file->is_append, (flags & O_APPEND) != 0);
	file->node = node;
	node_ref(fs, &node->node);
	file->is_writable = is_writable(flags) && node->type == S_IFREG;
	if (file->is_writable) {
		/* It may have names that are not known here: one that the kernel knew before another was removed. */
		path = inc_path(fs, node);
		if (path)
			file->sidecar = inc_sidecar_opened(req, path, file->fd);
		lock_acquire(&fs->tree.lock);
		file->next = fs->incoming.writers;
		file->back = &fs->incoming.writers;
		if (file->next)
			file->next->back = &file->next;
		fs->incoming.writers = file;
		lock_release(&fs->tree.lock);
		intake_writer_opened(fs->intake, node->dev, node->ino, path);
		hook_reach("fs-writer-opened");
	}
	*ret = file;
	return 0;
}

static void file_close(struct fs *fs, struct inc_file *file)
{
	struct inc_node *node = file->node;

	if (file->is_writable) {
		auto_free char *path = inc_path(fs, node);

		unlist_writer(fs, file);
		hook_reach("fs-writer-closed");
		intake_writer_closed(fs->intake, node->dev, node->ino, path, file->fd);
		inc_sidecar_closed(fs, take_ptr(file->sidecar), node, path);
	}
	backing_close(fs, &node->backing);
	poller_finish(fs, &file->poller);
	inc_file_free(file);
	inc_unuse(fs, node);
}

void incoming_all_closed(struct fs *fs)
{
	for (;;) {
		struct inc_file *file;

		lock_acquire(&fs->tree.lock);
		file = fs->incoming.writers;
		lock_release(&fs->tree.lock);
		if (!file)
			return;
		file_close(fs, file);
	}
}

/* Requests are read as they are written, and a limit is kept with each write: these bytes come here. */
static bool wants_passthrough(struct fs *fs, struct inc_node *node)
{
	bool is_wanted;

	lock_acquire(&fs->tree.lock);
	is_wanted = node->type == S_IFREG && !(node->name && intake_is_sidecar(node->name)) &&
		    !fs->deps.settings->max_upload_size;
	lock_release(&fs->tree.lock);
	return is_wanted;
}

/* Whether the kernel's pages of a file are what it holds: also who restores a file behind the mount, with
   its size and its time, changes its ctime. */
static bool has_valid_pages(struct inc_file *file)
{
	struct stat st;
	long long ctime;

	if (fstat(file->fd, &st) < 0)
		return false;
	ctime = (long long)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	return atomic_exchange(&file->node->read_ctime, ctime) == ctime;
}

/* How the kernel shall use an open file. A close has something to say only where a request is carried
   out with it, where the backing file system reports errors with it, or where it must wait. */
static void set_opened(struct fs *fs, fuse_req_t req, struct inc_file *file,
		       struct fuse_file_info *fi, bool is_direct)
{
	auto_as_writer bool is_writer = as_owner_enter(req, file->fd);

	fi->fh = (uintptr_t)file;
	fi->direct_io = is_direct;
	fi->keep_cache = !is_direct && has_valid_pages(file);
	fi->noflush = !file->is_writable ||
		      (!file->sidecar && !inc_is_foreign(&fs->incoming, file->node) &&
		       inc_keep_has_room(fs));
	backing_open(fs, &file->node->backing, file->fd, wants_passthrough(fs, file->node), fi);
}

static void reply_opened(struct fs *fs, fuse_req_t req, struct inc_file *file,
			 struct fuse_file_info *fi)
{
	set_opened(fs, req, file, fi, (fi->flags & O_ACCMODE) == O_WRONLY);
	if (fuse_reply_open(req, fi) == -ENOENT)
		file_close(fs, file);
}

/* Open what a node is as the caller. */
static int open_node(struct fs *fs, fuse_req_t req, struct inc_node *node, int flags, int *ret_fd)
{
	struct inc_proc_path proc = inc_proc_path(node->fd);
	auto_as_caller struct as_caller as = {0};
	int r = as_caller_enter(&as, req);

	if (r == 0 && (is_writable(flags) || (flags & O_TRUNC)))
		r = inc_check_frozen(fs, node);
	if (r < 0)
		return r;
	if (is_writable(flags))
		hook_reach("fs-writer-opening");
	do {
		*ret_fd = open(proc.path, backing_flags(flags));
		r = *ret_fd < 0 ? -errno : 0;
	} while (as_caller_retry(&as, r));
	return r;
}

/* O_TRUNC works with O_RDONLY, too: nobody writes, and yet it is another upload. */
static void tell_truncated(struct fs *fs, struct inc_node *node, int fd)
{
	auto_free char *path = inc_path(fs, node);

	intake_writer_opened(fs->intake, node->dev, node->ino, path);
	intake_writer_closed(fs->intake, node->dev, node->ino, path, fd);
}

/* Open what is there already. Whether a job may hold it is settled before or behind all of this. */
static int open_known(struct fs *fs, fuse_req_t req, struct inc_node *node, int flags,
		      struct inc_file **ret)
{
	auto_fd int fd = -1;
	bool may_change = is_writable(flags) || (flags & O_TRUNC);
	struct intake_opening opening;
	int r;

	if (may_change)
		intake_opening_begin(fs->intake, node->dev, node->ino, &opening);
	r = open_node(fs, req, node, flags, &fd);
	if (r == 0)
		r = file_create(fs, req, node, &fd, flags, ret);
	if (r == 0 && may_change && !is_writable(flags))
		tell_truncated(fs, node, (*ret)->fd);
	if (may_change)
		intake_opening_end(fs->intake, &opening);
	return r;
}

void inc_open(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct inc_file *file;
	int r = open_known(fs, req, inc_of(node), fi->flags, &file);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_opened(fs, req, file, fi);
}

/* A new file as the caller. @return -EEXIST when somebody was faster behind the mount */
static int create_as_caller(fuse_req_t req, struct inc_node *dir, const char *name, mode_t mode,
			    int flags, int *ret_fd)
{
	auto_as_caller struct as_caller as = {0};
	int r = as_caller_enter(&as, req);

	if (r < 0)
		return r;
	as_caller_umask(req);
	do
		r = file_open_beneath(dir->fd, name, backing_flags(flags) | O_CREAT | O_EXCL,
				      mode & 01777, ret_fd);
	while (as_caller_retry(&as, r));
	return r;
}

void inc_create(struct fs *fs, fuse_req_t req, struct node *dir, const char *name, mode_t mode,
		struct fuse_file_info *fi)
{
	struct inc_node *parent = inc_of(dir), *node = NULL;
	struct fuse_entry_param entry;
	struct inc_file *file = NULL;
	auto_fd int fd = -1;
	int r = inc_is_hidden(fs, parent, name) ? -EPERM : 0;

	if (r == 0)
		r = create_as_caller(req, parent, name, mode, fi->flags, &fd);
	if (r == 0) {
		r = inc_get_opened(fs, parent, name, fd, &node);
		if (r == 0)
			r = file_create(fs, req, node, &fd, fi->flags, &file);
	} else if (r == -EEXIST && !(fi->flags & O_EXCL)) {
		r = inc_get(fs, parent, name, &node);
		if (r == 0)
			r = open_known(fs, req, node, fi->flags, &file);
	}
	if (r == 0) {
		set_opened(fs, req, file, fi, is_writable(fi->flags));
		r = entry_fill(fs, &node->node, behind_name_timeout(fs, parent, name, node), &entry);
	}
	if (r < 0) {
		if (file)
			file_close(fs, file);
		if (node)
			node_unref(fs, &node->node);
		fuse_reply_err(req, -r);
		return;
	}
	node_ref_to_lookup(fs, &node->node);
	if (fuse_reply_create(req, &entry, fi) == -ENOENT) {
		file_close(fs, file);
		node_forget(fs, &node->node, 1);
	}
}

/* ---- bytes ---- */

void inc_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);

	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = inc_file_of(fi)->fd;
	data.buf[0].pos = off;
	fuse_reply_data(req, &data, FUSE_BUF_SPLICE_MOVE);
}

/* Bytes to the end of a file, wherever that is by now. @return how many, or a negative errno */
static ssize_t write_to_end(int fd, struct fuse_bufvec *in)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	auto_free char *bytes = malloc(fuse_buf_size(in));
	struct iovec piece = {.iov_base = bytes};
	ssize_t n, done = 0;

	if (!bytes)
		return -ENOMEM;
	out.buf[0].mem = bytes;
	n = fuse_buf_copy(&out, in, 0);
	if (n < 0)
		return n;
	for (piece.iov_len = (size_t)n; piece.iov_len; piece.iov_len -= (size_t)n) {
		n = pwritev2(fd, &piece, 1, 0, RWF_APPEND);
		if (n <= 0)
			return done ? done : n < 0 ? -errno : -EIO;
		piece.iov_base = (char *)piece.iov_base + n;
		done += n;
	}
	return done;
}

static ssize_t write_at(struct inc_file *file, struct fuse_bufvec *in, off_t off)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));

	/* Through a descriptor opened to append pwrite(2) appends too. */
	if (atomic_load(&file->is_append)) {
		int flags = fcntl(file->fd, F_GETFL);

		if (flags < 0 || fcntl(file->fd, F_SETFL, flags & ~O_APPEND) < 0)
			return -errno;
		atomic_store(&file->is_append, false);
	}
	out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	out.buf[0].fd = file->fd;
	out.buf[0].pos = off;
	return fuse_buf_copy(&out, in, 0);
}

void inc_write(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_bufvec *in, off_t off,
	       struct fuse_file_info *fi)
{
	struct inc_file *file = inc_file_of(fi);
	/* A mapping's pages have their place, however the file was opened; and fcntl(2) changes how. */
	bool is_append = (fi->flags & O_APPEND) && !fi->writepage;
	ssize_t n = inc_limit_write(fs, file->fd, off, fuse_buf_size(in), is_append);

	if (n == 0) {
		auto_as_writer bool is_writer = as_writer_enter(req);

		n = is_append ? write_to_end(file->fd, in) : write_at(file, in, off);
	}
	inc_sidecar_written(file->sidecar);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

static bool is_passthrough(struct fs *fs, const struct inc_node *node)
{
	bool is_it;

	lock_acquire(&fs->tree.lock);
	is_it = node->backing.id != 0;
	lock_release(&fs->tree.lock);
	return is_it;
}

/* close(2) reports what the backing file system has to report at a close. */
void inc_flush(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct inc_file *file = inc_file_of(fi);
	auto_free char *path = file->sidecar ? inc_path(fs, file->node) : NULL;
	int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	int r = fd < 0 || close(fd) < 0 ? -errno : 0;

	if (is_passthrough(fs, file->node))
		inc_sidecar_look(file->sidecar, file->fd);
	if (r == 0 && !file->sidecar)
		inc_keep_reply_flush(fs, req);
	else
		inc_sidecar_flush(fs, req, file->sidecar, path, r);
}

void inc_release(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	file_close(fs, inc_file_of(fi));
	fuse_reply_err(req, 0);
}

void inc_fsync(struct fs *fs, fuse_req_t req, struct node *node, int is_datasync,
	       struct fuse_file_info *fi)
{
	int fd = inc_file_of(fi)->fd;

	reply_result(req, (is_datasync ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0);
}

void inc_fallocate(struct fs *fs, fuse_req_t req, struct node *node, int mode, off_t off, off_t len,
		   struct fuse_file_info *fi)
{
	auto_as_writer bool is_writer = as_writer_enter(req);
	int r = inc_check_frozen(fs, inc_of(node));

	if (r == 0)
		r = inc_limit_fallocate(fs, inc_file_of(fi)->fd, mode, off, len);
	if (r == 0 && fallocate(inc_file_of(fi)->fd, mode, off, len) < 0)
		r = -errno;
	reply_result(req, r);
}

void inc_lseek(struct fs *fs, fuse_req_t req, struct node *node, off_t off, int whence,
	       struct fuse_file_info *fi)
{
	/* Reads and writes here carry their own offsets, so the descriptor's does not matter. */
	off_t found = lseek(inc_file_of(fi)->fd, off, whence);

	if (found < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_lseek(req, found);
}

void inc_copy_range(struct fs *fs, fuse_req_t req, struct node *in, off_t off_in,
		    struct fuse_file_info *fi_in, struct node *out, off_t off_out,
		    struct fuse_file_info *fi_out, size_t len, int flags)
{
	int to = inc_file_of(fi_out)->fd;
	ssize_t n = inc_limit_copy(fs, to, off_out, &len);

	if (n == 0) {
		auto_as_writer bool is_writer = as_writer_enter(req);

		n = copy_file_range(inc_file_of(fi_in)->fd, &off_in, to, &off_out, len,
				    (unsigned int)flags);
		n = n < 0 ? -errno : n;
	}
	inc_sidecar_written(inc_file_of(fi_out)->sidecar);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}
