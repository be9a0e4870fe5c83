/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A person's video → an upload of the mount. */
#pragma once

#include <stddef.h>

#include "cli.h"

/** Write `name` with "-<number>" before its extension, at most 255 bytes; number 1 is the name
 * itself. */
void upload_numbered_name(const char *name, unsigned int number, char out[256]);

/**
 * See to it that the video lies in incoming/: used in place when it does, or when the same bytes
 * lie there under its name; else copied. Failures are printed.
 * @param ret  its path below incoming/, to free
 * @return an exit code
 */
int upload_place(struct cli *cli, int dir_fd, const char *video, char **ret);
