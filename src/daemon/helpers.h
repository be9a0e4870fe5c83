/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs that the daemon starts: where they are, what they link. Main thread, at start. */
#pragma once

#include <stddef.h>

/** The directory of storyclip-worker: beside this program (a build tree), else where it is
 * installed. */
int helpers_find_dir(char **ret);

/**
 * The version of libav that the worker links, as it tells by --version; "" when it does not.
 * Waits at most a few seconds.
 */
void helpers_ffmpeg_version(const char *dir, char *out, size_t size);

/** What a worker locks itself in with here: one JSON object, for health; "" when it does not tell.
 * Waits at most a few seconds. */
void helpers_sandbox(const char *dir, char *out, size_t size);
