/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads that wait for a job's end: see wait.h. Handler threads; the notify thread answers. */
#include "wait.h"

#include <stdlib.h>
#include <string.h>

#include "fs_state.h"
#include "jobs.h"
#include "reply.h"
#include "storyclip/common/hook.h"

/** One open `wait`. */
struct wait_file {
	struct poller poller;
	struct job_dir *job; /* the open file keeps it */
	/* protected by fs.parked; once set it stays, so that one open file gives one text */
	struct text_node *text; /* a reference */
};

static struct wait_file *wait_file_of(const struct fuse_file_info *fi)
{
	return (struct wait_file *)(uintptr_t)fi->fh;
}

/* Take the reads of one job off the list, chained by next. */
static struct parked_read *take_locked(struct parked *parked, const struct job_dir *job)
{
	struct parked_read *taken = NULL, **last = &taken;
	struct parked_read *read, *next;

	for (read = parked->waits.first; read; read = next) {
		const struct wait_file *file = read->file;

		next = read->next;
		if (file->job != job)
			continue;
		parked_remove_locked(read);
		*last = read;
		last = &read->next;
	}
	return taken;
}

/* The text that `wait` gives in the end: what `status` gives then. */
static int final_text(struct fs *fs, struct job_dir *job, struct text_node **ret)
{
	struct job_brief brief;
	struct node *node;
	int r = job_brief_of(fs, job, &brief);

	if (r < 0)
		return r;
	if (!job_state_is_final(brief.state))
		return -EAGAIN;
	r = tree_status_row->get(fs, &job->dir, tree_status_row, &node);
	if (r == 0)
		*ret = text_of(node);
	return r;
}

/* From now on this open file gives this text, as far as it has read it or not. */
static void fix_text(struct fs *fs, struct wait_file *file, struct text_node *text)
{
	bool is_fixed;

	node_ref(fs, &text->base.node);
	lock_acquire(&fs->parked.lock);
	is_fixed = file->text;
	if (!is_fixed)
		file->text = text;
	lock_release(&fs->parked.lock);
	if (is_fixed)
		node_unref(fs, &text->base.node);
}

static bool is_of_job(const struct poller *poller, const void *job)
{
	return ((const struct wait_file *)(const void *)poller)->job == job;
}

void wait_wake(struct fs *fs, struct job_dir *job)
{
	struct parked_read *taken;
	struct text_node *text = NULL;
	int r = final_text(fs, job, &text);

	if (r == -EAGAIN)
		return; /* it has not ended after all */
	lock_acquire(&fs->parked.lock);
	taken = take_locked(&fs->parked, job);
	lock_release(&fs->parked.lock);
	while (taken) {
		struct parked_read *read = taken;
		size_t size = read->size;
		off_t off = read->off;

		taken = read->next;
		if (text) {
			fix_text(fs, read->file, text);
			text_reply(fs, parked_take_back(read), text, size, off);
		} else {
			fuse_reply_err(parked_take_back(read), -r);
		}
	}
	poll_wake(fs, &fs->wait_pollers, is_of_job, job);
	if (text)
		node_unref(fs, &text->base.node);
}

void wait_wake_pollers(struct fs *fs)
{
	poll_wake(fs, &fs->wait_pollers, NULL, NULL);
}

/* Whether the notify thread has told the kernel of the end that the brief speaks of. */
static bool is_end_told(const struct job_dir *job, const struct job_brief *brief)
{
	return job_state_is_final(brief->state) && atomic_load(&job->told) >= brief->version;
}

/* @param refusal  what is answered in place of waiting, or 0 */
static void park(struct fs *fs, fuse_req_t req, struct wait_file *file, size_t size, off_t off,
		 bool has_ended, int refusal)
{
	struct parked_read *read = parked_create(req, file, size, off);
	int r = refusal;

	if (!read) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	lock_acquire(&fs->parked.lock);
	if (fs->parked.is_stopping && !has_ended)
		r = -ENOTCONN;
	else if (!r)
		r = parked_add_locked(&fs->parked.waits, read);
	lock_release(&fs->parked.lock);
	if (r < 0)
		fuse_reply_err(parked_take_back(read), -r);
}

/* Answer at once, when the job has ended and the kernel was told so. @return whether it was
 * answered */
static bool answer_ended(struct fs *fs, fuse_req_t req, struct wait_file *file, size_t size,
			 off_t off)
{
	struct text_node *text;
	struct job_brief brief;

	if (job_brief_of(fs, file->job, &brief) < 0 || !is_end_told(file->job, &brief) ||
	    final_text(fs, file->job, &text) < 0)
		return false;
	fix_text(fs, file, text);
	text_reply(fs, req, text, size, off);
	node_unref(fs, &text->base.node);
	return true;
}

static void wait_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	struct wait_file *file = wait_file_of(fi);
	struct job_dir *job = file->job;
	struct text_node *text;
	struct job_brief brief;
	bool has_ended;
	int r;

	lock_acquire(&fs->parked.lock);
	text = file->text;
	lock_release(&fs->parked.lock);
	if (text) {
		text_reply(fs, req, text, size, off);
		return;
	}
	if (answer_ended(fs, req, file, size, off))
		return;
	r = job_brief_of(fs, job, &brief);
	has_ended = r < 0 || job_state_is_final(brief.state);
	/* The open file keeps the node until the answer, which may come at once from another
	   thread: this one needs it a little longer. */
	node_ref(fs, &job->dir.node);
	park(fs, req, file, size, off, has_ended, fi->flags & O_NONBLOCK ? -EAGAIN : 0);
	hook_reach("fs-parked");
	/* Ended meanwhile: the notify thread answers, after the kernel has been told; so nobody
	   learns of the end here and reads an older status there. */
	r = job_brief_of(fs, job, &brief);
	if (r < 0 || job_state_is_final(brief.state))
		notify_job(fs, job, JOB_CHANGED_TEXT | JOB_CHANGED_ENDED, 0);
	node_unref(fs, &job->dir.node);
}

static void wait_poll(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi,
		      struct fuse_pollhandle *handle)
{
	struct wait_file *file = wait_file_of(fi);
	struct job_dir *job = file->job;
	struct job_brief brief;
	unsigned int events = 0;
	int r;

	poll_keep(fs, &fs->wait_pollers, &file->poller, handle);
	lock_acquire(&fs->parked.lock);
	if (file->text)
		events |= POLL_READABLE;
	if (fs->parked.is_stopping)
		events |= POLL_READABLE | POLLHUP;
	lock_release(&fs->parked.lock);
	r = job_brief_of(fs, job, &brief);
	if (r < 0)
		events |= POLL_READABLE | POLLHUP;
	else if (is_end_told(job, &brief))
		events |= POLL_READABLE;
	else if (job_state_is_final(brief.state))
		notify_job(fs, job, JOB_CHANGED_TEXT | JOB_CHANGED_ENDED, 0); /* it wakes us */
	fuse_reply_poll(req, events);
}

static int wait_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct job_dir *job = job_of(node);

	attr_fill(st, node->ino, row_of(node)->mode, job->uid, job->gid, job->created_at);
	*timeout = TIMEOUT_STABLE;
	return 0;
}

static void wait_file_destroy(struct fs *fs, struct poller *poller)
{
	struct wait_file *file = (struct wait_file *)(void *)poller;

	poller_finish(fs, poller);
	if (file->text)
		node_unref(fs, &file->text->base.node);
	free(file);
}

static void wait_open(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct wait_file *file;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EACCES);
		return;
	}
	file = calloc(1, sizeof(*file));
	if (!file) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	poller_init(fs, &file->poller, wait_file_destroy);
	file->job = job_of(node);
	fi->fh = (uintptr_t)file;
	fi->direct_io = 1;
	fi->nonseekable = 1;
	fi->noflush = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		wait_file_destroy(fs, &file->poller);
}

static void wait_release(struct fs *fs, fuse_req_t req, struct node *node,
			 struct fuse_file_info *fi)
{
	wait_file_destroy(fs, &wait_file_of(fi)->poller);
	fuse_reply_err(req, 0);
}

const struct node_kind wait_kind = {
	.getattr = wait_getattr,
	.open = wait_open,
	.read = wait_read,
	.poll = wait_poll,
	.release = wait_release,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
