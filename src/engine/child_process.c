/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting a child process; see proto.h for what it finds open. Any thread. */
#include "child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"
#include "storyclip/proto.h"

/* Descriptors of a child: 0, 1, 2, then those of proto.h. */
#define CHILD_FDS (PROTO_CLIPS_FD + 1)

/* Of tests, and what a sanitizer's build is told: where to report, what is no fault. */
static const char *const kept_variables[] = {"STORYCLIP_HOOKS=", "STORYCLIP_TEST_", "ASAN_OPTIONS=",
					     "LSAN_OPTIONS=",    "TSAN_OPTIONS=",   "UBSAN_OPTIONS="};

/* The order as a file: the child reads at its own pace and the daemon never waits for it. */
static int make_order(const struct spawn_plan *plan, int *ret_fd)
{
	auto_fd int fd = memfd_create("storyclip-order", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = file_pwrite_all(fd, plan->order, plan->order_len, 0);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

static bool is_kept(const char *variable)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(kept_variables); i++)
		if (!strncmp(variable, kept_variables[i], strlen(kept_variables[i])))
			return true;
	return false;
}

/* @return an array to free(); its strings are borrowed */
static char **make_environment(void)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char lang[] = "LANG=C.UTF-8";
	size_t n = 0, used = 0;
	char **list;

	while (environ[n])
		n++;
	list = calloc(n + 3, sizeof(*list));
	if (!list)
		return NULL;
	list[used++] = path;
	list[used++] = lang;
	for (size_t i = 0; i < n; i++)
		if (is_kept(environ[i]))
			list[used++] = environ[i];
	return list;
}

/*
 * Every source is first moved above the targets, so that no dup2 overwrites what a later one needs.
 * The copies are closed by exec, and closefrom takes whatever somebody forgot to mark.
 */
static int add_fds(posix_spawn_file_actions_t *actions, const int sources[CHILD_FDS],
		   int copies[CHILD_FDS])
{
	for (int i = 0; i < CHILD_FDS; i++) {
		copies[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, CHILD_FDS);
		if (copies[i] < 0)
			return -errno;
		if (posix_spawn_file_actions_adddup2(actions, copies[i], i))
			return -ENOMEM;
	}
	return posix_spawn_file_actions_addclosefrom_np(actions, CHILD_FDS) ? -ENOMEM : 0;
}

static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						   POSIX_SPAWN_SETSIGDEF) ||
	    posix_spawnattr_setpgroup(attr, 0) || posix_spawnattr_setsigmask(attr, &none) ||
	    posix_spawnattr_setsigdefault(attr, &all))
		return -ENOMEM;
	return 0;
}

static int spawn_with(const struct spawn_plan *plan, const int sources[CHILD_FDS], pid_t *ret_pid)
{
	char *argv[] = {(char *)plan->path, NULL};
	posix_spawn_file_actions_t actions;
	auto_free char **environment = make_environment();
	int copies[CHILD_FDS];
	posix_spawnattr_t attr;
	int r;

	if (!environment)
		return -ENOMEM;
	for (int i = 0; i < CHILD_FDS; i++)
		copies[i] = -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	r = add_fds(&actions, sources, copies);
	if (r == 0)
		r = set_attributes(&attr);
	if (r == 0)
		r = -posix_spawn(ret_pid, plan->path, &actions, &attr, argv, environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	for (int i = 0; i < CHILD_FDS; i++)
		if (copies[i] >= 0)
			close(copies[i]);
	return r;
}

int spawn_child(const struct spawn_plan *plan, pid_t *ret_pid, int *ret_pidfd)
{
	auto_fd int order_fd = -1;
	pid_t pid;
	int pidfd, r;

	r = make_order(plan, &order_fd);
	if (r < 0)
		return r;
	const int sources[CHILD_FDS] = {order_fd,        plan->said_fd, plan->said_fd,
					plan->report_fd, plan->fds[0],  plan->fds[1]};

	r = spawn_with(plan, sources, &pid);
	if (r < 0)
		return r;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		r = -errno;
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	fcntl(pidfd, F_SETFD, FD_CLOEXEC);
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}
