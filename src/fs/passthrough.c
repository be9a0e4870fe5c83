/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backing files of open inodes: see passthrough.h. Handler threads. */
#include "passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compat.h"
#include "fs_state.h"

#if defined(FUSE_CAP_PASSTHROUGH) && defined(FUSE_DEV_IOC_BACKING_OPEN)

/* Backing files may lie on overlayfs, which is a file system above others itself. */
#define STACK_DEPTH 1

void passthrough_init(struct fs *fs, struct fuse_conn_info *conn)
{
	if (!compat_want(conn, FUSE_CAP_PASSTHROUGH)) {
		fs->passthrough.why_not = "the kernel does not offer it";
		return;
	}
	conn->max_backing_stack_depth = STACK_DEPTH;
	fs->passthrough.why_not = NULL;
}

/* libfuse's function for it prints a line for every refusal and does not tell the errno. */
static int backing_register(struct fs *fs, int fd)
{
	struct fuse_backing_map map = {.fd = fd};
	int id = ioctl(fuse_session_fd(fs->session), FUSE_DEV_IOC_BACKING_OPEN, &map);
	int err = id > 0 ? 0 : id < 0 ? errno : EINVAL;

	atomic_store(&fs->passthrough.refused, err);
	atomic_store(&fs->passthrough.is_tried, true);
	return err ? -err : id;
}

static void backing_unregister(struct fs *fs, int id)
{
	uint32_t number = (uint32_t)id;

	/* When the connection has ended, so has the id. */
	ioctl(fuse_session_fd(fs->session), FUSE_DEV_IOC_BACKING_CLOSE, &number);
}

static void set_open(struct fuse_file_info *fi, int id)
{
	fi->backing_id = id;
	fi->direct_io = 0;
	fi->keep_cache = 0; /* the kernel refuses both together */
}

#else

void passthrough_init(struct fs *fs, struct fuse_conn_info *conn)
{
	fs->passthrough.why_not =
		"not built in: it needs libfuse 3.17 and the headers of Linux 6.9";
}

static int backing_register(struct fs *fs, int fd)
{
	return -EOPNOTSUPP;
}

static void backing_unregister(struct fs *fs, int id)
{
}

static void set_open(struct fuse_file_info *fi, int id)
{
}

#endif

static bool open_uncounted(struct fs *fs, struct backing *backing, int fd, bool is_wanted,
			   struct fuse_file_info *fi)
{
	int fresh = -1, id;
	bool is_open_to_it;

	lock_acquire(&fs->tree.lock);
	backing->opens++;
	is_open_to_it = !backing->id && !backing->is_plain;
	lock_release(&fs->tree.lock);
	if (is_wanted && is_open_to_it && !fs->passthrough.why_not &&
	    atomic_load(&fs->passthrough.refused) != EPERM)
		fresh = backing_register(fs, fd);

	lock_acquire(&fs->tree.lock);
	if (!backing->id && !backing->is_plain) {
		/* Nobody else has decided it meanwhile. */
		if (fresh > 0) {
			backing->id = fresh;
			fresh = -1;
		} else {
			backing->is_plain = true;
		}
	}
	id = backing->id;
	lock_release(&fs->tree.lock);
	if (fresh > 0)
		backing_unregister(fs, fresh);
	if (id)
		set_open(fi, id);
	return id != 0;
}

bool backing_open(struct fs *fs, struct backing *backing, int fd, bool is_wanted,
		  struct fuse_file_info *fi)
{
	bool is_open = open_uncounted(fs, backing, fd, is_wanted, fi);

	/* Before the answer: who has it may look at the count at once. */
	if (is_open)
		atomic_fetch_add(&fs->counters.passthrough_opens, 1);
	return is_open;
}

void backing_close(struct fs *fs, struct backing *backing)
{
	int gone = 0;

	lock_acquire(&fs->tree.lock);
	if (--backing->opens == 0) {
		gone = backing->id;
		*backing = (struct backing){0};
	}
	lock_release(&fs->tree.lock);
	if (gone)
		backing_unregister(fs, gone);
}

/* The kernel says whether it grants backing files at all only when one is given to it: one of the
   uploads' file system, where that can make a file without a name. */
static void try_it(struct fs *fs)
{
	struct backing backing = {0};
	struct fuse_file_info fi = {0};
	auto_fd int fd = openat(fs->incoming.root_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = memfd_create("storyclip-passthrough", MFD_CLOEXEC);
	if (fd < 0)
		return;
	open_uncounted(fs, &backing, fd, true, &fi);
	backing_close(fs, &backing);
}

bool passthrough_is_on(struct fs *fs, char why[ERROR_MESSAGE_SIZE])
{
	int refused;

	why[0] = '\0';
	if (fs->passthrough.why_not) {
		snprintf(why, ERROR_MESSAGE_SIZE, "%s", fs->passthrough.why_not);
		return false;
	}
	if (!atomic_load(&fs->passthrough.is_tried))
		try_it(fs);
	refused = atomic_load(&fs->passthrough.refused);
	if (!refused && fs->deps.settings->max_upload_size)
		snprintf(why, ERROR_MESSAGE_SIZE, "only for clips: max_upload_size is set");
	if (refused == EPERM)
		snprintf(why, ERROR_MESSAGE_SIZE, "the kernel grants it only with CAP_SYS_ADMIN");
	else if (refused)
		snprintf(why, ERROR_MESSAGE_SIZE, "the kernel refused a backing file: %s",
			 strerrordesc_np(refused));
	return !refused;
}
