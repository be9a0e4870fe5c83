/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "storyclip/common/file.h"

#define SPOOL_NAME ".spool.tmp" /* only where the file system knows no nameless files */

int spool_open(struct spool *spool, int dir_fd)
{
	int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		fd = openat(dir_fd, SPOOL_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd >= 0)
			unlinkat(dir_fd, SPOOL_NAME, 0);
	}
	if (fd < 0)
		return -errno;
	*spool = (struct spool){.fd = fd};
	return 0;
}

int spool_reset(struct spool *spool)
{
	spool->size = 0;
	return ftruncate(spool->fd, 0) < 0 ? -errno : 0;
}

void spool_close(struct spool *spool)
{
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
}

int spool_fill(struct spool *spool, int64_t block)
{
	int64_t size = (spool->size + block - 1) / block * block;

	if (ftruncate(spool->fd, size) < 0)
		return -errno;
	spool->size = size;
	return 0;
}

int spool_write(struct spool *spool, const void *data, size_t len)
{
	int r = file_pwrite_all(spool->fd, data, len, spool->size);

	if (r == 0)
		spool->size += (int64_t)len;
	return r;
}
