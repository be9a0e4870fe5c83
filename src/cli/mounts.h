/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the mount: what is given, or what /proc/self/mountinfo shows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "storyclip/common/macros.h"
#include "storyclip/error.h"

#define MOUNTS_TYPE "fuse.storyclipfs"

struct mounts {
	char **paths; /* owned; without doubles, in the order of the table */
	size_t n;
};
void mounts_finish(struct mounts *mounts);
#define auto_mounts __attribute__((cleanup(mounts_finish)))

/**
 * Take the mount points of storyclipfs out of a text like /proc/self/mountinfo, octal escapes
 * undone. Bind mounts of a part and malformed lines are passed over. Pure.
 * @return 0 or -ENOMEM
 */
int mounts_parse(const char *mountinfo, struct mounts *ret);

/**
 * Choose: the innermost mount that one of the places lies in, earlier places first; else the only
 * one. Pure. @return its index, -ENOENT (there is none), -ENOTUNIQ (several)
 */
int mounts_choose(const struct mounts *mounts, const char *const *places, size_t n_places);

/** Whether path is dir or lies below it, by name. Both absolute. */
bool mounts_contains(const char *dir, const char *path);

/**
 * Find the mount to use: given, else $STORYCLIP_MOUNT, else by mountinfo.
 * @param given     --mount, or NULL
 * @param places    absolute paths that hint which one is meant
 * @return 0 (*ret to free, absolute, resolved) or a negative errno with a sentence in *e
 */
int mounts_find(const char *given, const char *const *places, size_t n_places, struct error *e,
		char **ret);
