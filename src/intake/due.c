/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is due for the registry: rows to write, uploads to sync. No locks: its owner has one. */
#include "due.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t stat_mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static void change_finish(struct due_change *change)
{
	free(change->path);
	free(change->new_path);
}

void due_finish(struct due *due)
{
	for (size_t i = 0; i < due->n_changes; i++)
		change_finish(&due->changes[i]);
	free(due->changes);
	for (size_t i = 0; i < due->n_syncs; i++) {
		if (due->syncs[i].fd >= 0)
			close(due->syncs[i].fd);
		for (size_t k = 0; k < due->syncs[i].n_paths; k++)
			free(due->syncs[i].paths[k]);
		free(due->syncs[i].paths);
	}
	free(due->syncs);
	memset(due, 0, sizeof(*due));
}

static int due_grow(struct due *due)
{
	size_t cap = due->cap_changes ? due->cap_changes * 2 : 16;
	struct due_change *more;

	if (due->n_changes < due->cap_changes)
		return 0;
	more = reallocarray(due->changes, cap, sizeof(*more));
	if (!more)
		return -ENOMEM;
	due->changes = more;
	due->cap_changes = cap;
	return 0;
}

int due_add_copy(struct due *due, const struct due_change *change)
{
	struct due_change copy = *change;
	int r = due_grow(due);

	if (r < 0)
		return r;
	copy.path = strdup(change->path);
	copy.new_path = change->new_path ? strdup(change->new_path) : NULL;
	if (!copy.path || (change->new_path && !copy.new_path)) {
		change_finish(&copy);
		return -ENOMEM;
	}
	due->changes[due->n_changes++] = copy;
	return 0;
}

int due_add(struct due *due, enum upload_change_kind kind, const char *path, const char *new_path,
	    enum upload_state state, const struct stat *st)
{
	/* The copy is made there; nothing is written through these pointers. */
	return due_add_copy(due, &(struct due_change){
					 .kind = kind,
					 .path = (char *)(uintptr_t)path,
					 .new_path = (char *)(uintptr_t)new_path,
					 .state = state,
					 .size = st ? st->st_size : 0,
					 .mtime_ns = st ? stat_mtime_ns(st) : 0,
				 });
}
