/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * power_cut DIRECTORY: what a power cut does to the ext4 or XFS file system beneath, by its shutdown
 * ioctl (linux/fs/ext4/ext4.h, EXT4_IOC_SHUTDOWN; the same number in xfs_fs.h): nothing that is not on
 * the disk gets there any more, the journal's memory included; every call gives EIO until it is
 * mounted again. For root, on a loop device of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define IOC_SHUTDOWN       _IOR('X', 125, uint32_t)
#define SHUTDOWN_NOLOGFLUSH 2u

int main(int argc, char **argv)
{
	uint32_t flags = SHUTDOWN_NOLOGFLUSH;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: power_cut DIRECTORY\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, IOC_SHUTDOWN, &flags) < 0) {
		fprintf(stderr, "power_cut %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	close(fd);
	return 0;
}
