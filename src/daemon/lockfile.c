/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks by flock(2) on a file: the kernel lets go of them when the process has ended, so none is
 * ever stale. The file's text is for people and for the message of the one that comes too late.
 */
#include "lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deadmount.h"
#include "places.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "storyclip/intake.h"

#define LOCK_NAME  ".storyclip.lock"
#define LOOK_MS    20
#define HOLDER_MAX 4200

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Whether the file that was locked is still the one of that name: its last holder may have removed
 * it between our open and our lock. */
static bool is_current(int fd, const char *path)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
	       ours.st_dev == named.st_dev;
}

/* @return 0, -EWOULDBLOCK (somebody has it), or why it cannot be made */
static int lock_try(const char *path, int *ret_fd)
{
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (!is_current(fd, path))
		return -EWOULDBLOCK;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The lock's text: pid, newline, mount point, newline. */
static int holder_write(int fd, const char *mountpoint)
{
	auto_free char *text = NULL;
	int n = asprintf(&text, "%ld\n%s\n", (long)getpid(), mountpoint);

	if (n < 0)
		return -ENOMEM;
	if (ftruncate(fd, 0) < 0)
		return -errno;
	return file_pwrite_all(fd, text, (size_t)n, 0);
}

/* Who has the lock, as its text says. @return false: it does not say */
static bool holder_read(const char *path, char **ret_text, const char **ret_mountpoint)
{
	char *mountpoint;

	if (file_read_text(AT_FDCWD, path, HOLDER_MAX, ret_text, NULL) < 0)
		return false;
	mountpoint = strchr(*ret_text, '\n');
	if (!mountpoint || mountpoint == *ret_text)
		return false;
	*mountpoint++ = '\0';
	mountpoint[strcspn(mountpoint, "\n")] = '\0';
	*ret_mountpoint = mountpoint;
	return true;
}

/* Whether a process has ended but for threads that cannot. */
static bool is_dying(const char *pid)
{
	auto_free char *path = NULL, *text = NULL;
	const char *name_end;

	if (asprintf(&path, "/proc/%.20s/stat", pid) < 0 ||
	    file_read_text(AT_FDCWD, path, HOLDER_MAX, &text, NULL) < 0)
		return false;
	name_end = strrchr(text, ')');
	return name_end && !strncmp(name_end, ") Z", 3);
}

/* One that was killed may hang at its own mount, and keep the lock until that is let go. */
static void help_to_die(const char *path)
{
	auto_free char *text = NULL;
	const char *mountpoint;

	if (holder_read(path, &text, &mountpoint) && is_dying(text))
		deadmount_abort(mountpoint);
}

static int refuse_held(const char *dir, const char *path, struct error *e)
{
	auto_free char *text = NULL;
	const char *mountpoint;

	if (!holder_read(path, &text, &mountpoint))
		return error_set_errno(e, -EBUSY, SC_INTERNAL,
				       "%s is in use by another storyclipfs", dir);
	return error_set_errno(
		e, -EBUSY, SC_INTERNAL,
		"%.180s is in use by another storyclipfs: pid %.20s, mounted on %.200s", dir, text,
		mountpoint);
}

static int lock_wait(const char *dir, const char *path, int64_t until_ms, struct error *e,
		     int *ret_fd)
{
	for (;;) {
		int r = lock_try(path, ret_fd);

		if (r == 0)
			return 0;
		if (r != -EWOULDBLOCK)
			return error_from_errno(e, r, "locking %s", path);
		if (clock_monotonic_ms(&clock_system) >= until_ms)
			return refuse_held(dir, path, e);
		help_to_die(path);
		sleep_ms(LOOK_MS);
	}
}

static int locks_add(struct locks *locks, const char *dir, const char *name,
		     const struct settings *settings, int64_t until_ms, struct error *e)
{
	char *path;
	int r, fd = -1;

	if (asprintf(&path, "%s%s", dir, name) < 0)
		return error_from_errno(e, -ENOMEM, "locking %s", dir);
	r = lock_wait(dir, path, until_ms, e, &fd);
	if (r == 0 && (r = holder_write(fd, settings->mountpoint)) < 0) {
		close(fd);
		error_from_errno(e, r, "writing %s", path);
	}
	if (r < 0) {
		free(path);
		return r;
	}
	locks->fds[locks->n] = fd;
	locks->paths[locks->n++] = path;
	return 0;
}

static int hold_dir_create(const struct settings *settings, struct error *e)
{
	auto_free char *path = NULL;
	int r;

	if (asprintf(&path, "%s/%s", settings->upload_tmp_dir, INTAKE_HOLD_DIR) < 0)
		return error_from_errno(e, -ENOMEM, "locking %s", settings->upload_tmp_dir);
	r = file_make_dirs(path, 0700);
	return r < 0 ? error_from_errno(e, r, "making %s", path) : 0;
}

int locks_take(const struct settings *settings, int64_t wait_ms, struct error *e,
	       struct locks *ret)
{
	const struct {
		const char *dir, *name;
	} wanted[LOCKS_MAX] = {
		{settings->root, "/" LOCK_NAME},
		/* Not a file that incoming/ would show. */
		{settings->upload_tmp_dir, "/" INTAKE_HOLD_DIR "/" LOCK_NAME},
		{settings->process_work_dir, "/" LOCK_NAME},
		{settings->output_root, "/" LOCK_NAME},
		{settings->database, ".lock"},
	};
	int64_t until_ms = clock_monotonic_ms(&clock_system) + wait_ms;
	struct locks locks = LOCKS_NONE;
	int r = hold_dir_create(settings, e);

	for (size_t i = 0; i < LOCKS_MAX && r == 0; i++)
		if (i == 0 || !place_is_within(wanted[i].dir, settings->root))
			r = locks_add(&locks, wanted[i].dir, wanted[i].name, settings, until_ms, e);
	if (r < 0)
		locks_release(&locks);
	else
		*ret = locks;
	return r;
}

bool locks_are_held(const struct settings *settings)
{
	auto_free char *path = NULL;
	auto_fd int fd = -1;

	if (asprintf(&path, "%s/" LOCK_NAME, settings->root) < 0)
		return false;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	/* Had for a moment only: a start that comes just then looks again. */
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

void locks_release(struct locks *locks)
{
	while (locks->n > 0) {
		locks->n--;
		/* While it is locked: whoever waits for this very file sees that it is gone. */
		unlink(locks->paths[locks->n]);
		free(locks->paths[locks->n]);
		close(locks->fds[locks->n]);
	}
}
