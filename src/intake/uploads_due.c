/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is due of uploads, for the registry thread: waited for, taken out, done or given back. */
#include "uploads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploads_table.h"

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
				  .is_anew = u->is_anew,
				  .written_ns = u->written_ns};
	sync->paths = calloc(u->n_paths ? u->n_paths : 1, sizeof(*sync->paths));
	if (!sync->paths)
		return -ENOMEM;
	for (size_t i = 0; i < u->n_paths; i++) {
		sync->paths[i] = strdup(u->paths[i]->path);
		if (!sync->paths[i])
			break;
		sync->n_paths++;
	}
	sync->fd = uploads_take_fd_locked(uploads, u);
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

void uploads_sync_refused(struct uploads *uploads, const struct due_sync *sync)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = uploads_find_locked(uploads, sync->dev, sync->ino);
	if (u) {
		u->is_incomplete = true;
		u->incomplete_size = sync->st.st_size;
		u->incomplete_mtime_ns = stat_mtime_ns(&sync->st);
	}
	lock_release(&uploads->lock);
}

static bool is_current_locked(const struct upload *u, const struct due_sync *sync)
{
	return u && u->generation == sync->generation && u->is_taken;
}

bool uploads_is_current(struct uploads *uploads, const struct due_sync *sync)
{
	bool is_current;

	lock_acquire(&uploads->lock);
	is_current = is_current_locked(uploads_find_locked(uploads, sync->dev, sync->ino), sync);
	lock_release(&uploads->lock);
	return is_current;
}

bool uploads_synced(struct uploads *uploads, const struct due_sync *sync)
{
	bool is_current = false;
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = uploads_find_locked(uploads, sync->dev, sync->ino);
	if (is_current_locked(u, sync)) {
		is_current = true;
		u->is_due = u->is_taken = false;
		u->written_ns = UPLOAD_WRITTEN_UNKNOWN;
		if (u->is_incomplete) {
			u->incomplete_size = sync->st.st_size;
			u->incomplete_mtime_ns = stat_mtime_ns(&sync->st);
		}
		uploads_settle_locked(uploads, u);
	} else if (u) {
		u->is_anew |= sync->is_anew; /* the one that comes says so */
		if (sync->is_told && sync->written_ns != UPLOAD_WRITTEN_UNKNOWN &&
		    u->written_ns == sync->written_ns)
			u->written_ns = stat_mtime_ns(&sync->st);
	}
	lock_release(&uploads->lock);
	return is_current;
}

void uploads_sync_failed(struct uploads *uploads, struct due_sync *sync)
{
	struct upload *u;

	lock_acquire(&uploads->lock);
	u = uploads_find_locked(uploads, sync->dev, sync->ino);
	if (u) {
		uploads_keep_fd_locked(uploads, u, &sync->fd);
		u->is_anew |= sync->is_anew;
	}
	if (u && u->generation == sync->generation && u->is_taken) {
		u->is_taken = false;
		uploads->n_due++;
	}
	lock_release(&uploads->lock);
}
