/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The uploads that something is going on with. Keyed by inode: names come and go while a file is
 * being written, and a job holds bytes, not names.
 *
 * An upload stays in the table while it has writers, a sync is due, or it is incomplete.
 */
#include "uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "upload_names.h"
#include "storyclip/common/log.h"
#include "storyclip/common/sync.h"

#define BUCKETS_FIRST 64
#define FDS_MIN       8
#define FDS_MAX       1024

struct upload {
	struct upload *next; /* in its bucket */
	dev_t dev;
	ino_t ino;
	unsigned int writers;
	bool is_due;         /* sync and row are due */
	bool is_taken;       /* … and the registry thread is at it */
	bool is_anew;        /* … and not only for its times */
	int sync_fd;         /* what to sync; -1: by path */
	uint64_t generation; /* rises with every event: a sync that was overtaken does not count */
	bool is_incomplete;
	int64_t incomplete_size, incomplete_mtime_ns;
	struct upload_name **paths; /* its names, as far as they were told */
	size_t n_paths;
};

struct uploads {
	struct lock lock; /* intake.registry: all below */
	struct cond due_cond;
	bool is_woken;
	bool is_pausing; /* what is due is waited for by nobody */
	struct upload **buckets;
	size_t n_buckets, n_uploads;
	unsigned int n_open; /* with writers */
	size_t n_due;
	size_t n_fds, max_fds; /* sync_fds that are kept, and how many may be (max_fds: constant) */
	uint64_t generation;
	struct upload_names names;
	struct due changes; /* only its changes */
};

/* A signal costs more than the note that it is for. */
static void signal_due_locked(struct uploads *uploads) SC_REQUIRES(&uploads->lock)
{
	if (!uploads->is_pausing)
		cond_signal(&uploads->due_cond);
}

/* A row that cannot be noted for lack of memory is written later: the upload is found at the next
 * request or scan. Nothing is lost but its state `open`. */
static void note_locked(struct uploads *uploads, enum upload_change_kind kind, const char *path,
			const char *new_path, enum upload_state state) SC_REQUIRES(&uploads->lock)
{
	if (due_add(&uploads->changes, kind, path, new_path, state, NULL) < 0)
		log_error_with(-ENOMEM, "noting a change of upload '%s'", path);
	signal_due_locked(uploads);
}

/* ---- the table ---- */

static size_t bucket_of(const struct uploads *uploads, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino ^ ((uint64_t)dev << 40)) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) & (uploads->n_buckets - 1);
}

static struct upload *find_locked(struct uploads *uploads, dev_t dev, ino_t ino)
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

static struct upload *get_locked(struct uploads *uploads, dev_t dev, ino_t ino)
	SC_REQUIRES(&uploads->lock)
{
	struct upload *u = find_locked(uploads, dev, ino);
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
	*u = (struct upload){.dev = dev, .ino = ino, .sync_fd = -1};
	b = bucket_of(uploads, dev, ino);
	u->next = uploads->buckets[b];
	uploads->buckets[b] = u;
	uploads->n_uploads++;
	return u;
}

static void keep_fd_locked(struct uploads *uploads, struct upload *u, int *fd)
	SC_REQUIRES(&uploads->lock)
{
	if (u->sync_fd >= 0 || *fd < 0)
		return;
	u->sync_fd = take_fd(fd);
	uploads->n_fds++;
}

static int take_kept_fd_locked(struct uploads *uploads, struct upload *u)
	SC_REQUIRES(&uploads->lock)
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
static void settle_locked(struct uploads *uploads, struct upload *u) SC_REQUIRES(&uploads->lock)
{
	struct upload **at = &uploads->buckets[bucket_of(uploads, u->dev, u->ino)];

	/* Without a name and a descriptor there is nothing to sync, and nothing that is incomplete;
	 * a job that waited for it would have left its descriptor (uploads_ask). */
	if (!u->writers && !u->n_paths && u->sync_fd < 0 && !u->is_taken) {
		uploads->n_due -= u->is_due;
		u->is_due = u->is_incomplete = false;
	}
	if (u->writers || u->is_due || u->is_incomplete)
		return;
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	uploads->n_uploads--;
	uploads->n_fds -= u->sync_fd >= 0;
	upload_free(uploads, u);
}

/* ---- names ---- */

static bool has_path(const struct upload *u, const char *path)
{
	for (size_t i = 0; i < u->n_paths; i++)
		if (!strcmp(u->paths[i]->path, path))
			return true;
	return false;
}

static void add_path(struct uploads *uploads, struct upload *u, const char *path)
{
	struct upload_name **paths, *name;

	if (has_path(u, path))
		return;
	paths = reallocarray(u->paths, u->n_paths + 1, sizeof(*paths));
	if (!paths)
		return;
	u->paths = paths;
	name = upload_names_add(&uploads->names, u, path);
	if (name)
		u->paths[u->n_paths++] = name;
}

static bool drop_path(struct uploads *uploads, struct upload *u, const char *path)
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
static bool move_paths(struct uploads *uploads, struct upload *u, const char *old_dir,
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
static void forget_name_locked(struct uploads *uploads, const char *path)
	SC_REQUIRES(&uploads->lock)
{
	struct upload_name *name;

	while ((name = upload_names_find(&uploads->names, path))) {
		struct upload *u = name->upload;

		drop_path(uploads, u, path);
		settle_locked(uploads, u);
	}
}

/* ---- events ---- */

static void make_due_locked(struct uploads *uploads, struct upload *u, bool is_anew)
	SC_REQUIRES(&uploads->lock)
{
	u->is_anew |= is_anew;
	u->generation = ++uploads->generation;
	if (u->writers)
		return;
	if (!u->is_due || u->is_taken)
		uploads->n_due++;
	u->is_due = true;
	u->is_taken = false;
	signal_due_locked(uploads);
}

void uploads_opened(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = get_locked(uploads, dev, ino);
	if (u) {
		u->generation = ++uploads->generation;
		if (u->is_due && !u->is_taken)
			uploads->n_due--;
		u->is_due = u->is_taken = false; /* the new writer's close makes it due again */
		add_path(uploads, u, path);
		if (u->writers++ == 0) {
			uploads->n_open++;
			note_locked(uploads, UPLOAD_PUT, path, NULL, UPLOAD_OPEN);
		}
	}
	lock_release(&uploads->lock);
}

/* Whether one more descriptor may be kept. Many files may be closed before the first is synced, and
 * the mount needs descriptors too. */
static bool has_room(struct uploads *uploads)
{
	bool has;

	lock_acquire(&uploads->lock);
	has = uploads->n_fds < uploads->max_fds;
	lock_release(&uploads->lock);
	return has;
}

void uploads_closed(struct uploads *uploads, dev_t dev, ino_t ino, const char *path, int fd,
		    bool is_held)
{
	/* Without one it is opened by its path; what a job waits for may have lost that by then. */
	int sync_fd = is_held || has_room(uploads) ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = find_locked(uploads, dev, ino);
	if (u && u->writers && --u->writers == 0) {
		uploads->n_open--;
		u->is_incomplete = false;
		keep_fd_locked(uploads, u, &sync_fd);
		make_due_locked(uploads, u, true);
	}
	lock_release(&uploads->lock);
	if (sync_fd >= 0)
		close(sync_fd);
}

static void rename_dir_locked(struct uploads *uploads, const char *old_path, const char *new_path)
	SC_REQUIRES(&uploads->lock)
{
	for (size_t b = 0; b < uploads->n_buckets; b++)
		for (struct upload *u = uploads->buckets[b]; u; u = u->next)
			if (move_paths(uploads, u, old_path, new_path) && u->is_due)
				make_due_locked(uploads, u, false); /* its row has moved as well */
}

void uploads_renamed(struct uploads *uploads, const char *old_path, const char *new_path,
		     bool is_dir, dev_t dev, ino_t ino)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	note_locked(uploads, UPLOAD_DELETE, new_path, NULL, UPLOAD_COMPLETE);
	note_locked(uploads, UPLOAD_RENAME, old_path, new_path, UPLOAD_COMPLETE);
	if (is_dir) {
		rename_dir_locked(uploads, old_path, new_path);
	} else {
		forget_name_locked(uploads, new_path);
		u = get_locked(uploads, dev, ino);
		if (u) {
			drop_path(uploads, u, old_path);
			add_path(uploads, u, new_path);
			make_due_locked(uploads, u, true);
		}
	}
	lock_release(&uploads->lock);
}

void uploads_unlinked(struct uploads *uploads, const char *path)
{
	lock_acquire(&uploads->lock);
	note_locked(uploads, UPLOAD_DELETE, path, NULL, UPLOAD_COMPLETE);
	forget_name_locked(uploads, path);
	lock_release(&uploads->lock);
}

static void found(struct uploads *uploads, dev_t dev, ino_t ino, const char *path, bool is_anew,
		  bool is_whole)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = get_locked(uploads, dev, ino);
	if (u) {
		add_path(uploads, u, path);
		if (u->writers)
			note_locked(uploads, UPLOAD_PUT, path, NULL, UPLOAD_OPEN);
		if (is_whole)
			u->is_incomplete = false;
		make_due_locked(uploads, u, is_anew);
	}
	lock_release(&uploads->lock);
}

void uploads_found(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	found(uploads, dev, ino, path, true, false);
}

void uploads_rewritten(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	found(uploads, dev, ino, path, true, true);
}

void uploads_touched(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	found(uploads, dev, ino, path, false, false);
}

void uploads_incomplete(struct uploads *uploads, const struct stat *st, const char *path)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = get_locked(uploads, st->st_dev, st->st_ino);
	if (u) {
		add_path(uploads, u, path);
		u->is_incomplete = true;
		u->incomplete_size = st->st_size;
		u->incomplete_mtime_ns = stat_mtime_ns(st);
	}
	lock_release(&uploads->lock);
}

/* ---- questions ---- */

enum upload_stage uploads_ask(struct uploads *uploads, const struct stat *st, int fd)
{
	enum upload_stage stage = UPLOAD_STAGE_QUIET;
	int sync_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = find_locked(uploads, st->st_dev, st->st_ino);
	if (u && u->writers)
		stage = UPLOAD_STAGE_WRITING;
	/* While a sync is due its times were set, by which it is not made whole. */
	else if (u && u->is_incomplete &&
		 (u->is_due || (u->incomplete_size == st->st_size &&
				u->incomplete_mtime_ns == stat_mtime_ns(st))))
		stage = UPLOAD_STAGE_INCOMPLETE;
	else if (u && u->is_due)
		stage = UPLOAD_STAGE_SYNCING;
	if (u && u->is_due && !u->is_taken)
		keep_fd_locked(uploads, u, &sync_fd);
	lock_release(&uploads->lock);
	if (sync_fd >= 0)
		close(sync_fd);
	return stage;
}

bool uploads_has_name(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	struct upload *u;
	bool has_name;

	lock_acquire(&uploads->lock);
	u = find_locked(uploads, dev, ino);
	has_name = u && has_path(u, path);
	lock_release(&uploads->lock);
	return has_name;
}

bool uploads_has_writer(struct uploads *uploads, dev_t dev, ino_t ino)
{
	struct upload *u;
	bool has_writer;

	lock_acquire(&uploads->lock);
	u = find_locked(uploads, dev, ino);
	has_writer = u && u->writers;
	lock_release(&uploads->lock);
	return has_writer;
}

unsigned int uploads_open_count(struct uploads *uploads)
{
	unsigned int n;

	lock_acquire(&uploads->lock);
	n = uploads->n_open;
	lock_release(&uploads->lock);
	return n;
}

void uploads_each_open(struct uploads *uploads, void (*each)(void *context, const char *path),
		       void *context)
{
	lock_acquire(&uploads->lock);
	for (size_t b = 0; b < uploads->n_buckets; b++)
		for (struct upload *u = uploads->buckets[b]; u; u = u->next)
			for (size_t i = 0; u->writers && i < u->n_paths; i++)
				each(context, u->paths[i]->path);
	lock_release(&uploads->lock);
}

/* ---- the registry thread ---- */

void uploads_wait(struct uploads *uploads, int64_t timeout_ms, bool is_pause)
{
	lock_acquire(&uploads->lock);
	uploads->is_pausing = is_pause;
	while (!uploads->is_woken && (is_pause || (!uploads->n_due && !uploads->changes.n_changes)))
		if (!cond_wait_for(&uploads->due_cond, &uploads->lock, timeout_ms))
			break;
	uploads->is_woken = uploads->is_pausing = false;
	lock_release(&uploads->lock);
}

void uploads_wake(struct uploads *uploads)
{
	lock_acquire(&uploads->lock);
	uploads->is_woken = true;
	cond_broadcast(&uploads->due_cond);
	lock_release(&uploads->lock);
}

static int take_sync_locked(struct uploads *uploads, struct upload *u, struct due_sync *sync)
	SC_REQUIRES(&uploads->lock)
{
	*sync = (struct due_sync){.dev = u->dev,
				  .ino = u->ino,
				  .fd = -1,
				  .generation = u->generation,
				  .is_incomplete = u->is_incomplete,
				  .is_anew = u->is_anew};
	sync->paths = calloc(u->n_paths ? u->n_paths : 1, sizeof(*sync->paths));
	if (!sync->paths)
		return -ENOMEM;
	for (size_t i = 0; i < u->n_paths; i++) {
		sync->paths[i] = strdup(u->paths[i]->path);
		if (!sync->paths[i])
			break;
		sync->n_paths++;
	}
	sync->fd = take_kept_fd_locked(uploads, u);
	u->is_taken = true;
	u->is_anew = false;
	uploads->n_due--;
	return 0;
}

static void take_syncs_locked(struct uploads *uploads, size_t max, struct due *ret)
	SC_REQUIRES(&uploads->lock)
{
	size_t n = uploads->n_due < max ? uploads->n_due : max;

	if (n > uploads->max_fds) /* each is open while it is synced */
		n = uploads->max_fds;
	ret->syncs = n ? calloc(n, sizeof(*ret->syncs)) : NULL;
	if (!ret->syncs)
		return;
	for (size_t b = 0; b < uploads->n_buckets; b++) {
		for (struct upload *u = uploads->buckets[b]; u; u = u->next) {
			if (!u->is_due || u->is_taken || ret->n_syncs == n)
				continue;
			if (take_sync_locked(uploads, u, &ret->syncs[ret->n_syncs]) < 0)
				return;
			ret->n_syncs++;
		}
	}
}

void uploads_take(struct uploads *uploads, size_t max_syncs, struct due *ret)
{
	lock_acquire(&uploads->lock);
	*ret = uploads->changes;
	memset(&uploads->changes, 0, sizeof(uploads->changes));
	take_syncs_locked(uploads, max_syncs, ret);
	lock_release(&uploads->lock);
}

void uploads_give_back(struct uploads *uploads, struct due *due)
{
	struct due newer;

	lock_acquire(&uploads->lock);
	newer = uploads->changes;
	for (size_t i = 0; i < newer.n_changes; i++)
		if (due_add_copy(due, &newer.changes[i]) < 0)
			break;
	uploads->changes = (struct due){.changes = due->changes,
					.n_changes = due->n_changes,
					.cap_changes = due->cap_changes};
	lock_release(&uploads->lock);
	due->changes = newer.changes; /* copied; freed with *due */
	due->n_changes = newer.n_changes;
	due->cap_changes = newer.cap_changes;
}

bool uploads_synced(struct uploads *uploads, const struct due_sync *sync)
{
	bool is_current = false;
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = find_locked(uploads, sync->dev, sync->ino);
	if (u && u->generation == sync->generation && u->is_taken) {
		is_current = true;
		u->is_due = u->is_taken = false;
		if (u->is_incomplete) {
			u->incomplete_size = sync->st.st_size;
			u->incomplete_mtime_ns = stat_mtime_ns(&sync->st);
		}
		settle_locked(uploads, u);
	} else if (u) {
		u->is_anew |= sync->is_anew; /* the one that comes says so */
	}
	lock_release(&uploads->lock);
	return is_current;
}

void uploads_sync_failed(struct uploads *uploads, struct due_sync *sync)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = find_locked(uploads, sync->dev, sync->ino);
	if (u) {
		keep_fd_locked(uploads, u, &sync->fd);
		u->is_anew |= sync->is_anew;
	}
	if (u && u->generation == sync->generation && u->is_taken) {
		u->is_taken = false;
		uploads->n_due++;
	}
	lock_release(&uploads->lock);
}

/* ---- lifetime ---- */

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
