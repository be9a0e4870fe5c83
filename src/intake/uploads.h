/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The uploads that something is going on with, in memory: open for writing, closed but not yet
 * synced, known to be incomplete. An upload that is complete and has its row is not kept here, so
 * memory does not grow with what lies in incoming/.
 *
 * Events come from the mount's handlers: they take the lock intake.registry, allocate a little and
 * return; never a disk. The registry thread takes out what is due. Any thread unless said
 * otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "due.h"
#include "storyclip/common/macros.h"
#include "storyclip/store.h"

struct uploads;

enum upload_stage {
	UPLOAD_STAGE_QUIET,      /* nothing goes on: the database knows it, or nobody does */
	UPLOAD_STAGE_WRITING,    /* open for writing */
	UPLOAD_STAGE_SYNCING,    /* closed, renamed or found: sync and row are due */
	UPLOAD_STAGE_INCOMPLETE, /* cut off by an unclean end */
};

/** Keeps at most an eighth of the descriptors that the process may have, as of now. */
int uploads_create(struct uploads **ret);
void uploads_destroy(struct uploads *uploads);
SC_DEFINE_AUTO(uploads, uploads_destroy)

/* ---- events ---- */

/** @param path  NULL: not known, here and at the close; a request for any name finds the writer by its inode */
void uploads_opened(struct uploads *uploads, dev_t dev, ino_t ino, const char *path);
/**
 * @param fd  dup'ed: what the sync works on; when many are kept already, it is opened by its path
 * @param is_held  a job holds it: then it is dup'ed in any case, for its path may go away
 */
void uploads_closed(struct uploads *uploads, dev_t dev, ino_t ino, const char *path, int fd,
		    bool is_held);
void uploads_renamed(struct uploads *uploads, const char *old_path, const char *new_path,
		     bool is_dir, dev_t dev, ino_t ino);
void uploads_unlinked(struct uploads *uploads, const char *path);
/** Found or linked: sync it and write its row. */
void uploads_found(struct uploads *uploads, dev_t dev, ino_t ino, const char *path);
/** Found, and written since it was cut off, if it was: it is whole as it is. */
void uploads_rewritten(struct uploads *uploads, dev_t dev, ino_t ino, const char *path);
/** Its times are about to be set; it is the same upload still. @param mtime_ns  the one that it has */
void uploads_touching(struct uploads *uploads, dev_t dev, ino_t ino, int64_t mtime_ns);
/** They have been: write its row again. @param path  NULL: they have not, or it has no name any more */
void uploads_touched(struct uploads *uploads, dev_t dev, ino_t ino, const char *path);
/** Cut off by an unclean end: while size and mtime are these. */
void uploads_incomplete(struct uploads *uploads, const struct stat *st, const char *path);

/* ---- questions ---- */

/**
 * What goes on with a file.
 * @param st  the file as it is now
 * @param fd  the file, opened; dup'ed when a sync is due, so that it is made (and told to the
 * engine) even when the file's last name goes away before
 */
enum upload_stage uploads_ask(struct uploads *uploads, const struct stat *st, int fd);
/** Whether it had this mtime when it was written last, its times have been set since, and the rows do not say so yet. */
bool uploads_only_touched(struct uploads *uploads, dev_t dev, ino_t ino, int64_t mtime_ns);
/** Whether something goes on with a file under this name too. */
bool uploads_has_name(struct uploads *uploads, dev_t dev, ino_t ino, const char *path);
bool uploads_has_writer(struct uploads *uploads, dev_t dev, ino_t ino);
unsigned int uploads_open_count(struct uploads *uploads);
/** Call each for every upload open for writing, the lock held: it must only note things down. */
void uploads_each_open(struct uploads *uploads, void (*each)(void *context, const char *path),
		       void *context);

/* ---- the registry thread ---- */

/**
 * Wait until something is due, uploads_wake() was called or the time is up.
 * @param is_pause  whatever is due can wait: only the other two end it
 */
void uploads_wait(struct uploads *uploads, int64_t timeout_ms, bool is_pause);
void uploads_wake(struct uploads *uploads);
/** Take out what is due, at most max_syncs of the syncs. What the memory did not suffice for stays.
 */
void uploads_take(struct uploads *uploads, size_t max_syncs, struct due *ret);
/** Give changes back that could not be written; they come first next time. */
void uploads_give_back(struct uploads *uploads, struct due *due);
/**
 * The disk has refused a sync, whatever has happened to the upload since: it is incomplete, until it is
 * written anew. Before either of the next two: a second fsync would say that all is well.
 */
void uploads_sync_refused(struct uploads *uploads, const struct due_sync *sync);
/** Whether nothing newer has happened to it than what was synced. */
bool uploads_is_current(struct uploads *uploads, const struct due_sync *sync);
/** A sync has been made and its row written. @return whether nothing newer has happened to it */
bool uploads_synced(struct uploads *uploads, const struct due_sync *sync);
/** Try a sync again later: its row could not be written. */
void uploads_sync_failed(struct uploads *uploads, struct due_sync *sync);
