/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * After a kill -9 the kernel keeps the mount, and every access gives ENOTCONN. Only mounts of our
 * own type are ever taken away. Main thread, at start, with the locks held: so nobody serves it.
 */
#include "deadmount.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storyclip/common/log.h"
#include "storyclip/common/macros.h"
#include "storyclip/common/mountinfo.h"

#define FS_TYPE     "fuse.storyclipfs"
#define CLEAR_TRIES 64 /* dead mounts may lie on top of one another */
#define ABORT_FILE  "/sys/fs/fuse/connections/%u/abort"

/* Whether the topmost mount on that path is one of ours, and if so its device's minor number. A
 * line: id parent MAJOR:MINOR root PATH options [optional fields] - TYPE source options; later
 * lines lie on top. */
static bool find_our_mount(const char *mountpoint, unsigned int *ret_minor)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	bool is_ours = false;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		char *saved = NULL, *path = NULL, *type = strstr(line, " - ");
		unsigned int minor = 0;

		if (!type)
			continue;
		*type = '\0';
		type += 3;
		type[strcspn(type, " ")] = '\0';
		if (sscanf(line, "%*d %*d %*u:%u", &minor) != 1)
			continue;
		path = strtok_r(line, " ", &saved);
		for (int field = 1; field < 5 && path; field++)
			path = strtok_r(NULL, " ", &saved);
		if (!path)
			continue;
		mountinfo_unescape(path);
		if (strcmp(path, mountpoint) != 0)
			continue;
		is_ours = !strcmp(type, FS_TYPE);
		*ret_minor = minor;
	}
	if (f)
		fclose(f);
	return is_ours;
}

static bool is_our_mount(const char *mountpoint)
{
	unsigned int minor;

	return find_our_mount(mountpoint, &minor);
}

void deadmount_abort(const char *mountpoint)
{
	auto_fd int fd = -1;
	unsigned int minor;
	char path[64];

	if (!find_our_mount(mountpoint, &minor))
		return;
	snprintf(path, sizeof(path), ABORT_FILE, minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) == 1) {
		log_info("ended the requests that nobody answers any more on %s", mountpoint);
		return;
	}
	/* Where that file system is not mounted. The requests end also when the mount stays. */
	if (geteuid() == 0 && umount2(mountpoint, MNT_FORCE) == 0)
		log_info("cleared a dead mount on %s by force", mountpoint);
}

static int unmount_as_user(const char *mountpoint)
{
	const char *const argv[] = {"fusermount3", "-u", "-z", "-q", "--", mountpoint, NULL};
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* statfs(2): what stat(2) says of a mount's root may come from the kernel's cache, long after. */
static bool is_alive(const char *mountpoint)
{
	struct statfs st;

	return statfs(mountpoint, &st) == 0;
}

int deadmount_clear(const char *mountpoint, struct error *e)
{
	int r;

	for (int tries = 0; is_our_mount(mountpoint); tries++) {
		if (is_alive(mountpoint))
			return error_set_errno(e, -EBUSY, SC_INTERNAL,
					       "MOUNTPOINT %s is a storyclipfs already; unmount it "
					       "or choose another",
					       mountpoint);
		if (errno != ENOTCONN && errno != ECONNABORTED)
			return error_from_errno(e, -errno, "MOUNTPOINT %s cannot be used",
						mountpoint);
		if (tries == CLEAR_TRIES)
			return error_set_errno(e, -EBUSY, SC_INTERNAL,
					       "MOUNTPOINT %s stays a dead mount; unmount it",
					       mountpoint);
		r = geteuid() == 0 ? (umount2(mountpoint, MNT_DETACH) < 0 ? -errno : 0)
				   : unmount_as_user(mountpoint);
		if (r < 0)
			return error_from_errno(e, r, "clearing the dead mount on %s", mountpoint);
		log_info("cleared a dead mount on %s", mountpoint);
	}
	return 0;
}
