/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A library to preload under valgrind, which has to be told that the program serves a file system that it also
 * uses itself (--sim-hints=fuse-compatible), and then stops with a failed assertion at close_range(2) and
 * readlink(2). Without them the daemon keeps what it was started with.
 */
#include <spawn.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

SHOWN int close_range(unsigned int first, unsigned int last, int flags)
{
	return 0;
}

SHOWN int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from)
{
	return 0;
}

/* The daemon looks where its own program lies, and nowhere else. */
SHOWN ssize_t readlink(const char *path, char *text, size_t size)
{
	const char *program = (const char *)getauxval(AT_EXECFN);
	size_t len = program ? strnlen(program, size) : 0;

	if (strcmp(path, "/proc/self/exe") != 0 || !len)
		return -1;
	memcpy(text, program, len);
	return (ssize_t)len;
}
