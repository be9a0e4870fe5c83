/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hooks of test builds. See storyclip/common/hook.h; never linked into what is shipped. */
#include "storyclip/common/hook.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hook_escape.h"

static void hook_say_reached(const char *dir, const char *step)
{
	char path[4096], tmp[4096];
	FILE *f;

	/* Written beside and renamed, so that a test which sees the file can read the pid in it. */
	snprintf(path, sizeof(path), "%s/%s.reached", dir, step);
	snprintf(tmp, sizeof(tmp), "%s/%s.reached.%ld", dir, step, (long)getpid());
	f = fopen(tmp, "we");
	if (!f)
		return;
	fprintf(f, "%ld\n", (long)getpid());
	fclose(f);
	rename(tmp, path);
}

static void hook_sleep_10ms(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static void hook_wait_for(const char *dir, const char *step)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.go", dir, step);
	while (access(path, F_OK) < 0)
		hook_sleep_10ms();
}

static void hook_block(void)
{
	int fds[2];
	char byte;

	if (pipe(fds) < 0)
		return;
	while (read(fds[0], &byte, 1) < 0)
		;
}

static void hook_spin(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

void hook_reach(const char *step)
{
	const char *dir = getenv("STORYCLIP_HOOKS");
	char path[4096], action[32] = "";
	const char *word = action;
	ssize_t n;
	int fd;

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, step);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, action, sizeof(action) - 1);
	close(fd);
	if (n <= 0)
		return;
	action[strcspn(action, "\n")] = '\0';
	if (!strncmp(word, "once-", 5)) {
		if (unlink(path) < 0)
			return;
		word += 5;
	}
	hook_say_reached(dir, step);
	if (!strcmp(word, "stop"))
		kill(getpid(), SIGSTOP);
	else if (!strcmp(word, "spin"))
		hook_spin();
	else if (!strcmp(word, "block"))
		hook_block();
	else if (!strcmp(word, "wait"))
		hook_wait_for(dir, step);
	else if (!strcmp(word, "kill"))
		kill(getpid(), SIGKILL);
	else if (!strcmp(word, "segv"))
		kill(getpid(), SIGSEGV);
	else if (!strcmp(word, "escape"))
		hook_escape(dir);
}

const char *hook_directory(void)
{
	return getenv("STORYCLIP_HOOKS");
}

bool hook_is_set(const char *name)
{
	const char *dir = hook_directory();
	char path[4096];

	if (!dir)
		return false;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}
