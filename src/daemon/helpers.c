/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding storyclip-worker, and asking it for its libav: this program never links that. */
#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storyclip/common/macros.h"

#define WORKER    "storyclip-worker"
#define ANSWER_MS 5000

int helpers_find_dir(char **ret)
{
	auto_free char *worker = NULL;
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
		if (asprintf(&worker, "%s/%s", self, WORKER) < 0)
			return -ENOMEM;
	}
	*ret = strdup(worker && access(worker, X_OK) == 0 ? self : SC_LIBEXECDIR);
	return *ret ? 0 : -ENOMEM;
}

static int worker_start(const char *path, const char *question, pid_t *ret_pid, int *ret_fd)
{
	const char *const argv[] = {path, question, NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(ret_pid, path, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (r) {
		close(fds[0]);
		return -r;
	}
	*ret_fd = fds[0];
	return 0;
}

/* What it prints, until it has said all or is silent for too long. */
static void answer_read(int fd, char *out, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && poll(&(struct pollfd){fd, POLLIN, 0}, 1, ANSWER_MS) > 0) {
		ssize_t got = read(fd, out + n, size - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	out[n] = '\0';
}

static void worker_ask(const char *dir, const char *question, char *out, size_t size)
{
	auto_free char *path = NULL;
	auto_fd int fd = -1;
	pid_t pid;

	out[0] = '\0';
	if (asprintf(&path, "%s/%s", dir, WORKER) < 0 ||
	    worker_start(path, question, &pid, &fd) < 0)
		return;
	answer_read(fd, out, size);
	kill(pid, SIGKILL); /* it has answered, or it never will */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void helpers_ffmpeg_version(const char *dir, char *out, size_t size)
{
	char answer[1024];
	const char *line;

	/* Its lines are "name version"; ours is that of libavcodec's project, FFmpeg. */
	worker_ask(dir, "--version", answer, sizeof(answer));
	line = strstr(answer, "FFmpeg ");
	snprintf(out, size, "%.*s", line ? (int)strcspn(line + 7, "\n") : 0, line ? line + 7 : "");
}

void helpers_sandbox(const char *dir, char *out, size_t size)
{
	size_t len;

	worker_ask(dir, "--sandbox", out, size);
	len = strlen(out);
	if (out[0] == '{' && len > 2 && !strcmp(out + len - 2, "}\n"))
		out[len - 1] = '\0';
	else
		out[0] = '\0'; /* no answer, or half of one */
}
