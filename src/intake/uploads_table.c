/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The uploads that something goes on with, by inode, and their names; and the table's life. */
#include "uploads_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "storyclip/common/log.h"

#define BUCKETS_FIRST 64
#define FDS_MIN       8
#define FDS_MAX       1024

static size_t bucket_of(const struct uploads *uploads, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino ^ ((uint64_t)dev << 40)) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) & (uploads->n_buckets - 1);
}

struct upload *uploads_find_locked(struct uploads *uploads, dev_t dev, ino_t ino)
	SC_REQUIRES(&uploads->lock)
{
	struct upload *u = uploads->buckets[bucket_of(uploads, dev, ino)];

	while (u && (u->ino != ino || u->dev != dev))
		u = u->next;
	return u;
}

static void grow_locked(struct uploads *uploads) SC_REQUIRES(&uploads->lock)
{
	size_t n_old = uploads->n_buckets;
	struct upload **old = uploads->buckets, **buckets = calloc(n_old * 4, sizeof(*buckets));

	if (!buckets) /* longer chains, nothing else */
		return;
	uploads->buckets = buckets;
	uploads->n_buckets = n_old * 4;
	for (size_t i = 0; i < n_old; i++) {
		struct upload *u, *next;

		for (u = old[i]; u; u = next) {
			size_t b = bucket_of(uploads, u->dev, u->ino);

			next = u->next;
			u->next = buckets[b];
			buckets[b] = u;
		}
	}
	free(old);
}

struct upload *uploads_get_locked(struct uploads *uploads, dev_t dev, ino_t ino)
	SC_REQUIRES(&uploads->lock)
{
	struct upload *u = uploads_find_locked(uploads, dev, ino);
	size_t b;

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u) {
		log_error_with(-ENOMEM, "noting an upload");
		return NULL;
	}
	if (uploads->n_uploads >= uploads->n_buckets)
		grow_locked(uploads);
	*u = (struct upload){.dev = dev, .ino = ino, .sync_fd = -1, .written_ns = UPLOAD_WRITTEN_UNKNOWN};
	b = bucket_of(uploads, dev, ino);
	u->next = uploads->buckets[b];
	uploads->buckets[b] = u;
	uploads->n_uploads++;
	return u;
}

void uploads_keep_fd_locked(struct uploads *uploads, struct upload *u, int *fd)
	SC_REQUIRES(&uploads->lock)
{
	if (u->sync_fd >= 0 || *fd < 0)
		return;
	u->sync_fd = take_fd(fd);
	uploads->n_fds++;
}

int uploads_take_fd_locked(struct uploads *uploads, struct upload *u) SC_REQUIRES(&uploads->lock)
{
	uploads->n_fds -= u->sync_fd >= 0;
	return take_fd(&u->sync_fd);
}

static void upload_free(struct uploads *uploads, struct upload *u)
{
	if (u->sync_fd >= 0)
		close(u->sync_fd);
	for (size_t i = 0; i < u->n_paths; i++)
		upload_names_remove(&uploads->names, u->paths[i]);
	free(u->paths);
	free(u);
}

/* Forget it when nothing goes on with it any more. */
void uploads_settle_locked(struct uploads *uploads, struct upload *u) SC_REQUIRES(&uploads->lock)
{
	struct upload **at = &uploads->buckets[bucket_of(uploads, u->dev, u->ino)];

	/* Without a name and a descriptor there is nothing to sync, and nothing that is incomplete;
	 * a job that waited for it would have left its descriptor (uploads_ask). */
	if (!u->writers && !u->n_paths && u->sync_fd < 0 && !u->is_taken) {
		uploads->n_due -= u->is_due;
		u->is_due = u->is_incomplete = false;
	}
	if (u->writers || u->n_touching || u->is_due || u->is_incomplete)
		return;
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	uploads->n_uploads--;
	uploads->n_fds -= u->sync_fd >= 0;
	upload_free(uploads, u);
}

bool upload_has_path(const struct upload *u, const char *path)
{
	for (size_t i = 0; i < u->n_paths; i++)
		if (!strcmp(u->paths[i]->path, path))
			return true;
	return false;
}

void uploads_add_path_locked(struct uploads *uploads, struct upload *u, const char *path)
{
	struct upload_name **paths, *name;

	if (upload_has_path(u, path))
		return;
	paths = reallocarray(u->paths, u->n_paths + 1, sizeof(*paths));
	if (!paths)
		return;
	u->paths = paths;
	name = upload_names_add(&uploads->names, u, path);
	if (name)
		u->paths[u->n_paths++] = name;
}

bool uploads_drop_path_locked(struct uploads *uploads, struct upload *u, const char *path)
{
	for (size_t i = 0; i < u->n_paths; i++) {
		if (strcmp(u->paths[i]->path, path) != 0)
			continue;
		upload_names_remove(&uploads->names, u->paths[i]);
		u->paths[i] = u->paths[--u->n_paths];
		return true;
	}
	return false;
}

/* Names below a renamed directory. */
bool uploads_move_paths_locked(struct uploads *uploads, struct upload *u, const char *old_dir,
			       const char *new_dir)
{
	size_t len = strlen(old_dir);
	bool is_moved = false;

	for (size_t i = 0; i < u->n_paths; i++) {
		const char *path = u->paths[i]->path;
		struct upload_name *name;
		auto_free char *moved = NULL;

		if (strncmp(path, old_dir, len) != 0 || path[len] != '/')
			continue;
		if (asprintf(&moved, "%s%s", new_dir, path + len) < 0) {
			moved = NULL;
			continue;
		}
		name = upload_names_add(&uploads->names, u, moved);
		if (!name)
			continue;
		upload_names_remove(&uploads->names, u->paths[i]);
		u->paths[i] = name;
		is_moved = true;
	}
	return is_moved;
}

/* No upload has this name any more. */
void uploads_forget_name_locked(struct uploads *uploads, const char *path)
	SC_REQUIRES(&uploads->lock)
{
	struct upload_name *name;

	while ((name = upload_names_find(&uploads->names, path))) {
		struct upload *u = name->upload;

		uploads_drop_path_locked(uploads, u, path);
		uploads_settle_locked(uploads, u);
	}
}

int uploads_create(struct uploads **ret)
{
	struct uploads *uploads = calloc(1, sizeof(*uploads));
	struct rlimit limit;

	if (!uploads)
		return -ENOMEM;
	uploads->max_fds = FDS_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 8 < FDS_MAX)
		uploads->max_fds = limit.rlim_cur / 8 > FDS_MIN ? limit.rlim_cur / 8 : FDS_MIN;
	uploads->buckets = calloc(BUCKETS_FIRST, sizeof(struct upload *));
	if (!uploads->buckets) {
		free(uploads);
		return -ENOMEM;
	}
	uploads->n_buckets = BUCKETS_FIRST;
	if (upload_names_init(&uploads->names) < 0) {
		free(uploads->buckets);
		free(uploads);
		return -ENOMEM;
	}
	lock_init(&uploads->lock);
	cond_init(&uploads->due_cond);
	*ret = uploads;
	return 0;
}

void uploads_destroy(struct uploads *uploads)
{
	if (!uploads)
		return;
	for (size_t b = 0; b < uploads->n_buckets; b++) {
		struct upload *u, *next;

		for (u = uploads->buckets[b]; u; u = next) {
			next = u->next;
			upload_free(uploads, u);
		}
	}
	free(uploads->buckets);
	upload_names_finish(&uploads->names);
	due_finish(&uploads->changes);
	cond_finish(&uploads->due_cond);
	lock_finish(&uploads->lock);
	free(uploads);
}
