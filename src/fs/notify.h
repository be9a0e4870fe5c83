/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread `fuse-notify`: tells the kernel which names it must look up anew, then those who wait.
 *
 * Telling the kernel takes the directory's lock, which a LOOKUP, CREATE, UNLINK or RMDIR there holds
 * until it is answered. So this thread does it with no lock held, and no handler waits for it; an
 * answer that must come after the notifications is queued behind them by notify_then().
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "storyclip/common/sync.h"

struct fs;
struct fuse_pollhandle;
struct job_dir;
struct node;

/** Something in the queue; embedded in what it is about, so that queueing cannot fail. */
struct notify_item {
	struct notify_item *next;
	/** Called by the notify thread, in order, with no lock held. */
	void (*run)(struct fs *fs, struct notify_item *item);
};

/** The struct that an item is embedded in. */
#define NOTIFY_OWNER(item, type, member)                                                           \
	((type *)(void *)((char *)(item) - offsetof(type, member)))

struct notify {
	struct lock lock;
	struct cond wake;
	pthread_t thread;
	bool is_made, is_started;
	/* protected by lock */
	bool is_stopping;
	bool is_detached; /* the kernel is told nothing more */
	bool is_telling;  /* … and just now it is being told */
	struct cond told;
	struct notify_item *first;
	struct notify_item **last;
	struct notify_item jobs_item;
	bool is_jobs_queued;
	bool is_root_polled;
	bool is_root_older; /* a job has changed since */
	int64_t looked_ms; /* when the root's texts were last looked at for who polls them */
};

int notify_init(struct fs *fs);
/** Run what is queued, then end the thread. */
void notify_finish(struct fs *fs);

/**
 * Tell the kernel to look a name up anew; only from the notify thread, no lock held. May block for as
 * long as a look-up in dir is unanswered.
 */
void notify_inval(struct fs *fs, struct node *dir, const char *name);
/**
 * The same, gentler: what has the name open or as its working directory keeps it, if it is the same when
 * it is looked up anew.
 */
void notify_expire(struct fs *fs, struct node *dir, const char *name);
/** The same for a node's attributes. Never blocks on a look-up. */
void notify_inval_attributes(struct fs *fs, struct node *node);
/**
 * Tell the kernel nothing from now on, and wait for a notification under way: afterwards the session's
 * descriptor can be closed. While requests are answered, or after the connection has ended.
 */
void notify_detach(struct fs *fs);

/** Answer a handle of poll(2), and leave it to the caller. Never blocks. */
void notify_poll(struct fs *fs, struct fuse_pollhandle *handle);
/** Queue an item that is not queued now. Any thread, also with locks left of fs.notify held. */
void notify_then(struct fs *fs, struct notify_item *item);
void notify_then_locked(struct notify *notify, struct notify_item *item)
	SC_REQUIRES(&notify->lock);
/** Somebody polls a text that changes without a sign: it is to be looked at now and then. Any thread. */
void notify_root_polled(struct fs *fs);

/**
 * Something about a job has changed: JOB_CHANGED_… bits, and rows (one bit each) whose names shall be
 * dropped anyhow. Several changes become one as long as the thread has not come to them. Any thread.
 */
void notify_job(struct fs *fs, struct job_dir *job, unsigned int what, unsigned int rows);
/** A job came or went: the attributes of jobs/ have changed. Any thread. */
void notify_jobs(struct fs *fs);
