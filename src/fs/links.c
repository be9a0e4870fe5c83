/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source and by-upload/: where they lead is asked anew each time. Handler threads. */
#include "links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs_state.h"
#include "jobs.h"
#include "reply.h"
#include "storyclip/common/file.h"
#include "storyclip/view.h"

#define UPLOADS_PAGE 32

static void reply_target(fuse_req_t req, int r, const struct buf *target)
{
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_readlink(req, target->data);
}

/* ---- jobs/<id>/source ---- */

/*
 * Whether an open file is the one that the job was accepted with. A file system gives the number of
 * a removed file to the next one: so it must also be older than the job, where its birth is known.
 */
static bool is_source(int fd, const struct job_snapshot *job)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &stx) < 0)
		return false;
	if (makedev(stx.stx_dev_major, stx.stx_dev_minor) != job->source_dev ||
	    stx.stx_ino != job->source_ino)
		return false;
	return !(stx.stx_mask & STATX_BTIME) ||
	       stx.stx_btime.tv_sec * 1000 + stx.stx_btime.tv_nsec / 1000000 <= job->source_at;
}

static int source_target(struct fs *fs, const struct job_dir *job, struct buf *target)
{
	auto_snapshot struct job_snapshot snapshot = {0};
	auto_fd int fd = -1;
	int r = engine_snapshot(fs->engine, job->id, &snapshot);

	if (r < 0)
		return r;
	if (atomic_load(&job->is_removed) || !snapshot.source_path)
		return -ENOENT;
	r = file_open_beneath(fs->incoming.root_fd, snapshot.source_path, O_PATH | O_NOFOLLOW, 0,
			      &fd);
	if (r < 0)
		return -ENOENT;
	if (!is_source(fd, &snapshot))
		return -ENOENT;
	buf_printf(target, "../../incoming/%s", snapshot.source_path);
	return buf_error(target);
}

int source_get(struct fs *fs, struct row_dir *dir, const struct tree_row *row, struct node **ret)
{
	auto_buf struct buf target = BUF_EMPTY;
	int r = source_target(fs, dir->job, &target);

	return r < 0 ? r : row_node_get(fs, dir, row, ret);
}

static int source_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	struct job_dir *job = job_of(node);
	auto_buf struct buf target = BUF_EMPTY;
	int r = source_target(fs, job, &target);

	if (r < 0)
		return r;
	attr_fill(st, node->ino, row_of(node)->mode, job->uid, job->gid, job->created_at);
	st->st_size = (off_t)target.len;
	*timeout = TIMEOUT_NONE;
	return 0;
}

static void source_readlink(struct fs *fs, fuse_req_t req, struct node *node)
{
	auto_buf struct buf target = BUF_EMPTY;
	int r = source_target(fs, job_of(node), &target);

	reply_target(req, r, &target);
}

const struct node_kind source_kind = {
	.getattr = source_getattr,
	.readlink = source_readlink,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};

/* ---- by-upload/<name> ---- */

struct upload_link {
	struct node node;
	char *upload_id; /* owned */
	char name[256];
};

static const struct node_kind upload_link_kind;

/* The uploadId of a name that is a hash of it: the one whose name comes out the same. */
static int upload_id_of_hash(struct fs *fs, const char *name, char **ret)
{
	struct upload_id_row rows[UPLOADS_PAGE];
	int64_t after = 0;
	int n = UPLOADS_PAGE;

	while (n == UPLOADS_PAGE && !*ret) {
		n = engine_upload_ids_page(fs->engine, after, rows, UPLOADS_PAGE);
		for (int i = 0; i < n; i++) {
			char other[256];

			view_upload_name(rows[i].upload_id, other);
			after = rows[i].cookie;
			if (!*ret && !strcmp(other, name))
				*ret = take_ptr(rows[i].upload_id);
			free(rows[i].upload_id);
		}
	}
	return *ret ? 0 : n < 0 ? n : -ENOENT;
}

static int upload_link_get(struct fs *fs, struct node *dir, const char *name, const char *upload_id,
			   struct node **ret)
{
	struct node_key key = {.owner = dir, .name = name};
	struct upload_link *fresh;

	*ret = node_find(fs, &key);
	if (*ret)
		return 0;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->upload_id = strdup(upload_id);
	if (!fresh->upload_id) {
		free(fresh);
		return -ENOMEM;
	}
	snprintf(fresh->name, sizeof(fresh->name), "%s", name);
	node_init(fs, &fresh->node, &upload_link_kind, node_virtual_ino_in(dir->ino, name), dir);
	key.name = fresh->name;
	*ret = node_insert(fs, &fresh->node, &key);
	return 0;
}

static int upload_link_target(struct fs *fs, struct node *node, struct buf *target)
{
	char job_id[JOB_ID_SIZE];
	int r = engine_newest_of_upload(fs->engine, ((struct upload_link *)node)->upload_id,
					job_id);

	if (r < 0)
		return r;
	buf_printf(target, "../jobs/%s", job_id);
	return buf_error(target);
}

static int upload_link_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	auto_buf struct buf target = BUF_EMPTY;
	int r = upload_link_target(fs, node, &target);

	if (r < 0)
		return r;
	attr_fill(st, node->ino, S_IFLNK | 0777, fs->uid, fs->gid, fs->since);
	st->st_size = (off_t)target.len;
	*timeout = TIMEOUT_NONE;
	return 0;
}

static void upload_link_readlink(struct fs *fs, fuse_req_t req, struct node *node)
{
	auto_buf struct buf target = BUF_EMPTY;
	int r = upload_link_target(fs, node, &target);

	reply_target(req, r, &target);
}

static void upload_link_destroy(struct fs *fs, struct node *node)
{
	free(((struct upload_link *)node)->upload_id);
	free(node);
}

static const struct node_kind upload_link_kind = {
	.getattr = upload_link_getattr,
	.readlink = upload_link_readlink,
	.destroy = upload_link_destroy,
};

static void by_upload_lookup(struct fs *fs, fuse_req_t req, struct node *dir, const char *name)
{
	auto_free char *upload_id = NULL;
	char again[256];
	struct node *node = NULL;
	int r = view_upload_id_from_name(name, &upload_id);

	/* One name for each uploadId: another spelling of it is no name. */
	if (r == 0) {
		view_upload_name(upload_id, again);
		if (strcmp(again, name) != 0)
			r = -ENOENT;
	} else if (r == -ENOENT) {
		r = upload_id_of_hash(fs, name, &upload_id);
	}
	if (r == 0)
		r = upload_link_get(fs, dir, name, upload_id, &node);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_node(fs, req, node, TIMEOUT_NONE); /* -ENOENT when it has no job */
}

static int by_upload_page(struct listing *l, struct node *dir, int64_t after, void *rows, size_t n)
{
	return engine_upload_ids_page(l->fs->engine, after, rows, n);
}

static int64_t by_upload_cookie(const void *row)
{
	return ((const struct upload_id_row *)row)->cookie;
}

/* Where it leads may change at any time, so the kernel is to keep nothing. */
static size_t by_upload_add(struct listing *l, struct node *dir, const void *rows, size_t n)
{
	const struct upload_id_row *row = rows;
	size_t i;

	for (i = 0; i < n; i++) {
		char name[256];

		view_upload_name(row[i].upload_id, name);
		if (!listing_add(l, name, node_virtual_ino_in(dir->ino, name), S_IFLNK,
				 (off_t)row[i].cookie + 2))
			break;
	}
	return i;
}

static void by_upload_finish(void *row)
{
	free(((struct upload_id_row *)row)->upload_id);
}

static void by_upload_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size,
			      off_t off, struct fuse_file_info *fi, bool is_plus)
{
	static const struct paged_listing paged = {
		.row_size = sizeof(struct upload_id_row),
		.page = by_upload_page,
		.cookie = by_upload_cookie,
		.add = by_upload_add,
		.finish = by_upload_finish,
	};

	listing_pages(fs, req, dir, size, off, is_plus, &paged);
}

static int by_upload_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	attr_fill(st, node->ino, row_of(node)->mode, fs->uid, fs->gid,
		  atomic_load(&fs->jobs_mtime));
	st->st_nlink = 2;
	*timeout = TIMEOUT_NONE;
	return 0;
}

const struct node_kind by_upload_kind = {
	.lookup = by_upload_lookup,
	.readdir = by_upload_readdir,
	.getattr = by_upload_getattr,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
