/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How large a file of incoming/ may become (max_upload_size): each request that could make one
 * larger is refused with EFBIG as a whole, before a byte of it is written. Handler threads.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fs_state.h"
#include "incoming_node.h"

/* 0, or -EFBIG: `end` is beyond the limit, and beyond what the file has already. */
static int check_end(int64_t limit, int fd, off_t end)
{
	struct stat st;

	if (!limit || end <= limit)
		return 0;
	/* What came behind the mount may be larger: it can be written within its size, and cut. */
	if (fstat(fd, &st) == 0 && end <= st.st_size)
		return 0;
	return -EFBIG;
}

static int64_t limit_of(const struct fs *fs)
{
	return fs->deps.settings->max_upload_size;
}

int inc_limit_size(const struct fs *fs, int fd, off_t size)
{
	return check_end(limit_of(fs), fd, size);
}

int inc_limit_write(const struct fs *fs, int fd, off_t off, size_t len, bool is_append)
{
	int64_t limit = limit_of(fs);
	struct stat st;

	if (!limit)
		return 0;
	/* Appended wherever the end is now, whatever the kernel took it for. */
	if (is_append && fstat(fd, &st) == 0)
		off = st.st_size;
	return check_end(limit, fd, off + (off_t)len);
}

int inc_limit_fallocate(const struct fs *fs, int fd, int mode, off_t off, off_t len)
{
	int64_t limit = limit_of(fs);
	struct stat st;

	if (!limit || (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE)))
		return 0;
	if (mode & FALLOC_FL_INSERT_RANGE)
		return fstat(fd, &st) == 0 && st.st_size + len > limit ? -EFBIG : 0;
	return check_end(limit, fd, off + len);
}

int inc_limit_copy(const struct fs *fs, int fd, off_t off, size_t *len)
{
	int64_t limit = limit_of(fs);

	/* A caller gives more than there is and takes what it gets: up to the limit. */
	if (limit && off < limit && (uint64_t)*len > (uint64_t)(limit - off))
		*len = (size_t)(limit - off);
	return inc_limit_write(fs, fd, off, *len, false);
}
