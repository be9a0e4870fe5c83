/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue and the thread of notifications: see notify.h. */
#include "notify.h"

#include <string.h>

#include "clips.h"
#include "compat.h"
#include "fs_state.h"
#include "jobs.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "wait.h"

/* How old what who polls health and its like was told may be. */
#define ROOT_LOOK_MS     1000
#define ROOT_LOOK_JOB_MS 100 /* when a job has changed */

/* Only one thread tells; that it does shows, so that notify_detach() can wait for the end. */
static bool tell_begin(struct fs *fs)
{
	struct notify *notify = &fs->notify;
	bool may_tell;

	lock_acquire(&notify->lock);
	may_tell = !notify->is_detached && fs->session;
	notify->is_telling = may_tell;
	lock_release(&notify->lock);
	return may_tell;
}

static void tell_end(struct fs *fs, const char *what, int r)
{
	struct notify *notify = &fs->notify;

	/* It may have forgotten it by itself, or be gone. */
	if (r < 0 && r != -ENOENT && r != -ENOTCONN && r != -ENODEV)
		log_warning("telling the kernel about %s: %s", what, strerror(-r));
	lock_acquire(&notify->lock);
	notify->is_telling = false;
	cond_broadcast(&notify->told);
	lock_release(&notify->lock);
}

void notify_inval(struct fs *fs, struct node *dir, const char *name)
{
	if (tell_begin(fs))
		tell_end(fs, name,
			 fuse_lowlevel_notify_inval_entry(fs->session, (uintptr_t)dir, name,
							  strlen(name)));
}

void notify_expire(struct fs *fs, struct node *dir, const char *name)
{
	if (tell_begin(fs))
		tell_end(fs, name,
			 compat_expire_entry(fs->session, (uintptr_t)dir, name, strlen(name)));
}

void notify_inval_attributes(struct fs *fs, struct node *node)
{
	/* Offset -1: only attributes. With pages it would wait for reads (FUSE.md section 2). */
	if (tell_begin(fs))
		tell_end(fs, "attributes",
			 fuse_lowlevel_notify_inval_inode(fs->session, (uintptr_t)node, -1, 0));
}

void notify_poll(struct fs *fs, struct fuse_pollhandle *handle)
{
	if (tell_begin(fs))
		tell_end(fs, "a poll", fuse_lowlevel_notify_poll(handle));
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

/* Its time stamp is that of the last change of clips. */
static void tell_clips_dir(struct fs *fs, struct job_dir *job)
{
	unsigned int index = row_index(&job->dir, tree_clips_row);
	struct node *clips;

	if (!(atomic_fetch_and(&job->dir.looked, ~(1u << index)) & (1u << index)))
		return;
	lock_acquire(&fs->tree.lock);
	clips = job->dir.children ? job->dir.children[index] : NULL;
	if (clips)
		clips->refs++;
	lock_release(&fs->tree.lock);
	if (!clips)
		return;
	notify_inval_attributes(fs, clips);
	node_unref(fs, clips);
}

static void run_jobs(struct fs *fs, struct notify_item *item)
{
	lock_acquire(&fs->notify.lock);
	fs->notify.is_jobs_queued = false;
	fs->notify.is_root_older = true;
	lock_release(&fs->notify.lock);
	if (atomic_exchange(&fs->is_jobs_looked, false))
		notify_inval_attributes(fs, fs->jobs);
}

static void run_job(struct fs *fs, struct notify_item *item)
{
	struct job_dir *job = NOTIFY_OWNER(item, struct job_dir, item);
	unsigned int what, rows;
	struct job_brief brief;
	uint64_t version = 0;

	lock_acquire(&fs->notify.lock);
	what = job->changed;
	rows = job->dropped;
	job->changed = job->dropped = 0;
	job->is_queued = false;
	fs->notify.is_root_older = true; /* jobs.json */
	lock_release(&fs->notify.lock);

	/* First this, then the marks: a name that is looked up later leads to this version at
	 * least. */
	if (rows_of_change(&job->dir, what) && job_brief_of(fs, job, &brief) == 0)
		version = brief.version;
	rows |= rows_of_change(&job->dir, what);
	rows &= atomic_fetch_and(&job->dir.looked, ~rows);
	for (unsigned int i = 0; i < job->dir.n_rows; i++)
		if (rows & (1u << i))
			notify_inval(fs, &job->dir.node, job->dir.rows[i].name);
	if (what & (JOB_CHANGED_CLIPS | JOB_CHANGED_ENDED)) {
		clips_notify(fs, job);
		tell_clips_dir(fs, job);
	}
	if ((what & JOB_CHANGED_REMOVED) && atomic_exchange(&job->is_looked, false))
		notify_inval(fs, fs->jobs, job->id);
	job_set_told(job, what & JOB_CHANGED_REMOVED ? TOLD_REMOVED : version);
	if (what & (JOB_CHANGED_ENDED | JOB_CHANGED_REMOVED)) {
		hook_reach("fs-wake");
		wait_wake(fs, job);
	}
	textfile_wake_job(fs, job);
	node_unref(fs, &job->dir.node);
}

void notify_root_polled(struct fs *fs)
{
	lock_acquire(&fs->notify.lock);
	if (!fs->notify.is_root_polled) {
		fs->notify.is_root_polled = true;
		cond_signal(&fs->notify.wake);
	}
	lock_release(&fs->notify.lock);
}

/* How long until the texts of the root are to be looked at for who polls them. */
static int64_t until_look_locked(struct fs *fs, const struct notify *notify)
{
	int64_t every_ms = notify->is_root_older ? ROOT_LOOK_JOB_MS : ROOT_LOOK_MS;

	return notify->looked_ms + every_ms - clock_monotonic_ms(fs->deps.clock);
}

/* Have them looked at, when it is time: by a handler, since that may read a disk. Whose text is
   still the newest polls again. */
static void look_at_root_locked(struct fs *fs, struct notify *notify) SC_REQUIRES(&notify->lock)
{
	if (!notify->is_root_polled || until_look_locked(fs, notify) > 0)
		return;
	notify->is_root_polled = notify->is_root_older = false;
	notify->looked_ms = clock_monotonic_ms(fs->deps.clock);
	lock_release(&notify->lock);
	textfile_wake_root(fs);
	lock_acquire(&notify->lock);
}

static void wait_locked(struct fs *fs, struct notify *notify) SC_REQUIRES(&notify->lock)
{
	if (notify->is_root_polled)
		cond_wait_for(&notify->wake, &notify->lock, until_look_locked(fs, notify));
	else
		cond_wait(&notify->wake, &notify->lock);
}

static void *notify_thread(void *arg)
{
	struct fs *fs = arg;
	struct notify *notify = &fs->notify;

	lock_acquire(&notify->lock);
	for (;;) {
		struct notify_item *item;

		look_at_root_locked(fs, notify);
		if (!notify->first && !notify->is_stopping) {
			wait_locked(fs, notify);
			continue;
		}
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
	notify->is_made = true;
	r = thread_start(&notify->thread, "fuse-notify", notify_thread, fs);
	notify->is_started = r == 0;
	return r;
}

void notify_finish(struct fs *fs)
{
	struct notify *notify = &fs->notify;

	if (!notify->is_made)
		return;
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
	notify->is_made = false;
}

void notify_then_locked(struct notify *notify, struct notify_item *item)
{
	item->next = NULL;
	*notify->last = item;
	notify->last = &item->next;
	cond_signal(&notify->wake);
}

void notify_then(struct fs *fs, struct notify_item *item)
{
	lock_acquire(&fs->notify.lock);
	notify_then_locked(&fs->notify, item);
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
		notify_then_locked(&fs->notify, &job->item);
	}
	lock_release(&fs->notify.lock);
	if (was_queued)
		node_unref(fs, &job->dir.node);
}

void notify_jobs(struct fs *fs)
{
	struct notify *notify = &fs->notify;

	lock_acquire(&notify->lock);
	if (!notify->is_jobs_queued) {
		notify->is_jobs_queued = true;
		notify->jobs_item.run = run_jobs;
		notify_then_locked(notify, &notify->jobs_item);
	}
	lock_release(&notify->lock);
}
