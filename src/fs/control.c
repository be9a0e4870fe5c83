/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * control files: see control.h.
 *
 * Each write and each flush of an open control file is an operation; an open file's operations are
 * carried out one after the other, each request of one after the other, the first refused one ends
 * it. From the handler's thread an operation goes to the intake's command thread, which carries a
 * request out; its reply goes to the notify thread, behind whatever the request has changed; there
 * the next request is handed over or the kernel is answered. No thread waits.
 */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as_caller.h"
#include "fs_state.h"
#include "jobs.h"
#include "pollers.h"
#include "reply.h"
#include "storyclip/common/buf.h"
#include "storyclip/common/hook.h"

struct control_op;

/** One open control file. */
struct control_file {
	struct poller poller;
	/* constant */
	struct fs *fs;
	struct job_dir *job;  /* NULL: the root's */
	struct caller caller; /* who opened it */
	/* used by the operation that is under way only */
	struct request_text *text;
	/* protected by fs.control */
	unsigned int refs;                /* the open file, and each operation */
	struct control_op *first, **last; /* the first is under way */
	char *reply;                      /* owned; NULL: none yet in this open file */
	size_t cursor;                    /* how much of it has been read */
	bool is_taken;                    /* an older reply to the same user was taken over */
};

/** A write or a flush that waits for its requests to be carried out. */
struct control_op {
	struct notify_item item;
	struct control_file *file;
	fuse_req_t req;
	struct control_op *next;
	char *data; /* what is written; NULL: a flush */
	size_t len;
	int err;    /* of the last request */
	char *json; /* its reply, owned; NULL: none */
};

void control_init(struct control *control)
{
	memset(control, 0, sizeof(*control));
	lock_init(&control->lock);
}

void control_finish(struct control *control)
{
	for (size_t i = 0; i < CONTROL_REPLIES; i++)
		free(control->replies[i].text);
	lock_finish(&control->lock);
}

/* ---- replies ---- */

/* Keep the last reply to a user, in place of the one that was used longest ago. */
static void keep_reply_locked(struct control *control, uid_t uid, const char *job_id,
			      const char *text)
{
	struct control_reply *place = &control->replies[0];
	char *copy = strdup(text);

	if (!copy)
		return; /* the open file's own reply is there all the same */
	for (size_t i = 0; i < CONTROL_REPLIES; i++) {
		struct control_reply *reply = &control->replies[i];

		if (reply->used && reply->uid == uid && !strcmp(reply->job_id, job_id)) {
			place = reply;
			break;
		}
		if (reply->used < place->used)
			place = reply;
	}
	free(place->text);
	place->uid = uid;
	snprintf(place->job_id, sizeof(place->job_id), "%s", job_id);
	place->text = copy;
	place->used = ++control->uses;
}

static const char *kept_reply_locked(struct control *control, uid_t uid, const char *job_id)
{
	for (size_t i = 0; i < CONTROL_REPLIES; i++) {
		struct control_reply *reply = &control->replies[i];

		if (reply->used && reply->uid == uid && !strcmp(reply->job_id, job_id))
			return reply->text;
	}
	return NULL;
}

static const char *job_id_of(const struct control_file *file)
{
	return file->job ? file->job->id : "";
}

static void set_reply(struct control_file *file, const char *json)
{
	struct control *control = &file->fs->control;
	char *copy;

	if (!json || !*json)
		return;
	copy = strdup(json);
	lock_acquire(&control->lock);
	if (copy) {
		free(file->reply);
		file->reply = copy;
		file->cursor = 0;
	}
	keep_reply_locked(control, file->caller.uid, job_id_of(file), json);
	lock_release(&control->lock);
}

/* ---- life of an open file ---- */

static void file_unref(struct control_file *file)
{
	struct control *control = &file->fs->control;
	unsigned int refs;

	lock_acquire(&control->lock);
	refs = --file->refs;
	lock_release(&control->lock);
	if (refs)
		return;
	request_text_destroy(file->text);
	if (file->job)
		node_unref(file->fs, &file->job->dir.node);
	free(file->reply);
	free(file);
}

/* It is released, or the mount ends while it is open. */
static void file_close(struct fs *fs, struct poller *poller)
{
	poller_finish(fs, poller);
	file_unref((struct control_file *)(void *)poller);
}

/* ---- operations ---- */

static void op_start(struct control_op *op);

/* Answer the kernel and go on with what was written meanwhile. */
static void op_finish(struct control_op *op, int err)
{
	struct control_file *file = op->file;
	struct control *control = &file->fs->control;
	fuse_req_t req = op->req;
	bool is_write = op->data != NULL;
	size_t len = op->len;
	struct control_op *next;

	lock_acquire(&control->lock);
	next = file->first = op->next;
	if (!next)
		file->last = &file->first;
	lock_release(&control->lock);
	free(op->data);
	free(op->json);
	free(op);
	hook_reach("fs-control-reply");
	if (err < 0)
		fuse_reply_err(req, -err);
	else if (is_write)
		fuse_reply_write(req, len);
	else
		fuse_reply_err(req, 0);
	if (next)
		op_start(next);
	file_unref(file);
}

/* A refusal that was found out here, before the intake was asked. */
static void op_refuse(struct control_op *op, const struct error *e, int err)
{
	auto_buf struct buf out = BUF_EMPTY;

	if (e->code != SC_OK) {
		intake_render_refused(&out, e);
		if (!buf_error(&out))
			set_reply(op->file, out.data);
	}
	op_finish(op, err);
}

/* What is collected of this open file is no longer wanted: a request of it was refused. */
static void forget_collected(struct control_file *file)
{
	struct request_text *fresh;

	if (request_text_create(&fresh) < 0)
		return;
	request_text_destroy(file->text);
	file->text = fresh;
}

static void op_next_request(struct control_op *op);

/* In the notify thread: all that the request has changed has been told. */
static void request_done(struct fs *fs, struct notify_item *item)
{
	struct control_op *op = NOTIFY_OWNER(item, struct control_op, item);

	atomic_fetch_add(&fs->changes, 1); /* pause and resume are no change of a job, and are in metrics */
	set_reply(op->file, op->json);
	free(op->json);
	op->json = NULL;
	if (op->err < 0) {
		forget_collected(op->file);
		op_finish(op, op->err);
	} else {
		op_next_request(op);
	}
}

/* From the command thread, or from within the call that handed the request over. */
static void request_replied(void *context, int err, const char *json)
{
	struct control_op *op = context;

	op->err = err;
	op->json = json ? strdup(json) : NULL;
	op->item.run = request_done;
	notify_then(op->file->fs, &op->item);
}

static void op_next_request(struct control_op *op)
{
	struct control_file *file = op->file;
	struct intake *intake = file->fs->intake;
	auto_free char *text = NULL;
	struct error e = {0};
	int r = request_text_next(file->text, !op->data, &e, &text);

	if (r < 0) {
		op_refuse(op, &e, r);
		return;
	}
	if (r == 0) {
		op_finish(op, 0);
		return;
	}
	if (file->job)
		intake_job_command(intake, &file->caller, file->job->id, text, request_replied, op);
	else
		intake_submit(intake, &file->caller, text, request_replied, op);
}

static void op_start(struct control_op *op)
{
	struct error e = {0};
	int r = op->data ? request_text_add(op->file->text, op->data, op->len, &e) : 0;

	if (r < 0)
		op_refuse(op, &e, r);
	else
		op_next_request(op);
}

/* Queue an operation behind those of the same open file; the first one is started. */
static int op_submit(struct control_file *file, fuse_req_t req, char **data, size_t len)
{
	struct control *control = &file->fs->control;
	struct control_op *op;
	bool is_first;

	/* An answer would come when the session is gone. */
	if (atomic_load(&file->fs->is_draining))
		return -ESHUTDOWN;
	op = calloc(1, sizeof(*op));
	if (!op)
		return -ENOMEM;
	op->file = file;
	op->req = req;
	op->data = data ? take_ptr(*data) : NULL;
	op->len = len;
	lock_acquire(&control->lock);
	is_first = !file->first;
	*file->last = op;
	file->last = &op->next;
	file->refs++;
	lock_release(&control->lock);
	if (is_first)
		op_start(op);
	return 0;
}

/* ---- handlers ---- */

static int control_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	bool is_root = node->kind == &control_root_kind;
	struct job_dir *job = is_root ? NULL : job_of(node);

	attr_fill(st, node->ino, row_of(node)->mode, job ? job->uid : fs->uid,
		  job ? job->gid : fs->gid, job ? job->created_at : fs->since);
	*timeout = TIMEOUT_NONE; /* the kernel counts what is written as size: always 0 here */
	return 0;
}

/* Shells open with O_TRUNC, and some programs truncate: nothing to do. */
static void control_setattr(struct fs *fs, fuse_req_t req, struct node *node,
			    const struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
			  FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME;
	struct stat st;
	double timeout;

	if (!(to_set & FUSE_SET_ATTR_SIZE) || (to_set & ~(FUSE_SET_ATTR_SIZE | times)) ||
	    attr->st_size != 0) {
		fuse_reply_err(req, EPERM);
		return;
	}
	control_getattr(fs, node, &st, &timeout);
	fuse_reply_attr(req, &st, timeout);
}

static void control_open(struct fs *fs, fuse_req_t req, struct node *node,
			 struct fuse_file_info *fi)
{
	struct control_file *file = calloc(1, sizeof(*file));

	if (!file || request_text_create(&file->text) < 0) {
		free(file);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	poller_init(fs, &file->poller, file_close);
	file->fs = fs;
	file->refs = 1;
	file->last = &file->first;
	/* What it asks for is asked with the rights of whoever opened it. */
	caller_of_request(req, (fi->flags & O_ACCMODE) != O_RDONLY, &file->caller);
	if (node->kind == &control_job_kind) {
		file->job = job_of(node);
		node_ref(fs, &file->job->dir.node);
	}
	fi->fh = (uintptr_t)file;
	fi->direct_io = 1;
	fi->nonseekable = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		file_close(fs, &file->poller);
}

static void control_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
			 struct fuse_file_info *fi)
{
	struct control_file *file = (struct control_file *)(uintptr_t)fi->fh;
	auto_free char *part = malloc(size ? size : 1);
	size_t n = 0;

	if (!part) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	lock_acquire(&fs->control.lock);
	/* A fresh open gives the last reply to the same user: one that it had when first read. */
	if (!file->reply && !file->is_taken) {
		const char *kept =
			kept_reply_locked(&fs->control, file->caller.uid, job_id_of(file));

		file->reply = kept ? strdup(kept) : NULL;
		file->is_taken = true;
	}
	if (file->reply) {
		n = strlen(file->reply + file->cursor);
		n = n < size ? n : size;
		memcpy(part, file->reply + file->cursor, n);
		file->cursor += n;
	}
	lock_release(&fs->control.lock);
	if (fuse_reply_buf(req, part, n) == -ENOENT && n) {
		/* interrupted before it was delivered: it can be read again */
		lock_acquire(&fs->control.lock);
		file->cursor = file->cursor >= n ? file->cursor - n : 0;
		lock_release(&fs->control.lock);
	}
}

static void control_write(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_bufvec *in,
			  off_t off, struct fuse_file_info *fi)
{
	struct control_file *file = (struct control_file *)(uintptr_t)fi->fh;
	size_t len = fuse_buf_size(in);
	auto_free char *data = malloc(len ? len : 1);
	struct fuse_bufvec copy = FUSE_BUFVEC_INIT(len);
	ssize_t n;
	int r = 0;

	if (!data) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	copy.buf[0].mem = data;
	n = fuse_buf_copy(&copy, in, 0);
	if (n < 0)
		r = (int)n;
	else
		r = op_submit(file, req, &data, (size_t)n);
	if (r < 0)
		fuse_reply_err(req, -r);
}

static void control_flush(struct fs *fs, fuse_req_t req, struct node *node,
			  struct fuse_file_info *fi)
{
	struct control_file *file = (struct control_file *)(uintptr_t)fi->fh;
	int r = op_submit(file, req, NULL, 0);

	if (r < 0)
		fuse_reply_err(req, -r);
}

static void control_release(struct fs *fs, fuse_req_t req, struct node *node,
			    struct fuse_file_info *fi)
{
	file_close(fs, &((struct control_file *)(uintptr_t)fi->fh)->poller);
	fuse_reply_err(req, 0);
}

static void control_fsync(struct fs *fs, fuse_req_t req, struct node *node, int is_datasync,
			  struct fuse_file_info *fi)
{
	fuse_reply_err(req, 0); /* a write is answered when its requests are safe */
}

#define CONTROL_HANDLERS                                                               \
	.getattr = control_getattr, .setattr = control_setattr, .open = control_open,  \
	.read = control_read, .write = control_write, .flush = control_flush,          \
	.release = control_release, .fsync = control_fsync, .detach = row_node_detach, \
	.destroy = row_node_destroy

const struct node_kind control_root_kind = {CONTROL_HANDLERS};
const struct node_kind control_job_kind = {CONTROL_HANDLERS};
