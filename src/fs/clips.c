/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finished clips as read-only files: see clips.h. Handler threads, and the notify thread. */
#include "clips.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_state.h"
#include "jobs.h"
#include "reply.h"

struct clip_node {
	struct node node; /* parent: the job's clips/ */
	struct clip_info info;
	struct job_dir *job;
	atomic_bool is_looked; /* the kernel may know the name */
	struct backing backing; /* under fs.tree */
	/* protected by fs.tree: the job's list */
	struct clip_node *next;
	struct clip_node **back;
};

static const struct node_kind clip_kind;

static struct clip_node *clip_of(struct node *node)
{
	return (struct clip_node *)node;
}

static struct node_key clip_key(const struct job_dir *job, const struct clip_info *info)
{
	return (struct node_key){.owner = job, .a = info->attempt, .b = info->number};
}

static uint64_t clip_ino(const struct job_dir *job, const struct clip_info *info)
{
	char path[JOB_ID_SIZE + 64];

	snprintf(path, sizeof(path), "jobs/%s/clips/%s#%u", job->id, info->filename, info->attempt);
	return node_virtual_ino(path);
}

static int clip_get(struct fs *fs, struct node *dir, const struct clip_info *info,
		    struct clip_node **ret)
{
	struct job_dir *job = job_of(dir);
	struct node_key key = clip_key(job, info);
	struct clip_node *fresh;
	struct node *node;

	lock_acquire(&fs->tree.lock);
	node = node_find_locked(&fs->tree, &key);
	if (node)
		node->refs++;
	lock_release(&fs->tree.lock);
	if (!node) {
		fresh = calloc(1, sizeof(*fresh));
		if (!fresh)
			return -ENOMEM;
		fresh->info = *info;
		fresh->job = job;
		node_init(fs, &fresh->node, &clip_kind, clip_ino(job, info), dir);
		lock_acquire(&fs->tree.lock);
		node = node_find_locked(&fs->tree, &key);
		if (node) {
			node->refs++;
		} else {
			node = &fresh->node;
			node_insert_locked(&fs->tree, node, &key);
			fresh->next = job->clips;
			fresh->back = &job->clips;
			if (fresh->next)
				fresh->next->back = &fresh->next;
			job->clips = fresh;
		}
		lock_release(&fs->tree.lock);
		if (node != &fresh->node)
			node_unref(fs, &fresh->node);
	}
	*ret = clip_of(node);
	return 0;
}

static bool clip_is_current(struct fs *fs, const struct clip_node *clip)
{
	struct clip_info now;

	return engine_clip(fs->engine, clip->job->id, clip->info.number, &now) == 0 &&
	       now.attempt == clip->info.attempt && !atomic_load(&clip->job->is_removed);
}

/* A clip the kernel knows by name, with a reference: the one behind `after` in the job's list. */
static struct clip_node *next_looked_clip(struct fs *fs, struct job_dir *job,
					  struct clip_node *after)
{
	struct clip_node *clip;

	lock_acquire(&fs->tree.lock);
	for (clip = after ? after->next : job->clips; clip; clip = clip->next)
		if (atomic_load(&clip->is_looked))
			break;
	if (clip)
		clip->node.refs++;
	lock_release(&fs->tree.lock);
	return clip;
}

void clips_notify(struct fs *fs, struct job_dir *job)
{
	struct clip_node *clip = next_looked_clip(fs, job, NULL);

	while (clip) {
		struct clip_node *next;

		/* The reference keeps clip on the list, so what follows it can be found. */
		if (!clip_is_current(fs, clip) && atomic_exchange(&clip->is_looked, false))
			notify_inval(fs, clip->node.parent, clip->info.filename);
		next = next_looked_clip(fs, job, clip);
		node_unref(fs, &clip->node);
		clip = next;
	}
}

/* ---- one clip ---- */

static int clip_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct clip_node *clip = clip_of(node);

	attr_fill(st, node->ino, S_IFREG | 0444, clip->job->uid, clip->job->gid,
		  clip->info.mtime_ms);
	st->st_size = clip->info.size_bytes;
	st->st_blocks = (blkcnt_t)((clip->info.size_bytes + 511) / 512);
	st->st_blksize = INCOMING_BLKSIZE;
	*timeout = TIMEOUT_STABLE;
	return 0;
}

static int clip_open_file(struct fs *fs, struct clip_node *clip, int *ret_fd)
{
	auto_fd int fd = -1;
	int r = engine_clip_open(fs->engine, clip->job->id, clip->info.number, &fd);

	if (r < 0 && r != -ENOENT)
		return r;
	/* Gone, or another attempt's by now: ESTALE makes the kernel look the name up again. The
	   question comes after the open: what was opened is then no older than what is compared. */
	if (r < 0 || !clip_is_current(fs, clip))
		return -ESTALE;
	*ret_fd = take_fd(&fd);
	return 0;
}

static void clip_open(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	int fd = -1;
	int r;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EACCES);
		return;
	}
	r = clip_open_file(fs, clip_of(node), &fd);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fi->fh = (uint64_t)fd;
	fi->keep_cache = 1;
	fi->noflush = 1;
	backing_open(fs, &clip_of(node)->backing, fd, true, fi);
	node_ref(fs, node); /* the asker may be gone, and the kernel forget it, before the answer */
	if (fuse_reply_open(req, fi) == -ENOENT) {
		backing_close(fs, &clip_of(node)->backing);
		close(fd);
	}
	node_unref(fs, node);
}

static void clip_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);

	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = (int)fi->fh;
	data.buf[0].pos = off;
	fuse_reply_data(req, &data, FUSE_BUF_SPLICE_MOVE);
}

static void clip_release(struct fs *fs, fuse_req_t req, struct node *node,
			 struct fuse_file_info *fi)
{
	backing_close(fs, &clip_of(node)->backing);
	close((int)fi->fh);
	fuse_reply_err(req, 0);
}

static void clip_detach(struct fs *fs, struct node *node)
{
	struct clip_node *clip = clip_of(node);

	if (!clip->back)
		return; /* lost the race in clip_get() */
	*clip->back = clip->next;
	if (clip->next)
		clip->next->back = clip->back;
}

static void clip_destroy(struct fs *fs, struct node *node)
{
	free(clip_of(node));
}

static const struct node_kind clip_kind = {
	.getattr = clip_getattr,
	.open = clip_open,
	.read = clip_read,
	.release = clip_release,
	.detach = clip_detach,
	.destroy = clip_destroy,
};

/* ---- clips/ ---- */

/* As in textfile.c: first the mark, then the question. */
static int clips_find(struct fs *fs, struct node *dir, const char *name, struct clip_node **ret)
{
	unsigned int number = clip_number_from_filename(name);
	struct job_dir *job = job_of(dir);
	struct clip_info info;
	int r;

	if (!number)
		return -ENOENT;
	r = engine_clip(fs->engine, job->id, number, &info);
	if (r < 0)
		return r;
	if (strcmp(info.filename, name) != 0)
		return -ENOENT;
	r = clip_get(fs, dir, &info, ret);
	if (r < 0)
		return r;
	atomic_store(&(*ret)->is_looked, true);
	if (!clip_is_current(fs, *ret)) {
		node_unref(fs, &(*ret)->node);
		return -ENOENT;
	}
	return 0;
}

static void clips_lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	struct clip_node *clip;
	int r = clips_find(fs, dir, name, &clip);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_node(fs, req, &clip->node, TIMEOUT_STABLE);
}

static bool clips_list_row(struct listing *l, struct node *dir, const struct clip_info *info)
{
	off_t next = (off_t)info->number + 2;
	struct clip_node *clip;

	if (!l->is_plus)
		return listing_add(l, info->filename, clip_ino(job_of(dir), info), S_IFREG, next);
	if (clips_find(l->fs, dir, info->filename, &clip) < 0)
		return true; /* gone meanwhile */
	return listing_add_node(l, info->filename, &clip->node, TIMEOUT_STABLE, next);
}

static int clips_page(struct listing *l, struct node *dir, int64_t after, void *rows, size_t n)
{
	struct job_dir *job = job_of(dir);

	if (atomic_load(&job->is_removed) || after > UINT_MAX)
		return 0;
	return engine_clips_page(l->fs->engine, job->id, (unsigned int)after, rows, n);
}

static int64_t clips_cookie(const void *row)
{
	return ((const struct clip_info *)row)->number;
}

static size_t clips_add(struct listing *l, struct node *dir, const void *rows, size_t n)
{
	const struct clip_info *row = rows;
	size_t i = 0;

	while (i < n && clips_list_row(l, dir, &row[i]))
		i++;
	return i;
}

static void clips_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size, off_t off,
			  struct fuse_file_info *fi, bool is_plus)
{
	static const struct paged_listing paged = {
		.row_size = sizeof(struct clip_info),
		.page = clips_page,
		.cookie = clips_cookie,
		.add = clips_add,
	};

	listing_pages(fs, req, dir, size, off, is_plus, &paged);
}

static int clips_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct job_dir *job = job_of(node);
	struct job_brief brief;
	int r;

	atomic_fetch_or(&job->dir.looked, 1u << row_index(&job->dir, tree_clips_row));
	r = job_brief_of(fs, job, &brief);
	if (r < 0)
		return r;
	attr_fill(st, node->ino, S_IFDIR | 0755, job->uid, job->gid, brief.updated_at);
	st->st_nlink = 2;
	*timeout = TIMEOUT_STABLE;
	return 0;
}

static void clips_unlink(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	struct job_dir *job = job_of(dir);
	struct clip_info info;
	unsigned int number = clip_number_from_filename(name);
	int r = job_check_removal(fs, req, job);

	if (r == 0 && (!number || engine_clip(fs->engine, job->id, number, &info) < 0 ||
		       strcmp(info.filename, name) != 0))
		r = -ENOENT;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		job_remove(fs, req, job->id, number);
}

const struct node_kind clips_kind = {
	.lookup = clips_lookup,
	.readdir = clips_readdir,
	.getattr = clips_getattr,
	.unlink = clips_unlink,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
