/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jobs/ and jobs/<id>: look-up, listing, removal, and what the engine tells. */
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as_caller.h"
#include "fs_state.h"
#include "reply.h"

struct job_dir *job_of(struct node *node)
{
	while (node->kind != &job_dir_kind)
		node = node->parent;
	return ((struct row_dir *)node)->job;
}

void job_set_told(struct job_dir *job, uint64_t version)
{
	unsigned long long told = atomic_load(&job->told);

	while (told < version)
		if (atomic_compare_exchange_weak(&job->told, &told, version))
			return;
}

static struct node_key job_key(struct fs *fs, const char *id)
{
	return (struct node_key){.owner = fs->jobs, .name = id};
}

static struct job_dir *job_find_locked(struct fs *fs, const char *id)
{
	struct node_key key = job_key(fs, id);
	struct node *node = node_find_locked(&fs->tree, &key);

	return node ? row_dir_of(node)->job : NULL;
}

static int job_create(struct fs *fs, const char *id, struct job_dir **ret)
{
	size_t len = strlen(id);
	struct job_dir *job = calloc(1, sizeof(*job) + len + 1);

	if (!job)
		return -ENOMEM;
	memcpy(job->id, id, len + 1);
	row_dir_init(fs, &job->dir, &job_dir_kind, node_virtual_ino_in(fs->jobs->ino, id), fs->jobs,
		     tree_job_rows, tree_job_rows_count);
	job->dir.job = job;
	*ret = job;
	return 0;
}

/* The node of this id, with a reference; a new one when there is none. */
static int job_find_or_create(struct fs *fs, const char *id, struct job_dir **ret)
{
	struct job_dir *job, *fresh = NULL;
	int r;

	lock_acquire(&fs->tree.lock);
	job = job_find_locked(fs, id);
	if (job)
		job->dir.node.refs++;
	lock_release(&fs->tree.lock);
	if (!job) {
		r = job_create(fs, id, &fresh);
		if (r < 0)
			return r;
		lock_acquire(&fs->tree.lock);
		job = job_find_locked(fs, id);
		if (job) {
			job->dir.node.refs++; /* somebody else was faster */
		} else {
			struct node_key key = job_key(fs, fresh->id);

			node_insert_locked(&fs->tree, &fresh->dir.node, &key);
			job = take_ptr(fresh);
		}
		lock_release(&fs->tree.lock);
		if (fresh)
			node_unref(fs, &fresh->dir.node);
	}
	*ret = job;
	return 0;
}

/*
 * From then on constant, so others may read it without the lock. Whoever comes first has told the
 * kernel no name in it, so whatever it looks up will be of this version (0: not known) or a newer
 * one.
 */
static void job_fill(struct fs *fs, struct job_dir *job, uid_t uid, gid_t gid, int64_t created_at,
		     uint64_t version)
{
	lock_acquire(&fs->tree.lock);
	if (!job->created_at) {
		job->uid = uid;
		job->gid = gid;
		job->created_at = created_at ? created_at : 1;
		job_set_told(job, version);
	}
	lock_release(&fs->tree.lock);
}

/*
 * The node of a job that exists, with a reference. The engine's listener can find the node before
 * the engine is asked about the job, so no change after the answer is missed.
 */
static int job_get(struct fs *fs, const char *id, struct job_dir **ret)
{
	struct job_brief brief;
	struct job_dir *job;
	int r;

	if (!job_id_is_valid(id))
		return -ENOENT;
	for (;;) {
		r = job_find_or_create(fs, id, &job);
		if (r < 0)
			return r;
		atomic_store(&job->is_looked, true);
		r = engine_brief(fs->engine, id, &brief);
		/* Removed meanwhile: the answer may be about the next job of this name. */
		if (r < 0 || !atomic_load(&job->is_removed))
			break;
		node_unref(fs, &job->dir.node);
	}
	if (r < 0) {
		node_unref(fs, &job->dir.node);
		return r;
	}
	job_fill(fs, job, brief.owner_uid, brief.owner_gid, brief.created_at, brief.version);
	*ret = job;
	return 0;
}

int job_brief_of(struct fs *fs, const struct job_dir *job, struct job_brief *ret)
{
	int r = engine_brief(fs->engine, job->id, ret);

	/* After the question: an answer may be about the next job of this name. */
	return r == 0 && atomic_load(&job->is_removed) ? -ENOENT : r;
}

void jobs_changed(void *context, const char *job_id, uint64_t version, unsigned int what)
{
	struct fs *fs = context;
	struct job_dir *job;

	atomic_fetch_add(&fs->changes, 1); /* before anybody is told */
	if (what & JOB_CHANGED_REMOVED)
		atomic_fetch_add(&fs->removals, 1); /* before the node is looked for */
	if (what & (JOB_CHANGED_CREATED | JOB_CHANGED_REMOVED)) {
		atomic_store(&fs->jobs_mtime, clock_wall_ms(fs->deps.clock));
		if (atomic_load(&fs->is_jobs_looked))
			notify_jobs(fs);
	}
	lock_acquire(&fs->tree.lock);
	job = job_find_locked(fs, job_id);
	if (job) {
		job->dir.node.refs++;
		/* The next job of this name, if any, gets a node of its own. */
		if (what & JOB_CHANGED_REMOVED) {
			atomic_store(&job->is_removed, true);
			node_unhash_locked(&fs->tree, &job->dir.node);
		}
	}
	lock_release(&fs->tree.lock);
	if (!job)
		return; /* the kernel knows nothing of it, and nobody waits */
	notify_job(fs, job, what, 0);
	node_unref(fs, &job->dir.node);
}

/* ---- removal ---- */

int job_check_removal(struct fs *fs, fuse_req_t req, const struct job_dir *job)
{
	uid_t uid = fuse_req_ctx(req)->uid;
	struct job_brief brief;
	int r;

	r = job_brief_of(fs, job, &brief);
	if (r < 0)
		return r;
	if (uid != 0 && uid != brief.owner_uid)
		return -EACCES;
	return job_state_is_final(brief.state) ? 0 : -EBUSY;
}

/* From the command thread. The directory's lock in the kernel is held until this answer, and the
   notify thread will want it: so it is given at once and not behind the notifications. */
static void removal_done(void *context, int err, const char *json)
{
	fuse_req_t req = context;

	reply_result(req, err);
}

void job_remove(struct fs *fs, fuse_req_t req, const char *job_id, unsigned int clip)
{
	struct caller caller;

	if (atomic_load(&fs->is_draining)) {
		fuse_reply_err(req, ESHUTDOWN);
		return;
	}
	caller_of_request(req, false, &caller);
	intake_job_remove(fs->intake, &caller, job_id, clip, removal_done, req);
}

/* ---- jobs/<id> ---- */

static void job_lookup(struct fs *fs, fuse_req_t req, struct node *node, const char *name)
{
	const struct tree_row *row = row_find(row_dir_of(node), name);
	struct job_brief brief;
	int r = 0;

	/* Texts and links ask the engine about the job by themselves. */
	if (row && row->get == row_node_get)
		r = job_brief_of(fs, job_of(node), &brief);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		row_dir_lookup(fs, req, node, name);
}

static int job_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct job_dir *job = job_of(node);

	attr_fill(st, node->ino, S_IFDIR | 0755, job->uid, job->gid, job->created_at);
	st->st_nlink = 3; /* itself, its name, clips/.. */
	*timeout = TIMEOUT_STABLE;
	return 0;
}

static void job_unlink(struct fs *fs, fuse_req_t req, struct node *node, const char *name)
{
	const struct tree_row *row = row_find(row_dir_of(node), name);

	if (!row)
		fuse_reply_err(req, ENOENT);
	else if (S_ISDIR(row->mode))
		fuse_reply_err(req, EISDIR);
	else /* the file goes when its directory goes */
		reply_result(req, job_check_removal(fs, req, job_of(node)));
}

static void job_rmdir(struct fs *fs, fuse_req_t req, struct node *node, const char *name)
{
	const struct tree_row *row = row_find(row_dir_of(node), name);
	struct job_dir *job = job_of(node);
	struct clip_info clip;
	int r;

	if (!row || !S_ISDIR(row->mode)) {
		fuse_reply_err(req, row ? ENOTDIR : ENOENT);
		return;
	}
	r = job_check_removal(fs, req, job);
	if (r == 0 && engine_clips_page(fs->engine, job->id, 0, &clip, 1) > 0)
		r = -ENOTEMPTY;
	reply_result(req, r);
}

static void job_detach(struct fs *fs, struct node *node)
{
	/* hashed or not: node_put() has seen to that; clips hold references, so there are none */
}

static void job_destroy(struct fs *fs, struct node *node)
{
	free(row_dir_of(node)->children);
	free(row_dir_of(node)->job);
}

const struct node_kind job_dir_kind = {
	.lookup = job_lookup,
	.readdir = row_dir_readdir,
	.getattr = job_getattr,
	.unlink = job_unlink,
	.rmdir = job_rmdir,
	.detach = job_detach,
	.destroy = job_destroy,
};

/* ---- jobs/ ---- */

static void jobs_lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	struct job_dir *job;
	int r = job_get(fs, name, &job);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_node(fs, req, &job->dir.node, TIMEOUT_STABLE);
}

int64_t job_name_cookie(const void *row)
{
	return ((const struct job_name_row *)row)->cookie;
}

/*
 * The node of a row of a page. That job may have been removed since the page was read: then either
 * that has been counted, and the engine is asked, or whoever removes it will find the node.
 */
static int job_get_listed(struct listing *l, const struct job_name_row *row, struct job_dir **ret)
{
	struct fs *fs = l->fs;
	int r = job_find_or_create(fs, row->id, ret);

	if (r < 0)
		return r;
	atomic_store(&(*ret)->is_looked, true);
	if (atomic_load(&fs->removals) == l->removals) {
		job_fill(fs, *ret, row->owner_uid, row->owner_gid, row->created_at, 0);
		return 0;
	}
	node_unref(fs, &(*ret)->dir.node);
	return job_get(fs, row->id, ret);
}

static bool jobs_list_row(struct listing *l, struct node *dir, const struct job_name_row *row)
{
	off_t next = (off_t)row->cookie + 2;
	struct job_dir *job;

	if (l->is_plus) {
		if (job_get_listed(l, row, &job) < 0)
			return true; /* removed meanwhile */
		return listing_add_node(l, row->id, &job->dir.node, TIMEOUT_STABLE, next);
	}
	return listing_add(l, row->id, node_virtual_ino_in(dir->ino, row->id), S_IFDIR, next);
}

static int jobs_page(struct listing *l, struct node *dir, int64_t after, void *rows, size_t n)
{
	l->removals = atomic_load(&l->fs->removals);
	return engine_job_names(l->fs->engine, after, rows, n);
}

static size_t jobs_add(struct listing *l, struct node *dir, const void *rows, size_t n)
{
	const struct job_name_row *row = rows;
	size_t i = 0;

	while (i < n && jobs_list_row(l, dir, &row[i]))
		i++;
	return i;
}

static void jobs_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size, off_t off,
			 struct fuse_file_info *fi, bool is_plus)
{
	static const struct paged_listing paged = {
		.row_size = sizeof(struct job_name_row),
		.page = jobs_page,
		.cookie = job_name_cookie,
		.add = jobs_add,
	};

	listing_pages(fs, req, dir, size, off, is_plus, &paged);
}

static int jobs_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	atomic_store(&fs->is_jobs_looked, true);
	/* Anybody may try to remove a job; whose it is the daemon knows, so no sticky bit. */
	attr_fill(st, node->ino, S_IFDIR | 0777, fs->uid, fs->gid, atomic_load(&fs->jobs_mtime));
	*timeout = TIMEOUT_STABLE;
	return 0;
}

static void jobs_unlink(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	fuse_reply_err(req, EISDIR);
}

static void jobs_rmdir(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	if (job_id_is_valid(name))
		job_remove(fs, req, name, 0);
	else
		fuse_reply_err(req, ENOENT);
}

const struct node_kind jobs_kind = {
	.lookup = jobs_lookup,
	.readdir = jobs_readdir,
	.getattr = jobs_getattr,
	.unlink = jobs_unlink,
	.rmdir = jobs_rmdir,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
