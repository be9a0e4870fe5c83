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
#include "jobs.h"
#include "reply.h"

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

static uint64_t status_ino(struct node *dir, enum job_state state, const char *id)
{
	return node_virtual_ino_in(dir->ino, id ? id : job_state_name(state));
}

/* The node of a name in dir, with a reference; a new one when there is none. */
static int status_node_get(struct fs *fs, struct node *dir, const struct node_kind *kind,
			   enum job_state state, const char *id, struct node **ret)
{
	struct node_key key = {.owner = dir, .name = id ? id : job_state_name(state)};
	struct status_node *fresh;

	*ret = node_find(fs, &key);
	if (*ret)
		return 0;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->state = state;
	snprintf(fresh->name, sizeof(fresh->name), "%s", key.name);
	node_init(fs, &fresh->node, kind, status_ino(dir, state, id), dir);
	key.name = fresh->name;
	*ret = node_insert(fs, &fresh->node, &key);
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
	/* The name is asked for each time, and each answer brings them anew: no need to ask twice. */
	*timeout = TIMEOUT_STABLE;
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

static int status_dir_page(struct listing *l, struct node *dir, int64_t after, void *rows, size_t n)
{
	return engine_job_names_of(l->fs->engine, status_node_of(dir)->state, after, rows, n);
}

static size_t status_dir_add(struct listing *l, struct node *dir, const void *rows, size_t n)
{
	const struct job_name_row *row = rows;
	size_t i = 0;

	while (i < n && listing_add(l, row[i].id, node_virtual_ino_in(dir->ino, row[i].id), S_IFLNK,
				    (off_t)row[i].cookie + 2))
		i++;
	return i;
}

static void status_dir_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size,
			       off_t off, struct fuse_file_info *fi, bool is_plus)
{
	static const struct paged_listing paged = {
		.row_size = sizeof(struct job_name_row),
		.page = status_dir_page,
		.cookie = job_name_cookie,
		.add = status_dir_add,
	};

	listing_pages(fs, req, dir, size, off, is_plus, &paged);
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
	/* As wide as off: anybody can seek anywhere. */
	for (off_t state = off < 2 ? 0 : off - 2; state < JOB_STATE_COUNT && !l.is_full; state++)
		listing_add(&l, job_state_name((enum job_state)state),
			    status_ino(dir, (enum job_state)state, NULL), S_IFDIR, state + 3);
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
