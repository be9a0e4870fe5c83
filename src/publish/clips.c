/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The clips of one directory, file by file. Long files are handled in pieces, so that the watchdog
 * sees the work move. Main thread.
 */
#include "clips.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"

#define PIECE_BYTES (8 * 1024 * 1024)
#define BUFFER_BYTES (256 * 1024)
#define PROGRESS_COPIED 9 /* of the upload, by which a job begins */

struct walk {
	const struct publish_order *order;
	struct child_reporter *reporter;
	struct error *e;
	int to_fd;
};

typedef int (*clip_step)(const struct walk *walk, int dir_fd, const char *name);

/* Open a clip that is a plain file with no other name: neither a symlink, nor a pipe that blocks,
 * nor a hard link by which somebody else's file would get a new owner. */
static int clip_open(int dir_fd, const char *name, struct error *e, struct stat *st, int *ret_fd)
{
	auto_fd int fd = -1;

	if (clip_number_from_filename(name) == 0)
		return error_set(e, SC_INTERNAL, "'%.64s' among the clips is none", name);
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st) < 0)
		return error_from_errno(e, -errno, "opening %s", name);
	if (!S_ISREG(st->st_mode) || st->st_nlink != 1)
		return error_set(e, SC_INTERNAL, "'%s' is not a plain file of its own", name);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int for_each_clip(int dir_fd, clip_step step, const struct walk *walk)
{
	auto_fd int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	size_t n = 0;
	int r = 0;
	DIR *dir;

	if (fd < 0)
		return error_from_errno(walk->e, -errno, "opening the clips");
	dir = fdopendir(fd);
	if (!dir)
		return error_from_errno(walk->e, -errno, "reading the clips");
	take_fd(&fd); /* the stream's now */
	while (r == 0) {
		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			r = error_from_errno(walk->e, -errno, "reading the clips");
		if (!entry)
			break;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = step(walk, dir_fd, entry->d_name);
		n++;
	}
	closedir(dir);
	if (r == 0 && n == 0)
		return error_set(walk->e, SC_INTERNAL, "there is no clip to publish");
	return r;
}

static void on_written(void *context, uint64_t bytes)
{
	child_worked(context, bytes, -1);
}

/* (uid_t)-1 and (gid_t)-1 leave things as they are, as in chown(2). */
static int set_owner_and_mode(const struct publish_order *order, int fd, mode_t mode)
{
	if ((order->owner_uid != (uid_t)-1 || order->owner_gid != (gid_t)-1) &&
	    fchown(fd, order->owner_uid, order->owner_gid) < 0)
		return -errno;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

int clips_sync(int fd, struct child_reporter *reporter)
{
	int64_t begun_us = clock_precise_us();
	int r = fsync(fd) < 0 ? -errno : 0;

	reporter->synced_us += clock_precise_us() - begun_us;
	return r;
}

static int settle_step(const struct walk *walk, int dir_fd, const char *name)
{
	auto_fd int fd = -1;
	struct stat st;
	int r;

	r = clip_open(dir_fd, name, walk->e, &st, &fd);
	if (r < 0)
		return r;
	r = set_owner_and_mode(walk->order, fd, 0644);
	if (r < 0)
		return error_from_errno(walk->e, r, "setting owner and mode of %s", name);
	r = file_write_back(fd, st.st_size, on_written, walk->reporter);
	if (r == 0)
		r = clips_sync(fd, walk->reporter);
	if (r < 0)
		return error_from_errno(walk->e, r, "syncing %s", name);
	child_worked(walk->reporter, 1, -1);
	return 0;
}

int clips_settle(int dir_fd, const struct publish_order *order, struct child_reporter *reporter,
		 struct error *e)
{
	const struct walk walk = {.order = order, .reporter = reporter, .e = e};
	int r;

	r = for_each_clip(dir_fd, settle_step, &walk);
	if (r < 0)
		return r;
	r = set_owner_and_mode(order, dir_fd, 0755);
	if (r < 0)
		return error_from_errno(e, r, "setting owner and mode of the clips' directory");
	r = clips_sync(dir_fd, reporter);
	if (r < 0)
		return error_from_errno(e, r, "syncing the clips' directory");
	return 0;
}

/* One block of the disk for both, where the file system can: then there is nothing to copy. */
static bool file_clone(int from, int to)
{
	return ioctl(to, FICLONE, from) == 0;
}

/* One piece through user space. @return bytes copied or a negative errno */
static ssize_t copy_by_hand(int from, int to, int64_t at, size_t len)
{
	auto_free char *buffer = malloc(BUFFER_BYTES);
	size_t done = 0;

	if (!buffer)
		return -ENOMEM;
	while (done < len) {
		size_t want = len - done < BUFFER_BYTES ? len - done : BUFFER_BYTES;
		ssize_t n = file_pread_full(from, buffer, want, at + (int64_t)done);
		int r;

		if (n <= 0)
			return n < 0 ? n : (ssize_t)done;
		r = file_pwrite_all(to, buffer, (size_t)n, at + (int64_t)done);
		if (r < 0)
			return r;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* One piece by the kernel where it can. @return bytes copied or a negative errno */
static ssize_t copy_piece(int from, int to, int64_t at, size_t len)
{
	loff_t in = at, out = at;
	ssize_t n = copy_file_range(from, &in, to, &out, len, 0);

	/* 0 within the file: some file systems say so for "cannot". */
	if (n == 0 || (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
				 errno == EOPNOTSUPP || errno == EBADF)))
		return copy_by_hand(from, to, at, len);
	return n < 0 ? -errno : n;
}

static int copy_step(const struct walk *walk, int dir_fd, const char *name)
{
	auto_fd int from = -1, to = -1;
	struct stat st;
	int r;

	r = clip_open(dir_fd, name, walk->e, &st, &from);
	if (r < 0)
		return r;
	to = openat(walk->to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (to < 0)
		return error_from_errno(walk->e, -errno, "creating %s", name);
	/* Subvolumes are volumes to rename(2), and share blocks all the same. */
	for (int64_t at = file_clone(from, to) ? st.st_size : 0; at < st.st_size;) {
		int64_t len = st.st_size - at < PIECE_BYTES ? st.st_size - at : PIECE_BYTES;
		ssize_t n = copy_piece(from, to, at, (size_t)len);

		if (n <= 0)
			return error_from_errno(walk->e, n < 0 ? (int)n : -EIO, "copying %s", name);
		at += n;
		walk->reporter->copied_bytes += n;
		child_worked(walk->reporter, (uint64_t)n, -1);
		hook_reach("publish-copying");
	}
	if (close(take_fd(&to)) < 0)
		return error_from_errno(walk->e, -errno, "copying %s", name);
	return 0;
}

int clips_copy(int from_fd, int to_fd, struct child_reporter *reporter, struct error *e)
{
	const struct walk walk = {.reporter = reporter, .e = e, .to_fd = to_fd};

	return for_each_clip(from_fd, copy_step, &walk);
}

static int upload_copy_bytes(int to, int64_t size, struct child_reporter *reporter, struct error *e)
{
	for (int64_t at = 0; at < size;) {
		int64_t len = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;
		ssize_t n = copy_piece(PROTO_WORK_FD, to, at, (size_t)len);

		if (n < 0)
			return error_from_errno(e, (int)n, "copying the upload");
		if (n == 0)
			break; /* cut off meanwhile: the engine will see that it was changed */
		at += n;
		child_worked(reporter, (uint64_t)n, (int)((double)at / (double)size * PROGRESS_COPIED));
		hook_reach("hold-copying");
	}
	return 0;
}

int upload_copy(const char *job_id, struct child_reporter *reporter, struct error *e)
{
	char name[JOB_ID_SIZE + 8];
	auto_fd int to = -1;
	struct stat st;
	int r = 0;

	child_phase(reporter, 0, JOB_MESSAGE_COPYING);
	snprintf(name, sizeof(name), ".%s.copy", job_id);
	if (fstat(PROTO_WORK_FD, &st) < 0)
		return error_from_errno(e, -errno, "looking at the upload");
	if (unlinkat(PROTO_OUTPUT_FD, name, 0) < 0 && errno != ENOENT)
		return error_from_errno(e, -errno, "removing an older copy of the upload");
	to = openat(PROTO_OUTPUT_FD, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return error_from_errno(e, -errno, "making a copy of the upload");
	if (!file_clone(PROTO_WORK_FD, to))
		r = upload_copy_bytes(to, st.st_size, reporter, e);
	if (r < 0)
		return r;
	child_flush(reporter);
	if (fsync(to) < 0)
		return error_from_errno(e, -errno, "syncing the copy of the upload");
	return 0;
}
