/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changes in UPLOAD_TMP_DIR behind the mount. So that the kernel may keep names and attributes of
 * incoming/, the directories it has looked into are watched by inotify, and whatever the kernel then
 * has wrong is told by the notify thread.
 *
 * Most events are of the mount's own doings, which the kernel knows. So an event only says where to
 * look: a name is told when it does not lead to the node any more that was given for it (a claim),
 * attributes when the file's ctime is not the one that was told. Both are noted before the
 * truth is read that is then answered, so no change can slip between.
 *
 * Where a directory is not watched (limit of watches, network file systems) nothing is kept, as before. What
 * inotify does not tell (another file system mounted over a directory, links made elsewhere, a mapping
 * written to) shows when the time is up.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

/** How long the kernel may keep what is watched. */
#define TIMEOUT_WATCHED 60.0

#define BEHIND_WATCHES 512
#define BEHIND_NAMES   8192

struct fs;
struct inc_node;

struct behind {
	pthread_t thread;
	bool is_started;
	int inotify_fd, wake_fd; /* -1: none */
	/* Two changes are never given the same ctime if it was looked at in between (Linux 6.13, on the
	   usual file systems). Constant. */
	bool has_fine_times;
	atomic_bool is_stopping;
	/* protected by fs.tree */
	struct inc_node *by_wd[BEHIND_WATCHES];  /* directories that are watched */
	struct inc_node *by_name[BEHIND_NAMES];  /* nodes with a claim: what the kernel may have kept */
};

/** Part of struct inc_node. */
struct behind_node {
	/* protected by fs.tree */
	int wd; /* of a directory: 0: not tried yet, -1: refused */
	struct inc_node *wd_next;
	bool has_claim; /* the kernel may have kept that node.parent and name lead here */
	struct inc_node *name_next;
	/* ctime in ns as it was told, or BEHIND_… */
	atomic_llong told;
};

int behind_init(struct fs *fs);
/** End the thread; nothing is told any more. */
void behind_stop(struct fs *fs);
void behind_finish(struct fs *fs);

/** The node's name (and parent) was set, or is about to be dropped. fs.tree is held. */
void behind_claim_locked(struct fs *fs, struct inc_node *node);
void behind_unclaim_locked(struct fs *fs, struct inc_node *node);
/** The node is about to die. fs.tree is held. */
void behind_detach_locked(struct fs *fs, struct inc_node *node);

/** It dies: end its watch. No lock is held. */
void behind_forget(struct fs *fs, struct inc_node *node);

/** How long the kernel may keep that a name, claimed already, leads to a node. Handler threads. */
double behind_name_timeout(struct fs *fs, struct inc_node *dir, const char *name,
			   struct inc_node *node);
/** Before attributes are read for an answer. @return what to hand to behind_attributes_timeout() */
bool behind_attributes_begin(struct fs *fs, struct inc_node *node);
/** How long the kernel may keep attributes as they were just read. */
double behind_attributes_timeout(struct fs *fs, struct inc_node *node, bool is_watched,
				 const struct stat *st);

/** Have the kernel ask for a name anew. Any thread; behind what is queued for the notify thread. */
void behind_tell_name(struct fs *fs, struct inc_node *dir, const char *name);
/** The same for a path below incoming/ whose file this process has removed itself. */
void behind_removed(struct fs *fs, const char *path);
