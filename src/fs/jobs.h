/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jobs/ and jobs/<id>: one node for each job that the kernel knows. */
#pragma once

#include "node.h"
#include "notify.h"
#include "tree.h"
#include "storyclip/engine.h"

struct clip_node;

#define TOLD_REMOVED UINT64_MAX

struct job_dir {
	struct row_dir dir; /* dir.looked is about the rows */
	/* constant */
	uid_t uid;
	gid_t gid;
	int64_t created_at;
	atomic_bool is_looked;  /* the kernel may know the name jobs/<id> */
	atomic_bool is_removed; /* the job is gone: every look-up beneath fails */
	/* Whatever name is looked up leads to this version of a text or a newer one: what the kernel
	   knew of older ones it has been told to forget. TOLD_REMOVED: to nothing. Only rises. */
	atomic_ullong told;
	/* protected by fs.tree: clips that the kernel knows */
	struct clip_node *clips;
	/* protected by fs.notify */
	struct notify_item item;
	bool is_queued;
	unsigned int changed; /* JOB_CHANGED_… */
	unsigned int dropped; /* rows, a bit each */
	char id[];            /* constant; its length, since there may be very many of these */
};

extern const struct node_kind jobs_kind;    /* jobs/ */
extern const struct node_kind job_dir_kind; /* jobs/<id> */

/** paged_listing.cookie of struct job_name_row. */
int64_t job_name_cookie(const void *row);
/** Raise job->told. */
void job_set_told(struct job_dir *job, uint64_t version);
/** The engine's listener: see struct engine_listener. */
void jobs_changed(void *context, const char *job_id, uint64_t version, unsigned int what);
/** The job that a node in jobs/<id>, or deeper, belongs to. */
struct job_dir *job_of(struct node *node);
/** engine_brief() of this very job: -ENOENT also when another one has its name by now. */
int job_brief_of(struct fs *fs, const struct job_dir *job, struct job_brief *ret);
/** Whether the caller may remove things of this job: 0, -EACCES, -EBUSY (not ended), -ENOENT. */
int job_check_removal(struct fs *fs, fuse_req_t req, const struct job_dir *job);
/** Carry out a removal and answer the request when it is done. clip 0: the job. */
void job_remove(struct fs *fs, fuse_req_t req, const char *job_id, unsigned int clip);
