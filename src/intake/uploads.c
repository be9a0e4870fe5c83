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
#include <unistd.h>

#include "storyclip/common/log.h"
#include "uploads_table.h"

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
	u = uploads_get_locked(uploads, dev, ino);
	if (u) {
		u->generation = ++uploads->generation;
		if (u->is_due && !u->is_taken)
			uploads->n_due--;
		u->is_due = u->is_taken = false; /* the new writer's close makes it due again */
		if (path)
			uploads_add_path_locked(uploads, u, path);
		if (u->writers++ == 0) {
			uploads->n_open++;
			for (size_t i = 0; i < u->n_paths; i++)
				note_locked(uploads, UPLOAD_PUT, u->paths[i]->path, NULL, UPLOAD_OPEN);
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
	u = uploads_find_locked(uploads, dev, ino);
	if (u && path && !u->n_paths)
		uploads_add_path_locked(uploads, u, path);
	if (u && u->writers && --u->writers == 0) {
		uploads->n_open--;
		u->is_incomplete = false;
		u->written_ns = UPLOAD_WRITTEN_UNKNOWN; /* it is another upload now */
		uploads_keep_fd_locked(uploads, u, &sync_fd);
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
			if (uploads_move_paths_locked(uploads, u, old_path, new_path) && u->is_due)
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
		uploads_forget_name_locked(uploads, new_path);
		u = uploads_get_locked(uploads, dev, ino);
		if (u) {
			uploads_drop_path_locked(uploads, u, old_path);
			uploads_add_path_locked(uploads, u, new_path);
			make_due_locked(uploads, u, true);
		}
	}
	lock_release(&uploads->lock);
}

void uploads_unlinked(struct uploads *uploads, const char *path)
{
	lock_acquire(&uploads->lock);
	note_locked(uploads, UPLOAD_DELETE, path, NULL, UPLOAD_COMPLETE);
	uploads_forget_name_locked(uploads, path);
	lock_release(&uploads->lock);
}

/* Its row is to be written under this name. */
static void name_due_locked(struct uploads *uploads, struct upload *u, const char *path,
			    bool is_anew) SC_REQUIRES(&uploads->lock)
{
	uploads_add_path_locked(uploads, u, path);
	if (u->writers)
		note_locked(uploads, UPLOAD_PUT, path, NULL, UPLOAD_OPEN);
	make_due_locked(uploads, u, is_anew);
}

static void found(struct uploads *uploads, dev_t dev, ino_t ino, const char *path, bool is_whole)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = uploads_get_locked(uploads, dev, ino);
	if (u) {
		if (is_whole)
			u->is_incomplete = false;
		u->written_ns = UPLOAD_WRITTEN_UNKNOWN; /* somebody else may have written it */
		name_due_locked(uploads, u, path, true);
	}
	lock_release(&uploads->lock);
}

void uploads_found(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	found(uploads, dev, ino, path, false);
}

void uploads_rewritten(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	found(uploads, dev, ino, path, true);
}

void uploads_touching(struct uploads *uploads, dev_t dev, ino_t ino, int64_t mtime_ns)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = uploads_get_locked(uploads, dev, ino);
	if (u) {
		u->n_touching++;
		if (u->written_ns == UPLOAD_WRITTEN_UNKNOWN)
			u->written_ns = mtime_ns;
	}
	lock_release(&uploads->lock);
}

void uploads_touched(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = (path ? uploads_get_locked : uploads_find_locked)(uploads, dev, ino);
	if (u && u->n_touching)
		u->n_touching--;
	if (u && path)
		name_due_locked(uploads, u, path, false);
	else if (u)
		uploads_settle_locked(uploads, u);
	lock_release(&uploads->lock);
}

void uploads_incomplete(struct uploads *uploads, const struct stat *st, const char *path)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = uploads_get_locked(uploads, st->st_dev, st->st_ino);
	if (u) {
		uploads_add_path_locked(uploads, u, path);
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
	u = uploads_find_locked(uploads, st->st_dev, st->st_ino);
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
		uploads_keep_fd_locked(uploads, u, &sync_fd);
	lock_release(&uploads->lock);
	if (sync_fd >= 0)
		close(sync_fd);
	return stage;
}

bool uploads_only_touched(struct uploads *uploads, dev_t dev, ino_t ino, int64_t mtime_ns)
{
	struct upload *u;
	bool is_touched;

	lock_acquire(&uploads->lock);
	u = uploads_find_locked(uploads, dev, ino);
	is_touched = u && u->written_ns == mtime_ns;
	lock_release(&uploads->lock);
	return is_touched;
}

bool uploads_has_name(struct uploads *uploads, dev_t dev, ino_t ino, const char *path)
{
	struct upload *u;
	bool has_name;

	lock_acquire(&uploads->lock);
	u = uploads_find_locked(uploads, dev, ino);
	has_name = u && upload_has_path(u, path);
	lock_release(&uploads->lock);
	return has_name;
}

bool uploads_has_writer(struct uploads *uploads, dev_t dev, ino_t ino)
{
	struct upload *u;
	bool has_writer;

	lock_acquire(&uploads->lock);
	u = uploads_find_locked(uploads, dev, ino);
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
