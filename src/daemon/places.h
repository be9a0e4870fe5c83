/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the settings' directories lie, and whether they may lie there. Main thread, at start. */
#pragma once

#include <stdbool.h>

#include "storyclip/config.h"

/**
 * A path, absolute and without symlinks, of which the end need not exist yet.
 * @return 0 (*ret to free) or a negative errno
 */
int place_resolve(const char *path, char **ret);
/** The same of a directory that must exist, and may be a dead mount. */
int place_resolve_mountpoint(const char *path, char **ret);
/** Whether a path is dir itself or below it. Both absolute and resolved. */
bool place_is_within(const char *path, const char *dir);

/** Refuse places that lie inside of one another where they must not. @return 0 or -EINVAL */
int places_check(const struct settings *settings, struct error *e);
/** Make the directories that are missing, with INTERFACE.md's modes. */
int places_create(const struct settings *settings, struct error *e);
