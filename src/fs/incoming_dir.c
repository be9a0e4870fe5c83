/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listings of incoming/: the backing directory's own, its cookies too. Handler threads.
 *
 * READDIRPLUS looks up what it lists, but where the kernel could not keep it (there it would be asked
 * again at once) and where that would be more than the daemon may have open.
 */
#include "incoming_node.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_state.h"
#include "pollers.h"
#include "reply.h"

/** One open directory; its requests come one after the other. */
struct inc_dir {
	struct poller poller;
	DIR *stream;
	off_t off;            /* where the stream stands */
	struct dirent *entry; /* read, but there was no room for it */
};

static struct inc_dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct inc_dir *)(uintptr_t)fi->fh;
}

static void dir_close(struct fs *fs, struct poller *poller)
{
	struct inc_dir *d = (struct inc_dir *)(void *)poller;

	poller_finish(fs, poller);
	closedir(d->stream);
	free(d);
}

void inc_opendir(struct fs *fs, fuse_req_t req, struct node *dir, struct fuse_file_info *fi)
{
	struct inc_proc_path proc = inc_proc_path(inc_of(dir)->fd);
	struct as_caller as = {0};
	struct inc_dir *d = calloc(1, sizeof(*d));
	auto_fd int fd = -1;
	int r = d ? as_caller_enter(&as, req) : -ENOMEM;

	if (r == 0) {
		do {
			fd = open(proc.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			r = fd < 0 ? -errno : 0;
		} while (as_caller_retry(&as, r));
	}
	as_caller_leave(&as);
	if (r == 0) {
		d->stream = fdopendir(fd);
		r = d->stream ? 0 : -errno;
	}
	if (r < 0) {
		free(d);
		fuse_reply_err(req, -r);
		return;
	}
	take_fd(&fd); /* the stream's now */
	poller_init(fs, &d->poller, dir_close);
	fi->fh = (uintptr_t)d;
	if (fuse_reply_open(req, fi) == -ENOENT)
		dir_close(fs, &d->poller);
}

/* @return false when there is no room for it */
static bool list_entry(struct listing *l, struct inc_node *dir, const struct dirent *entry)
{
	const char *name = entry->d_name;
	struct inc_node *node;
	double timeout = TIMEOUT_NONE;

	if (l->is_plus && inc_keep_has_room(l->fs) && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	    inc_get(l->fs, dir, name, &node) == 0) {
		timeout = behind_name_timeout(l->fs, dir, name, node);
		if (timeout > 0)
			return listing_add_node(l, name, &node->node, timeout, entry->d_off);
		node_unref(l->fs, &node->node);
	}
	return listing_add(l, name, entry->d_ino, DTTOIF(entry->d_type), entry->d_off);
}

void inc_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size, off_t off,
		 struct fuse_file_info *fi, bool is_plus)
{
	struct inc_dir *d = dir_of(fi);
	struct listing l;
	int r = listing_init(&l, fs, req, size, is_plus);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	if (off != d->off) {
		seekdir(d->stream, off);
		d->off = off;
		d->entry = NULL;
	}
	for (;;) {
		if (!d->entry) {
			errno = 0;
			d->entry = readdir(d->stream);
		}
		if (!d->entry)
			break;
		if (!inc_is_hidden(fs, inc_of(dir), d->entry->d_name) &&
		    !list_entry(&l, inc_of(dir), d->entry))
			break;
		d->off = d->entry->d_off;
		d->entry = NULL;
	}
	if (!d->entry && errno && !l.len) {
		int err = errno;

		free(l.data);
		fuse_reply_err(req, err);
		return;
	}
	listing_reply(&l);
}

void inc_releasedir(struct fs *fs, fuse_req_t req, struct node *dir, struct fuse_file_info *fi)
{
	dir_close(fs, &dir_of(fi)->poller);
	fuse_reply_err(req, 0);
}

void inc_fsyncdir(struct fs *fs, fuse_req_t req, struct node *dir, int is_datasync,
		  struct fuse_file_info *fi)
{
	int fd = dirfd(dir_of(fi)->stream);

	reply_result(req, (is_datasync ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0);
}
