/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is due for the registry thread: rows to write, uploads to sync. Plain data, owned by one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "storyclip/store.h"

/* Its times have not been set since what is known of it was written down last. */
#define UPLOAD_WRITTEN_UNKNOWN INT64_MIN

/** One upload whose sync is due. */
struct due_sync {
	dev_t dev;
	ino_t ino;
	int fd; /* owned; -1: open it by a path */
	uint64_t generation;
	char **paths; /* owned */
	size_t n_paths;
	bool is_anew; /* written, renamed or found since the last sync, not only changed in its times */
	int64_t written_ns; /* its mtime before its times were set; UPLOAD_WRITTEN_UNKNOWN */
	bool is_told;       /* uploads_is_current() said so, and its requests' rows have its new times */
	bool is_incomplete; /* only its row is to be written, with that state */
	/* filled by the thread */
	int result;
	struct stat st;
};

/** A row to write or delete. */
struct due_change {
	enum upload_change_kind kind;
	char *path;     /* owned */
	char *new_path; /* owned, RENAME */
	enum upload_state state;
	int64_t size, mtime_ns;
};

struct due {
	struct due_change *changes; /* owned */
	size_t n_changes, cap_changes;
	struct due_sync *syncs; /* owned */
	size_t n_syncs;
};

void due_finish(struct due *due);
#define auto_due __attribute__((cleanup(due_finish)))
/** Add a change; texts are copied, st may be NULL. @return 0 or -ENOMEM */
int due_add(struct due *due, enum upload_change_kind kind, const char *path, const char *new_path,
	    enum upload_state state, const struct stat *st);
int due_add_copy(struct due *due, const struct due_change *change);

int64_t stat_mtime_ns(const struct stat *st);
