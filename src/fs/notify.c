/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue and the thread of notifications: see notify.h. */
#include "notify.h"

#include <string.h>

#include "clips.h"
#include "fs_state.h"
#include "jobs.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"

void notify_inval(struct fs *fs, struct node *dir, const char *name)
{
	struct notify *notify = &fs->notify;
	bool is_detached;
	int r;

	lock_acquire(&notify->lock);
	is_detached = notify->is_detached || !fs->session;
	notify->is_telling = !is_detached;
	lock_release(&notify->lock);
	if (is_detached)
		return;
	r = fuse_lowlevel_notify_inval_entry(fs->session, (uintptr_t)dir, name, strlen(name));
	/* It may have forgotten the name by itself, or be gone. */
	if (r < 0 && r != -ENOENT && r != -ENOTCONN && r != -ENODEV)
		log_warning("telling the kernel about %s: %s", name, strerror(-r));
	lock_acquire(&notify->lock);
	notify->is_telling = false;
	cond_broadcast(&notify->told);
	lock_release(&notify->lock);
}

void notify_detach(struct fs *fs)
{
	struct notify *notify = &fs->notify;

	lock_acquire(&notify->lock);
	notify->is_detached = true;
	while (notify->is_telling)
		cond_wait(&notify->told, &notify->lock);
	lock_release(&notify->lock);
}

/* Rows whose text may have changed with what. */
static unsigned int rows_of_change(const struct row_dir *dir, unsigned int what)
{
	unsigned int rows = 0;

	if (what & (JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED)) {
		for (unsigned int i = 0; i < dir->n_rows; i++)
			if (dir->rows[i].render_job && !dir->rows[i].is_fixed)
				rows |= 1u << i;
	}
	return rows;
}

static void run_job(struct fs *fs, struct notify_item *item)
{
	struct job_dir *job = NOTIFY_OWNER(item, struct job_dir, item);
	unsigned int what, rows;

	lock_acquire(&fs->notify.lock);
	what = job->changed;
	rows = job->dropped;
	job->changed = job->dropped = 0;
	job->is_queued = false;
	lock_release(&fs->notify.lock);

	rows |= rows_of_change(&job->dir, what);
	rows &= atomic_fetch_and(&job->dir.looked, ~rows);
	for (unsigned int i = 0; i < job->dir.n_rows; i++)
		if (rows & (1u << i))
			notify_inval(fs, &job->dir.node, job->dir.rows[i].name);
	if (what & (JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED))
		clips_notify(fs, job);
	if ((what & JOB_CHANGED_REMOVED) && atomic_exchange(&job->is_looked, false))
		notify_inval(fs, fs->jobs, job->id);
	if (what & (JOB_CHANGED_ENDED | JOB_CHANGED_REMOVED)) {
		hook_reach("fs-wake");
		parked_wake(fs, job);
	}
	node_unref(fs, &job->dir.node);
}

static void *notify_thread(void *arg)
{
	struct fs *fs = arg;
	struct notify *notify = &fs->notify;

	lock_acquire(&notify->lock);
	for (;;) {
		struct notify_item *item;

		while (!notify->first && !notify->is_stopping)
			cond_wait(&notify->wake, &notify->lock);
		item = notify->first;
		if (!item)
			break;
		notify->first = item->next;
		if (!notify->first)
			notify->last = &notify->first;
		lock_release(&notify->lock);
		item->run(fs, item);
		lock_acquire(&notify->lock);
	}
	lock_release(&notify->lock);
	return NULL;
}

int notify_init(struct fs *fs)
{
	struct notify *notify = &fs->notify;
	int r;

	lock_init(&notify->lock);
	cond_init(&notify->wake);
	cond_init(&notify->told);
	notify->first = NULL;
	notify->last = &notify->first;
	notify->is_stopping = false;
	r = thread_start(&notify->thread, "fuse-notify", notify_thread, fs);
	notify->is_started = r == 0;
	return r;
}

void notify_finish(struct fs *fs)
{
	struct notify *notify = &fs->notify;

	if (!notify->last)
		return; /* was never made */
	if (notify->is_started) {
		lock_acquire(&notify->lock);
		notify->is_stopping = true;
		cond_signal(&notify->wake);
		lock_release(&notify->lock);
		pthread_join(notify->thread, NULL);
		notify->is_started = false;
	}
	cond_finish(&notify->wake);
	cond_finish(&notify->told);
	lock_finish(&notify->lock);
	notify->last = NULL;
}

static void enqueue_locked(struct notify *notify, struct notify_item *item)
	SC_REQUIRES(&notify->lock)
{
	item->next = NULL;
	*notify->last = item;
	notify->last = &item->next;
	cond_signal(&notify->wake);
}

void notify_then(struct fs *fs, struct notify_item *item)
{
	lock_acquire(&fs->notify.lock);
	enqueue_locked(&fs->notify, item);
	lock_release(&fs->notify.lock);
}

void notify_job(struct fs *fs, struct job_dir *job, unsigned int what, unsigned int rows)
{
	bool was_queued;

	node_ref(fs, &job->dir.node); /* kept by the queue */
	lock_acquire(&fs->notify.lock);
	was_queued = job->is_queued;
	job->changed |= what;
	job->dropped |= rows;
	if (!was_queued) {
		job->is_queued = true;
		job->item.run = run_job;
		enqueue_locked(&fs->notify, &job->item);
	}
	lock_release(&fs->notify.lock);
	if (was_queued)
		node_unref(fs, &job->dir.node);
}
