/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies that appear whole. */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signals.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"

#define CHUNK     (1u << 20)
#define REPORT_MS 100

static int copy_bytes(int src_fd, int dst_fd, const struct copy_watch *watch)
{
	auto_free char *chunk = malloc(CHUNK);
	int64_t done = 0, told_ms = 0, now_ms;
	struct stat st;
	ssize_t n;
	int r;

	if (!chunk)
		return -ENOMEM;
	if (fstat(src_fd, &st) < 0)
		return -errno;
	while ((n = file_pread_full(src_fd, chunk, CHUNK, done)) > 0) {
		if (signals_caught())
			return -EINTR;
		r = file_write_all(dst_fd, chunk, (size_t)n);
		if (r < 0)
			return r;
		done += n;
		now_ms = clock_monotonic_ms(&clock_system);
		if (watch && now_ms - told_ms >= REPORT_MS) {
			watch->report(watch->context, done, st.st_size);
			told_ms = now_ms;
		}
	}
	if (watch)
		watch->report(watch->context, done, done);
	return (int)n;
}

static int open_temporary(int dir_fd, struct copy *copy)
{
	for (int i = 0; i < 100; i++) {
		int fd;

		snprintf(copy->name, sizeof(copy->name), ".storyclip.%ld.%d.part", (long)getpid(),
			 i);
		fd = openat(dir_fd, copy->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

int copy_begin(int src_fd, int dir_fd, const struct copy_watch *watch, struct copy *ret)
{
	auto_copy struct copy copy = {.dir_fd = dir_fd};
	int fd = open_temporary(dir_fd, &copy);
	int r;

	if (fd < 0)
		return fd;
	copy.is_there = true;
	posix_fadvise(src_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r = copy_bytes(src_fd, fd, watch);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && signals_caught())
		r = -EINTR;
	if (r < 0)
		return r;
	*ret = copy;
	copy.is_there = false;
	return 0;
}

/* Without replacing, also where rename knows no flags: a second name fails when there is one. */
static int name_new(const struct copy *copy, const char *name)
{
	if (renameat2(copy->dir_fd, copy->name, copy->dir_fd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(copy->dir_fd, copy->name, copy->dir_fd, name, 0) < 0)
		return -errno;
	return unlinkat(copy->dir_fd, copy->name, 0) < 0 ? -errno : 0;
}

int copy_name(struct copy *copy, const char *name, bool may_replace)
{
	int r;

	if (may_replace)
		r = renameat(copy->dir_fd, copy->name, copy->dir_fd, name) < 0 ? -errno : 0;
	else
		r = name_new(copy, name);
	if (r < 0)
		return r;
	copy->is_there = false;
	return file_sync_dir(copy->dir_fd);
}

void copy_drop(struct copy *copy)
{
	if (copy->is_there)
		unlinkat(copy->dir_fd, copy->name, 0);
	copy->is_there = false;
}

int copy_is_same(int a_fd, int b_fd)
{
	auto_free char *a = malloc(CHUNK), *b = malloc(CHUNK);
	struct stat a_st, b_st;

	if (!a || !b)
		return -ENOMEM;
	if (fstat(a_fd, &a_st) < 0 || fstat(b_fd, &b_st) < 0)
		return -errno;
	if (a_st.st_dev == b_st.st_dev && a_st.st_ino == b_st.st_ino)
		return 1;
	if (!S_ISREG(b_st.st_mode) || a_st.st_size != b_st.st_size)
		return 0;
	for (int64_t at = 0;;) {
		ssize_t n = file_pread_full(a_fd, a, CHUNK, at);
		ssize_t m = file_pread_full(b_fd, b, CHUNK, at);

		if (n < 0 || m < 0)
			return (int)(n < 0 ? n : m);
		if (n != m || memcmp(a, b, (size_t)n) != 0)
			return 0;
		if (n == 0)
			return 1;
		if (signals_caught())
			return -EINTR;
		at += n;
	}
}
