/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parked reads of `wait`: see parked.h.
 *
 * A parked read belongs to whoever takes it off the list, under the lock: the notify thread, the
 * stop, or the interrupt; only that one answers. libfuse calls the interrupt function with a lock
 * of the request held, and fuse_req_interrupt_func() takes that lock: so it is called without ours,
 * and taking the function back waits until a call under way has ended, after which the memory may
 * go.
 */
#include "parked.h"

#include <stdlib.h>
#include <string.h>

#include "fs_state.h"
#include "jobs.h"
#include "reply.h"
#include "storyclip/common/hook.h"

/** One open `wait`. */
struct wait_file {
	/* protected by fs.parked; once set it stays, so that one open file gives one text */
	struct text_node *text; /* a reference */
};

struct parked_read {
	/* constant */
	fuse_req_t req;
	struct job_dir *job; /* the open file keeps it */
	struct wait_file *file;
	size_t size;
	off_t off;
	/* protected by fs.parked */
	bool is_listed;
	bool is_interrupted; /* before it was put on the list */
	struct parked_read *next;
	struct parked_read **back;
};

void parked_init(struct parked *parked)
{
	lock_init(&parked->lock);
	parked->is_stopping = false;
	parked->first = NULL;
}

void parked_finish(struct parked *parked)
{
	lock_finish(&parked->lock);
}

static void unlist_locked(struct parked_read *read)
{
	*read->back = read->next;
	if (read->next)
		read->next->back = read->back;
	read->next = NULL;
	read->is_listed = false;
}

/* Called by libfuse with a lock of the request held. */
static void interrupted(fuse_req_t req, void *data)
{
	struct parked_read *read = data;
	struct fs *fs = fuse_req_userdata(req);
	bool is_mine;

	lock_acquire(&fs->parked.lock);
	is_mine = read->is_listed;
	if (is_mine)
		unlist_locked(read);
	else
		read->is_interrupted = true; /* not listed yet, or somebody else answers it */
	lock_release(&fs->parked.lock);
	if (!is_mine)
		return;
	free(read);
	fuse_reply_err(req, EINTR);
}

/* Answer a read that the caller has taken off the list (or never listed). */
static void answer(struct fs *fs, struct parked_read *read, int r, struct text_node *text)
{
	fuse_req_t req = read->req;
	size_t size = read->size;
	off_t off = read->off;

	fuse_req_interrupt_func(req, NULL, NULL);
	free(read);
	if (text)
		text_reply(fs, req, text, size, off);
	else
		fuse_reply_err(req, -r);
}

/* Take the reads of one job (NULL: all) off the list. */
static struct parked_read *take_locked(struct parked *parked, const struct job_dir *job)
{
	struct parked_read *taken = NULL, **last = &taken;
	struct parked_read *read, *next;

	for (read = parked->first; read; read = next) {
		next = read->next;
		if (job && read->job != job)
			continue;
		unlist_locked(read);
		*last = read;
		last = &read->next;
	}
	return taken;
}

static void answer_all(struct fs *fs, struct parked_read *taken, int r, struct text_node *text)
{
	while (taken) {
		struct parked_read *read = taken;

		taken = read->next;
		answer(fs, read, r, text);
	}
}

void parked_stop(struct fs *fs)
{
	struct parked_read *taken;

	lock_acquire(&fs->parked.lock);
	fs->parked.is_stopping = true;
	taken = take_locked(&fs->parked, NULL);
	lock_release(&fs->parked.lock);
	answer_all(fs, taken, -ENOTCONN, NULL);
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

void parked_wake(struct fs *fs, struct job_dir *job)
{
	struct parked_read *taken;
	struct text_node *text = NULL;
	int r = final_text(fs, job, &text);

	if (r == -EAGAIN)
		return; /* it has not ended after all */
	lock_acquire(&fs->parked.lock);
	taken = take_locked(&fs->parked, job);
	lock_release(&fs->parked.lock);
	for (struct parked_read *read = taken; text && read; read = read->next)
		fix_text(fs, read->file, text);
	answer_all(fs, taken, r, text);
	if (text)
		node_unref(fs, &text->base.node);
}

static int park(struct fs *fs, fuse_req_t req, struct job_dir *job, struct wait_file *file,
		size_t size, off_t off, bool has_ended)
{
	struct parked_read *read = calloc(1, sizeof(*read));
	int r = 0;

	if (!read)
		return -ENOMEM;
	read->req = req;
	read->job = job;
	read->file = file;
	read->size = size;
	read->off = off;
	fuse_req_interrupt_func(req, interrupted, read);
	lock_acquire(&fs->parked.lock);
	if (read->is_interrupted)
		r = -EINTR;
	else if (fs->parked.is_stopping && !has_ended)
		r = -ENOTCONN;
	if (r == 0) {
		read->next = fs->parked.first;
		read->back = &fs->parked.first;
		if (read->next)
			read->next->back = &read->next;
		fs->parked.first = read;
		read->is_listed = true;
	}
	lock_release(&fs->parked.lock);
	if (r < 0)
		answer(fs, read, r, NULL);
	return 0;
}

static void wait_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	struct wait_file *file = (struct wait_file *)(uintptr_t)fi->fh;
	struct job_dir *job = job_of(node);
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
	r = job_brief_of(fs, job, &brief);
	has_ended = r < 0 || job_state_is_final(brief.state);
	/* The open file keeps the node until the answer, which may come at once from another
	   thread: this one needs it a little longer. */
	node_ref(fs, &job->dir.node);
	r = park(fs, req, job, file, size, off, has_ended);
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else {
		hook_reach("fs-parked");
		/* Ended meanwhile, or before: the notify thread answers, after the kernel has been
		   told; so nobody learns of the end here and reads an older status there. */
		r = job_brief_of(fs, job, &brief);
		if (r < 0 || job_state_is_final(brief.state))
			notify_job(fs, job, JOB_CHANGED_TEXT | JOB_CHANGED_ENDED, 0);
	}
	node_unref(fs, &job->dir.node);
}

static int wait_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct job_dir *job = job_of(node);

	attr_fill(st, node->ino, row_of(node)->mode, job->uid, job->gid, job->created_at);
	*timeout = TIMEOUT_STABLE;
	return 0;
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
	fi->fh = (uintptr_t)file;
	fi->direct_io = 1;
	fi->nonseekable = 1;
	fi->noflush = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		free(file);
}

static void wait_release(struct fs *fs, fuse_req_t req, struct node *node,
			 struct fuse_file_info *fi)
{
	struct wait_file *file = (struct wait_file *)(uintptr_t)fi->fh;

	struct text_node *text;

	lock_acquire(&fs->parked.lock);
	text = file->text;
	lock_release(&fs->parked.lock);
	if (text)
		node_unref(fs, &text->base.node);
	free(file);
	fuse_reply_err(req, 0);
}

const struct node_kind parked_wait_kind = {
	.getattr = wait_getattr,
	.open = wait_open,
	.read = wait_read,
	.release = wait_release,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
