/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two tables of names, and the handlers of the directories that consist of them. */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "by_status.h"
#include "clips.h"
#include "events.h"
#include "fs_state.h"
#include "jobs.h"
#include "links.h"
#include "logfile.h"
#include "reply.h"
#include "root_texts.h"
#include "storyclip/view.h"
#include "wait.h"

/* clang-format off */
const struct tree_row tree_root_rows[] = {
	{"README", S_IFREG | 0444, TIMEOUT_STABLE, textfile_get_root, &textfile_kind,
	 .render_root = root_render_readme, .is_fixed = true},
	{"control", S_IFREG | 0666, TIMEOUT_STABLE, row_node_get, &control_root_kind},
	{"health", S_IFREG | 0444, TIMEOUT_NONE, textfile_get_root, &textfile_kind,
	 .render_root = root_render_health},
	{"events", S_IFREG | 0444, TIMEOUT_STABLE, row_node_get, &events_kind},
	{"metrics", S_IFREG | 0444, TIMEOUT_NONE, textfile_get_root, &textfile_kind,
	 .render_root = root_render_metrics, .changes = root_changes_of_jobs, .fresh_ms = 1000},
	{"jobs.json", S_IFREG | 0444, TIMEOUT_NONE, textfile_get_root, &textfile_kind,
	 .render_root = root_render_jobs, .changes = root_changes_of_jobs},
	{"uploads.json", S_IFREG | 0444, TIMEOUT_NONE, textfile_get_root, &textfile_kind,
	 .render_root = root_render_uploads, .changes = root_changes_of_jobs, .fresh_ms = 1000},
	{"incoming", S_IFDIR | 0777, TIMEOUT_STABLE, incoming_get_root, &incoming_kind},
	{"jobs", S_IFDIR | 0777, TIMEOUT_STABLE, row_node_get, &jobs_kind},
	{"by-upload", S_IFDIR | 0755, TIMEOUT_STABLE, row_node_get, &by_upload_kind},
	{"by-status", S_IFDIR | 0755, TIMEOUT_STABLE, row_node_get, &by_status_kind},
};
const size_t tree_root_rows_count = SC_ARRAY_SIZE(tree_root_rows);

/* The two that are looked for by place stand first. */
enum { JOB_ROW_STATUS, JOB_ROW_CLIPS };

const struct tree_row tree_job_rows[] = {
	[JOB_ROW_STATUS] = {"status", S_IFREG | 0444, TIMEOUT_STABLE, textfile_get_job,
			    &textfile_kind, .render_job = view_job_status},
	[JOB_ROW_CLIPS] = {"clips", S_IFDIR | 0755, TIMEOUT_STABLE, row_node_get, &clips_kind},
	{"progress", S_IFREG | 0444, TIMEOUT_STABLE, textfile_get_job, &textfile_kind,
	 .render_job = view_job_progress},
	{"wait", S_IFREG | 0444, TIMEOUT_STABLE, row_node_get, &wait_kind},
	{"request", S_IFREG | 0444, TIMEOUT_STABLE, textfile_get_job, &textfile_kind,
	 .render_job = view_job_request, .is_fixed = true},
	{"log", S_IFREG | 0444, TIMEOUT_STABLE, row_node_get, &logfile_kind},
	{"control", S_IFREG | 0644, TIMEOUT_STABLE, row_node_get, &control_job_kind},
	{"source", S_IFLNK | 0777, TIMEOUT_NONE, source_get, &source_kind},
};
const size_t tree_job_rows_count = SC_ARRAY_SIZE(tree_job_rows);
const struct tree_row *const tree_status_row = &tree_job_rows[JOB_ROW_STATUS];
const struct tree_row *const tree_clips_row = &tree_job_rows[JOB_ROW_CLIPS];
/* clang-format on */

_Static_assert(SC_ARRAY_SIZE(tree_root_rows) <= TREE_ROWS_MAX, "more rows than room");
_Static_assert(SC_ARRAY_SIZE(tree_job_rows) <= TREE_ROWS_MAX, "more rows than room");

void row_dir_init(struct fs *fs, struct row_dir *dir, const struct node_kind *kind, uint64_t ino,
		  struct node *parent, const struct tree_row *rows, size_t n_rows)
{
	node_init(fs, &dir->node, kind, ino, parent);
	dir->rows = rows;
	dir->n_rows = n_rows;
	dir->job = NULL;
	dir->children = NULL;
	atomic_init(&dir->looked, 0);
	dir->pollers = (struct poll_list){0};
}

int row_dir_prepare(struct fs *fs, struct row_dir *dir)
{
	struct node **fresh;

	lock_acquire(&fs->tree.lock);
	fresh = dir->children;
	lock_release(&fs->tree.lock);
	if (fresh)
		return 0;
	fresh = calloc(dir->n_rows, sizeof(struct node *));
	if (!fresh)
		return -ENOMEM;
	lock_acquire(&fs->tree.lock);
	if (!dir->children)
		dir->children = take_ptr(fresh);
	lock_release(&fs->tree.lock);
	free(fresh); /* somebody else was faster */
	return 0;
}

const struct tree_row *row_find(const struct row_dir *dir, const char *name)
{
	for (size_t i = 0; i < dir->n_rows; i++)
		if (!strcmp(dir->rows[i].name, name))
			return &dir->rows[i];
	return NULL;
}

uint64_t row_ino(const struct row_dir *dir, const struct tree_row *row)
{
	char path[JOB_ID_SIZE + 32];

	if (row->get == incoming_get_root)
		return dir->children[row_index(dir, row)]->ino; /* there for ever, a real file's */
	if (dir->job)
		snprintf(path, sizeof(path), "jobs/%s/%s", dir->job->id, row->name);
	else
		snprintf(path, sizeof(path), "%s", row->name);
	return node_virtual_ino(path);
}

int row_node_get(struct fs *fs, struct row_dir *dir, const struct tree_row *row, struct node **ret)
{
	struct row_node *fresh;
	struct node **place;
	struct node *node;
	int r = row_dir_prepare(fs, dir);

	if (r < 0)
		return r;
	lock_acquire(&fs->tree.lock);
	place = &dir->children[row_index(dir, row)];
	node = *place;
	if (node)
		node->refs++;
	lock_release(&fs->tree.lock);
	if (!node) {
		fresh = calloc(1, sizeof(*fresh));
		if (!fresh)
			return -ENOMEM;
		fresh->row = row;
		node_init(fs, &fresh->node, row->kind, row_ino(dir, row), &dir->node);
		lock_acquire(&fs->tree.lock);
		node = *place;
		if (node)
			node->refs++; /* somebody else was faster */
		else
			node = *place = &fresh->node;
		lock_release(&fs->tree.lock);
		if (node != &fresh->node)
			node_unref(fs, &fresh->node);
	}
	*ret = node;
	return 0;
}

void row_node_detach(struct fs *fs, struct node *node)
{
	struct row_dir *dir = row_dir_of(node->parent);
	struct node **place = &dir->children[row_index(dir, row_of(node))];

	/* A newer version, or the winner of a race, may stand there. */
	if (*place == node)
		*place = NULL;
}

void row_node_destroy(struct fs *fs, struct node *node)
{
	free(node);
}

void row_dir_lookup(struct fs *fs, fuse_req_t req, struct node *node, const char *name)
{
	struct row_dir *dir = row_dir_of(node);
	const struct tree_row *row = row_find(dir, name);
	struct node *child;
	int r;

	if (!row) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	r = row->get(fs, dir, row, &child);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	reply_node(fs, req, child, row->timeout);
}

void row_dir_readdir(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
		     struct fuse_file_info *fi, bool is_plus)
{
	struct row_dir *dir = row_dir_of(node);
	struct listing l;
	int r = listing_init(&l, fs, req, size, is_plus);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	if (off < 2 && !listing_add_dots(&l, node, off))
		goto out;
	for (size_t i = off < 2 ? 0 : (size_t)off - 2; i < dir->n_rows; i++) {
		const struct tree_row *row = &dir->rows[i];
		bool may_change = (row->render_job || row->render_root) && !row->is_fixed;
		bool fits;
		struct node *child;

		/* A text that changes is looked up on its own: linked from a listing an older
		   version could replace a newer one that a LOOKUP has just given. */
		if (may_change) {
			fits = listing_add(&l, row->name, row_ino(dir, row), row->mode,
					   (off_t)i + 3);
		} else {
			if (row->get(fs, dir, row, &child) < 0)
				continue; /* not there now: source */
			fits = listing_add_node(&l, row->name, child, row->timeout, (off_t)i + 3);
		}
		if (!fits)
			break;
	}
out:
	listing_reply(&l);
}

static int root_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	attr_fill(st, node->ino, S_IFDIR | 0755, fs->uid, fs->gid, fs->since);
	st->st_nlink = 2;
	for (size_t i = 0; i < tree_root_rows_count; i++)
		if (S_ISDIR(tree_root_rows[i].mode))
			st->st_nlink++;
	*timeout = TIMEOUT_STABLE;
	return 0;
}

static void root_destroy(struct fs *fs, struct node *node)
{
	/* part of struct fs */
}

const struct node_kind tree_root_kind = {
	.lookup = row_dir_lookup,
	.readdir = row_dir_readdir,
	.getattr = root_getattr,
	.destroy = root_destroy,
};
