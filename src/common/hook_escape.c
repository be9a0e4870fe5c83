/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attempts to get out, made from within a program after it has locked itself in: what an attacker
 * would do who runs code in it. Never linked into what is shipped.
 *
 * DIR/escape-targets has lines "name argument"; what came of each is appended to DIR/escape-result
 * as "name done" or "name errno", the errno by its symbol. Attempts that end the program when they
 * are refused are said before they are made ("name tried").
 */
#include "hook_escape.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storyclip/common/macros.h"

static int as_result(long r)
{
	return r < 0 ? -errno : 0;
}

static int try_read(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;

	return fd < 0 ? -errno : as_result(read(fd, &byte, 1));
}

static int try_write(const char *path)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : as_result(write(fd, "x", 1));
}

static int try_list(const char *path)
{
	DIR *dir = opendir(path);
	int r;

	if (!dir)
		return -errno;
	r = readdir(dir) ? 0 : -errno;
	closedir(dir);
	return r;
}

static int try_remove(const char *path)
{
	return as_result(unlink(path));
}

static int try_chmod(const char *path)
{
	return as_result(chmod(path, 0777));
}

static int try_connect(const char *port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons((uint16_t)atoi(port)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	return as_result(connect(fd, (const struct sockaddr *)&to, sizeof(to)));
}

static int try_socketpair(const char *unused)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* Another program, in a child so that this one goes on. */
static int try_exec(const char *path)
{
	char *argv[] = {(char *)(uintptr_t)path, NULL};
	pid_t pid = vfork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		execv(path, argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -EACCES : 0;
}

/* In place: refused or not, the program ends or goes on. A path that cannot be run tells which. */
static int try_exec_here(const char *path)
{
	char *argv[] = {(char *)(uintptr_t)path, NULL};

	execv(path, argv);
	return errno == ENOENT ? 0 : -errno; /* the kernel has looked for it: it would have run */
}

static int try_fork(const char *unused)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return 0;
}

static int try_signal(const char *pid)
{
	return as_result(kill(atoi(pid), SIGWINCH)); /* ignored by default: no harm when it arrives */
}

static int try_uid(const char *unused)
{
	return as_result(setresuid(0, 0, 0));
}

static int try_chroot(const char *path)
{
	return as_result(chroot(path));
}

static int try_ptrace(const char *pid)
{
	int r = as_result(ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL));

	if (r == 0)
		ptrace(PTRACE_DETACH, atoi(pid), NULL, NULL);
	return r;
}

static const struct {
	const char *name;
	int (*attempt)(const char *argument);
	bool may_end_it;
} attempts[] = {
	{"read", try_read, false},       {"read-job", try_read, false},
	{"read-database", try_read, false},
	{"read-proc", try_read, false},  {"list", try_list, false},
	{"write", try_write, false},     {"write-job", try_write, false},
	{"remove", try_remove, false},   {"chmod", try_chmod, false},
	{"connect", try_connect, false}, {"socketpair", try_socketpair, false},
	{"fork", try_fork, false},       {"exec", try_exec, false},
	{"exec-here", try_exec_here, false},
	{"signal", try_signal, false},   {"signal-worker", try_signal, false},
	{"uid", try_uid, false},         {"chroot", try_chroot, false},
	{"ptrace", try_ptrace, true},
};

static void say(FILE *out, const char *name, const char *what)
{
	fprintf(out, "%s %s\n", name, what);
	fflush(out);
}

static void attempt(FILE *out, const char *name, const char *argument)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(attempts); i++) {
		int r;

		if (strcmp(attempts[i].name, name) != 0)
			continue;
		if (attempts[i].may_end_it)
			say(out, name, "tried");
		r = attempts[i].attempt(argument);
		say(out, name, r == 0 ? "done" : strerrorname_np(-r));
		return;
	}
	say(out, name, "unknown");
}

void hook_escape(const char *dir)
{
	char path[4096], line[4096];
	FILE *in, *out;

	snprintf(path, sizeof(path), "%s/escape-targets", dir);
	in = fopen(path, "re");
	snprintf(path, sizeof(path), "%s/escape-result", dir);
	out = fopen(path, "we");
	while (in && out && fgets(line, sizeof(line), in)) {
		char *argument = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (argument)
			*argument++ = '\0';
		attempt(out, line, argument ? argument : "");
	}
	if (out)
		say(out, "end", "reached");
	if (in)
		fclose(in);
	if (out)
		fclose(out);
}
