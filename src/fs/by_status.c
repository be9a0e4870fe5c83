/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * by-status/: five directories that are always there, and in each a symlink to every job that is in
 * that state now. A job changes its state at any time, so the kernel keeps nothing of this;
 * listings are pages of the database. Handler threads.
 */
#include "by_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs_state.h"
#include "reply.h"

#define STATUS_PAGE 64

/* A state's directory, or a job's link in it. */
struct status_node {
	struct node node;
	enum job_state state;
	char name[JOB_ID_SIZE];
};

static const struct node_kind status_dir_kind, status_link_kind;

static struct status_node *status_node_of(struct node *node)
{
	return (struct status_node *)node;
}

static uint64_t status_ino(enum job_state state, const char *id)
{
	char path[JOB_ID_SIZE + 32];

	snprintf(path, sizeof(path), "by-status/%s%s%.*s", job_state_name(state), id ? "/" : "",
		 JOB_ID_MAX, id ? id : "");
	return node_virtual_ino(path);
}

/* The node of a name in dir, with a reference; a new one when there is none. */
static int status_node_get(struct fs *fs, struct node *dir, const struct node_kind *kind,
			   enum job_state state, const char *id, struct node **ret)
{
	struct node_key key = {.owner = dir, .name = id ? id : job_state_name(state)};
	struct status_node *fresh = NULL;
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
		fresh->state = state;
		snprintf(fresh->name, sizeof(fresh->name), "%s", key.name);
		node_init(fs, &fresh->node, kind, status_ino(state, id), dir);
		key.name = fresh->name;
		lock_acquire(&fs->tree.lock);
		node = node_find_locked(&fs->tree, &key);
		if (node) {
			node->refs++; /* somebody else was faster */
		} else {
			node = &fresh->node;
			node_insert_locked(&fs->tree, node, &key);
		}
		lock_release(&fs->tree.lock);
		if (node != &fresh->node)
			node_unref(fs, &fresh->node);
	}
	*ret = node;
	return 0;
}

static void status_node_destroy(struct fs *fs, struct node *node)
{
	free(node);
}

static int dir_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	attr_fill(st, node->ino, S_IFDIR | 0755, fs->uid, fs->gid, atomic_load(&fs->jobs_mtime));
	st->st_nlink = 2;
	*timeout = TIMEOUT_NONE;
	return 0;
}

/* ---- by-status/<state>/<id> ---- */

/* Whether the job is still in the state that the link says. */
static int status_link_check(struct fs *fs, const struct status_node *link, struct job_brief *ret)
{
	int r = engine_brief(fs->engine, link->name, ret);

	if (r < 0)
		return r;
	return ret->state == link->state ? 0 : -ENOENT;
}

static void status_link_target(const struct status_node *link, char out[JOB_ID_SIZE + 16])
{
	snprintf(out, JOB_ID_SIZE + 16, "../../jobs/%s", link->name);
}

static int status_link_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	const struct status_node *link = status_node_of(node);
	char target[JOB_ID_SIZE + 16];
	struct job_brief brief;
	int r = status_link_check(fs, link, &brief);

	if (r < 0)
		return r;
	status_link_target(link, target);
	attr_fill(st, node->ino, S_IFLNK | 0777, brief.owner_uid, brief.owner_gid,
		  brief.updated_at);
	st->st_size = (off_t)strlen(target);
	*timeout = TIMEOUT_NONE;
	return 0;
}

static void status_link_readlink(struct fs *fs, fuse_req_t req, struct node *node)
{
	const struct status_node *link = status_node_of(node);
	char target[JOB_ID_SIZE + 16];
	struct job_brief brief;
	int r = status_link_check(fs, link, &brief);

	status_link_target(link, target);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_readlink(req, target);
}

static const struct node_kind status_link_kind = {
	.getattr = status_link_getattr,
	.readlink = status_link_readlink,
	.destroy = status_node_destroy,
};

/* ---- by-status/<state>/ ---- */

static void status_dir_lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	struct node *node = NULL;
	int r = -ENOENT;

	if (job_id_is_valid(name))
		r = status_node_get(fs, dir, &status_link_kind, status_node_of(dir)->state, name,
				    &node);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_node(fs, req, node, TIMEOUT_NONE); /* -ENOENT when it is not in that state */
}

static void status_dir_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size,
			       off_t off, struct fuse_file_info *fi, bool is_plus)
{
	enum job_state state = status_node_of(dir)->state;
	struct job_list_row rows[STATUS_PAGE];
	int64_t after = off < 2 ? 0 : off - 2;
	struct listing l;
	int n = STATUS_PAGE;
	int r = listing_init(&l, fs, req, size, is_plus);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	if (off < 2)
		listing_add_dots(&l, dir, off);
	while (!l.is_full && n == STATUS_PAGE) {
		n = engine_jobs_page_of(fs->engine, state, after, rows, STATUS_PAGE);
		for (int i = 0; i < n; i++) {
			if (!listing_add(&l, rows[i].id, status_ino(state, rows[i].id), S_IFLNK,
					 (off_t)rows[i].cookie + 2))
				break;
			after = rows[i].cookie;
		}
	}
	if (n < 0 && !l.len) {
		free(l.data);
		fuse_reply_err(req, -n);
		return;
	}
	listing_reply(&l);
}

static const struct node_kind status_dir_kind = {
	.lookup = status_dir_lookup,
	.readdir = status_dir_readdir,
	.getattr = dir_getattr,
	.destroy = status_node_destroy,
};

/* ---- by-status/ ---- */

static void by_status_lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	struct node *node = NULL;
	int r = -ENOENT;

	for (int state = 0; state < JOB_STATE_COUNT; state++)
		if (!strcmp(job_state_name((enum job_state)state), name))
			r = status_node_get(fs, dir, &status_dir_kind, (enum job_state)state, NULL,
					    &node);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_node(fs, req, node, TIMEOUT_STABLE);
}

static void by_status_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size,
			      off_t off, struct fuse_file_info *fi, bool is_plus)
{
	struct listing l;
	int r = listing_init(&l, fs, req, size, is_plus);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	if (off < 2)
		listing_add_dots(&l, dir, off);
	for (int state = off < 2 ? 0 : (int)off - 2; state < JOB_STATE_COUNT && !l.is_full; state++)
		listing_add(&l, job_state_name((enum job_state)state),
			    status_ino((enum job_state)state, NULL), S_IFDIR, (off_t)state + 3);
	listing_reply(&l);
}

static int by_status_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	dir_getattr(fs, node, st, timeout);
	st->st_nlink += JOB_STATE_COUNT;
	return 0;
}

const struct node_kind by_status_kind = {
	.lookup = by_status_lookup,
	.readdir = by_status_readdir,
	.getattr = by_status_getattr,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
