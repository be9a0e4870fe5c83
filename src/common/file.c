/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File helpers that everything which must not lose data goes through. Any thread. */
#include "storyclip/common/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "storyclip/common/macros.h"

int file_open_beneath(int dir_fd, const char *path, int flags, mode_t mode, int *ret_fd)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	/* RESOLVE_BENEATH gives EAGAIN when a rename raced with it; a few tries settle that. */
	for (int tries = 0; tries < 16; tries++) {
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
		if (fd >= 0) {
			*ret_fd = (int)fd;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_pwrite_all(int fd, const void *data, size_t len, int64_t offset)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}

bool file_is_on_ext4(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == EXT4_SUPER_MAGIC;
}

int file_take_blocks(int fd, int64_t size)
{
	int r;

	if (size <= 0 || !file_is_on_ext4(fd))
		return 0;
	do
		r = fallocate(fd, 0, 0, size) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r == -EOPNOTSUPP ? 0 : r; /* without extents, as ext3 was */
}

ssize_t file_read_full(int fd, void *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, (char *)data + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t file_pread_full(int fd, void *data, size_t len, int64_t offset)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (char *)data + got, len - got, offset + (int64_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int file_read_text(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	auto_fd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	auto_free char *text = NULL;
	ssize_t n;

	if (fd < 0)
		return -errno;
	text = malloc(max + 2);
	if (!text)
		return -ENOMEM;
	n = file_read_full(fd, text, max + 1);
	if (n < 0)
		return (int)n;
	if ((size_t)n > max)
		return -EFBIG;
	text[n] = '\0';
	*ret = take_ptr(text);
	if (ret_len)
		*ret_len = (size_t)n;
	return 0;
}

int file_write_atomic(int dir_fd, const char *name, const void *data, size_t len, mode_t mode)
{
	char tmp[NAME_MAX + 1];
	int fd, r;

	if (snprintf(tmp, sizeof(tmp), ".%.200s.%ld.tmp", name, (long)getpid()) < 0)
		return -EINVAL;
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = file_write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, tmp, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir_fd, tmp, 0);
		return r;
	}
	return file_sync_dir(dir_fd);
}

int file_sync_dir(int dir_fd)
{
	/* An O_PATH descriptor cannot be synced; open the same directory again. */
	auto_fd int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

/* One directory of the path, and its name on disk. @return 1 when it was made, 0 when it was there */
static int make_dir(const char *path, const char *parent, mode_t mode)
{
	auto_fd int parent_fd = -1;

	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Whoever may make names in a directory need not be allowed to list it; then the name is as
	 * safe as anybody else's there. */
	if (parent_fd < 0)
		return errno == EACCES ? 1 : -errno;
	return fsync(parent_fd) < 0 ? -errno : 1;
}

int file_make_dirs(const char *path, mode_t mode)
{
	auto_free char *copy = strdup(path), *parent = strdup(*path == '/' ? "/" : ".");
	struct stat st;
	int r;

	if (!copy || !parent)
		return -ENOMEM;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		r = make_dir(copy, parent, 0755);
		if (r < 0)
			return r;
		free(parent);
		parent = strdup(copy);
		if (!parent)
			return -ENOMEM;
		*p = '/';
	}
	r = make_dir(copy, parent, mode);
	if (r < 0)
		return r;
	/* mkdir obeys the umask; the mode asked for is meant. */
	if (r > 0)
		return chmod(copy, mode) < 0 ? -errno : 0;
	if (stat(copy, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int remove_tree_on(int dir_fd, const char *name, dev_t dev, unsigned int depth)
{
	auto_fd int fd = -1;
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int r = 0;

	if (depth > 64)
		return -ELOOP;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (st.st_dev != dev)
		return -EXDEV;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	take_fd(&fd);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = remove_tree_on(dirfd(dir), entry->d_name, dev, depth + 1);
		if (r < 0)
			break;
	}
	closedir(dir);
	if (r < 0)
		return r;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int file_remove_tree(int dir_fd, const char *name)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	return remove_tree_on(dir_fd, name, st.st_dev, 0);
}

int64_t file_free_bytes(int fd)
{
	struct statvfs vfs;

	if (fstatvfs(fd, &vfs) < 0)
		return -errno;
	return (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize;
}

bool file_has_writer(int fd)
{
	/* A read lease is given only while nobody writes. */
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}
