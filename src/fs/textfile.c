/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of which each version is a node: see textfile.h. Handler threads, and the notify thread. */
#include "textfile.h"

#include <stdlib.h>
#include <string.h>

#include "fs_state.h"
#include "jobs.h"
#include "reply.h"
#include "storyclip/view.h"

/* ---- the list of ended jobs' texts, so that memory does not grow with what was ever looked at
 * ---- */

static void texts_remove_locked(struct texts *texts, struct text_node *text)
{
	if (!text->is_listed)
		return;
	if (text->newer)
		text->newer->older = text->older;
	else
		texts->newest = text->older;
	if (text->older)
		text->older->newer = text->newer;
	else
		texts->oldest = text->newer;
	text->newer = text->older = NULL;
	text->is_listed = false;
	texts->bytes -= text->len + sizeof(*text);
}

static void texts_add_locked(struct texts *texts, struct text_node *text)
{
	text->older = texts->newest;
	text->newer = NULL;
	if (texts->newest)
		texts->newest->newer = text;
	else
		texts->oldest = text;
	texts->newest = text;
	text->is_listed = true;
	texts->bytes += text->len + sizeof(*text);
}

/* Ask the kernel to forget the oldest texts: an unused one then dies, an open one with its last
 * close. */
static void texts_trim(struct fs *fs)
{
	for (;;) {
		struct text_node *text;
		struct row_dir *dir = NULL;

		lock_acquire(&fs->tree.lock);
		text = fs->texts.oldest;
		if (text && fs->texts.bytes > TEXTS_KEPT_BYTES) {
			dir = row_dir_of(text->base.node.parent);
			dir->node.refs++;
			texts_remove_locked(&fs->texts, text);
		}
		lock_release(&fs->tree.lock);
		if (!dir)
			return;
		notify_job(fs, dir->job, 0, 1u << row_index(dir, text->base.row));
		node_unref(fs, &dir->node);
	}
}

/* ---- versions ---- */

static int text_create(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		       uint64_t version, struct buf *text, struct text_node **ret)
{
	struct text_node *node;

	if (buf_error(text) < 0)
		return -ENOMEM;
	node = calloc(1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->base.row = row;
	node->version = node->made = version;
	node->text = buf_take(text, &node->len);
	node_init(fs, &node->base.node, &textfile_kind, row_ino(dir, row), &dir->node);
	*ret = node;
	return 0;
}

/* The newest version that exists as a node, if it is at least `version`. */
static struct text_node *text_current(struct fs *fs, struct row_dir *dir, unsigned int index,
				      uint64_t version)
{
	struct text_node *text;

	lock_acquire(&fs->tree.lock);
	text = text_of(dir->children[index]);
	if (text && text->version < version)
		text = NULL;
	if (text) {
		text->base.node.refs++;
		if (text->is_listed) {
			texts_remove_locked(&fs->texts, text);
			texts_add_locked(&fs->texts, text);
		}
	}
	lock_release(&fs->tree.lock);
	return text;
}

/* Make a fresh version the one that the name leads to, unless a newer one already is.
   @return NULL when nobody knows which of the two is newer: make it anew */
static struct text_node *text_install(struct fs *fs, struct row_dir *dir, unsigned int index,
				      struct text_node *fresh, bool is_listed)
{
	struct text_node *old;
	struct node **place;
	bool is_undecided = false;

	lock_acquire(&fs->tree.lock);
	place = &dir->children[index];
	old = text_of(*place);
	if (old && old->version >= fresh->version) {
		old->base.node.refs++;
	} else if (old && old->made > fresh->version) {
		old = NULL;
		is_undecided = true;
	} else {
		if (old)
			texts_remove_locked(&fs->texts, old); /* dies when the kernel lets go */
		old = NULL;
		*place = &fresh->base.node;
		if (is_listed)
			texts_add_locked(&fs->texts, fresh);
	}
	lock_release(&fs->tree.lock);
	if (!old && !is_undecided)
		return fresh;
	node_unref(fs, &fresh->base.node);
	return old;
}

int textfile_get_job(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		     struct node **ret)
{
	struct job_dir *job = dir->job;
	unsigned int index = row_index(dir, row);
	auto_snapshot struct job_snapshot snapshot = {0};
	auto_buf struct buf out = BUF_EMPTY;
	struct text_node *text;
	struct job_brief brief;
	int r;

	r = row_dir_prepare(fs, dir);
	if (r < 0)
		return r;
	/* First this, then the version: see textfile.h. */
	atomic_fetch_or(&dir->looked, 1u << index);
	r = job_brief_of(fs, job, &brief);
	if (r < 0)
		return r;
	text = text_current(fs, dir, index, row->is_fixed ? 0 : brief.version);
	if (!text) {
		r = engine_snapshot(fs->engine, job->id, &snapshot);
		if (r < 0)
			return r;
		row->render_job(&snapshot, fs->deps.settings->cdn_base, &out);
		r = text_create(fs, dir, row, snapshot.version, &out, &text);
		if (r < 0)
			return r;
		text->mtime_ms = row->is_fixed ? snapshot.created_at : snapshot.updated_at;
		text->uid = snapshot.owner_uid;
		text->gid = snapshot.owner_gid;
		text = text_install(fs, dir, index, text, job_state_is_final(snapshot.state));
		texts_trim(fs);
	}
	*ret = &text->base.node;
	return 0;
}

/* Whether what was made then is as good as what would be made now. */
static bool root_text_is_fresh(struct fs *fs, const struct tree_row *row,
			       const struct text_node *text, uint64_t changes, int64_t now_ms)
{
	if (row->is_fixed)
		return true;
	if (!row->changes && !row->fresh_ms)
		return false;
	return text->changes == changes &&
	       (!row->fresh_ms || now_ms - text->rendered_ms < row->fresh_ms);
}

/* @return 1: *ret is the newest; 0: another was made at the same time, look again; or a negative errno */
static int find_root_text(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
			  struct text_node **ret)
{
	unsigned int index = row_index(dir, row);
	struct text_node *text = text_current(fs, dir, index, 0);
	int64_t now_ms = clock_monotonic_ms(fs->deps.clock);
	auto_buf struct buf out = BUF_EMPTY;
	/* Before it is made: a change from here on makes it old. */
	uint64_t changes = row->changes ? row->changes(fs) : 0;
	uint64_t version;
	int r;

	*ret = text;
	if (text && root_text_is_fresh(fs, row, text, changes, now_ms))
		return 1;
	version = atomic_fetch_add(&fs->texts.renderings, 1) + 1;
	row->render_root(fs, &out);
	if (text && !buf_error(&out) && out.len == text->len &&
	    !memcmp(out.data, text->text, out.len))
		return 1;
	if (text)
		node_unref(fs, &text->base.node);
	r = text_create(fs, dir, row, version, &out, &text);
	if (r < 0)
		return r;
	text->made = atomic_fetch_add(&fs->texts.renderings, 1) + 1;
	text->changes = changes;
	text->rendered_ms = now_ms;
	text->mtime_ms = row->is_fixed ? fs->since : clock_wall_ms(fs->deps.clock);
	text->uid = fs->uid;
	text->gid = fs->gid;
	*ret = text_install(fs, dir, index, text, false);
	return *ret != NULL;
}

int textfile_get_root(struct fs *fs, struct row_dir *dir, const struct tree_row *row,
		      struct node **ret)
{
	struct text_node *text;
	int r;

	/* Again only when another handler has made one meanwhile, and there are few of these. */
	do
		r = find_root_text(fs, dir, row, &text);
	while (r == 0);
	if (r < 0)
		return r;
	*ret = &text->base.node;
	return 0;
}

/* ---- a version as a file ---- */

static int text_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct text_node *text = text_of(node);

	attr_fill(st, node->ino, text->base.row->mode, text->uid, text->gid, text->mtime_ms);
	st->st_size = (off_t)text->len;
	st->st_blocks = (blkcnt_t)((text->len + 511) / 512);
	/* This version never changes: only the name can come to mean another one. */
	*timeout = TIMEOUT_STABLE;
	return 0;
}

/** One open text. */
struct text_file {
	struct poller poller;
	struct text_node *text; /* the open file keeps it */
};

static void text_file_destroy(struct fs *fs, struct poller *poller)
{
	poller_finish(fs, poller);
	free(poller);
}

static void text_open(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct text_file *file;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EACCES); /* also root's: default_permissions let it through */
		return;
	}
	file = calloc(1, sizeof(*file));
	if (!file) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	poller_init(fs, &file->poller, text_file_destroy);
	file->text = text_of(node);
	fi->fh = (uintptr_t)file;
	fi->keep_cache = 1;
	fi->noflush = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		text_file_destroy(fs, &file->poller);
}

void text_reply(struct fs *fs, fuse_req_t req, struct text_node *text, size_t size, off_t off)
{
	size_t at = (uint64_t)off < text->len ? (size_t)off : text->len;
	size_t n = text->len - at;

	/* The kernel keeps the node until it has the answer, and may forget it in that moment. */
	node_ref(fs, &text->base.node);
	fuse_reply_buf(req, text->text + at, n < size ? n : size);
	node_unref(fs, &text->base.node);
}

static void text_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	text_reply(fs, req, text_of(node), size, off);
}

static void text_release(struct fs *fs, fuse_req_t req, struct node *node,
			 struct fuse_file_info *fi)
{
	struct text_file *file = (struct text_file *)(uintptr_t)fi->fh;

	text_file_destroy(fs, &file->poller);
	fuse_reply_err(req, 0);
}

/* ---- poll: an open file is one version; is there a newer one? ---- */

static const struct text_node *polled_text(const struct poller *poller)
{
	return ((const struct text_file *)(const void *)poller)->text;
}

static bool job_text_is_old(const struct text_node *text, uint64_t told)
{
	return told == TOLD_REMOVED || (!text->base.row->is_fixed && text->version < told);
}

static bool is_due_in_job(const struct poller *poller, const void *told)
{
	return job_text_is_old(polled_text(poller), *(const uint64_t *)told);
}

void textfile_wake_job(struct fs *fs, struct job_dir *job)
{
	const uint64_t told = atomic_load(&job->told);

	poll_wake(fs, &job->dir.pollers, is_due_in_job, &told);
}

/* The version of the same name that there is now. */
static bool root_text_is_old(struct fs *fs, const struct text_node *text)
{
	struct row_dir *dir = row_dir_of(text->base.node.parent);
	const struct tree_row *row = text->base.row;
	struct node *newest;
	bool is_old;

	if (row->is_fixed || row->get(fs, dir, row, &newest) < 0)
		return false;
	is_old = newest != &text->base.node;
	node_unref(fs, newest);
	return is_old;
}

void textfile_wake_root(struct fs *fs)
{
	poll_wake(fs, &fs->root.pollers, NULL, NULL);
}

static void text_poll(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi,
		      struct fuse_pollhandle *handle)
{
	struct text_file *file = (struct text_file *)(uintptr_t)fi->fh;
	struct row_dir *dir = row_dir_of(node->parent);
	unsigned int events = 0;
	bool is_old;

	/* First the handle, then the question: no change is missed. And not the newest version is
	   asked for but the newest that the kernel was told of: whoever learns of it from here
	   opens that one or a newer one. */
	poll_keep(fs, &dir->pollers, &file->poller, handle);
	if (dir->job)
		is_old = job_text_is_old(file->text, atomic_load(&dir->job->told));
	else
		is_old = root_text_is_old(fs, file->text);
	if (!dir->job && handle && !file->text->base.row->is_fixed)
		notify_root_polled(fs);
	if (is_old)
		events |= POLL_NEWER;
	if (dir->job && atomic_load(&dir->job->told) == TOLD_REMOVED)
		events |= POLLHUP;
	fuse_reply_poll(req, events);
}

static void text_detach(struct fs *fs, struct node *node)
{
	texts_remove_locked(&fs->texts, text_of(node));
	row_node_detach(fs, node);
}

static void text_destroy(struct fs *fs, struct node *node)
{
	free(text_of(node)->text);
	free(node);
}

const struct node_kind textfile_kind = {
	.getattr = text_getattr,
	.open = text_open,
	.read = text_read,
	.poll = text_poll,
	.release = text_release,
	.detach = text_detach,
	.destroy = text_destroy,
};
