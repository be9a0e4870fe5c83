/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The job's log, read straight from its file. Handler threads. */
#include "logfile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs_state.h"
#include "jobs.h"
#include "pollers.h"
#include "reply.h"

/** One open log. */
struct log_file {
	struct poller poller;
	int fd;
	/* A log that was opened before its first line is empty for ever: what it has become since,
	   or -1. Set once. */
	atomic_int later_fd;
};

static struct log_file *log_file_of(const struct fuse_file_info *fi)
{
	return (struct log_file *)(uintptr_t)fi->fh;
}

static int log_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct job_dir *job = job_of(node);
	auto_fd int fd = -1;
	struct stat file;
	int r;

	if (atomic_load(&job->is_removed))
		return -ENOENT;
	r = engine_log_open(fs->engine, job->id, &fd);
	if (r < 0)
		return r;
	if (fstat(fd, &file) < 0)
		return -errno;
	attr_fill(st, node->ino, row_of(node)->mode, job->uid, job->gid, 0);
	st->st_size = file.st_size;
	st->st_blocks = file.st_blocks;
	st->st_mtim = st->st_ctim = st->st_atim = file.st_mtim;
	*timeout = TIMEOUT_NONE;
	return 0;
}

static void log_close_file(struct fs *fs, struct poller *poller)
{
	struct log_file *file = (struct log_file *)(void *)poller;
	int later = atomic_load(&file->later_fd);

	poller_finish(fs, poller);
	close(file->fd);
	if (later >= 0)
		close(later);
	free(file);
}

static void log_open_file(struct fs *fs, fuse_req_t req, struct node *node,
			  struct fuse_file_info *fi)
{
	struct log_file *file;
	int r;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EACCES);
		return;
	}
	file = malloc(sizeof(*file));
	r = file ? engine_log_open(fs->engine, job_of(node)->id, &file->fd) : -ENOMEM;
	if (r < 0) {
		free(file);
		fuse_reply_err(req, -r);
		return;
	}
	atomic_init(&file->later_fd, -1);
	poller_init(fs, &file->poller, log_close_file);
	fi->fh = (uintptr_t)file;
	fi->direct_io = 1;
	fi->noflush = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		log_close_file(fs, &file->poller);
}

/* The descriptor that has the lines by now. */
static int log_current_fd(struct fs *fs, const struct job_dir *job, struct log_file *file)
{
	int later = atomic_load(&file->later_fd), none = -1;
	auto_fd int fd = -1;
	struct stat st;

	if (later >= 0)
		return later;
	if (fstat(file->fd, &st) < 0 || st.st_size > 0 ||
	    engine_log_open(fs->engine, job->id, &fd) < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		return file->fd;
	if (!atomic_compare_exchange_strong(&file->later_fd, &none, fd))
		return none; /* somebody else was faster: its descriptor */
	return take_fd(&fd);
}

static void log_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);

	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = log_current_fd(fs, job_of(node), log_file_of(fi));
	data.buf[0].pos = off;
	fuse_reply_data(req, &data, 0);
}

static void log_release(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	log_close_file(fs, &log_file_of(fi)->poller);
	fuse_reply_err(req, 0);
}

const struct node_kind logfile_kind = {
	.getattr = log_getattr,
	.open = log_open_file,
	.read = log_read,
	.release = log_release,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
