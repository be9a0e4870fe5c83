/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mount's own state; what its parts hold is in their headers. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control.h"
#include "as_caller.h"
#include "behind.h"
#include "events.h"
#include "incoming.h"
#include "node.h"
#include "notify.h"
#include "ops_timed.h"
#include "parked.h"
#include "passthrough.h"
#include "textfile.h"
#include "tree.h"
#include "storyclip/fs.h"

/** What metrics count. */
struct fs_counters {
	atomic_ullong passthrough_opens;
};

struct fs {
	/* constant once requests are answered */
	struct fs_deps deps;
	struct engine *engine;
	struct intake *intake;
	struct fuse_session *session;
	int64_t since; /* wall ms of the mount */
	uid_t uid;     /* the daemon's: owner of what belongs to no job */
	gid_t gid;
	bool has_xattr; /* decided with the kernel, before the first request but INIT */
	struct passthrough passthrough;
	struct row_dir root;
	struct node *jobs;      /* these three: found for their children's sake */
	struct node *by_upload;
	struct node *by_status;

	struct tree tree;       /* lock fs.tree */
	struct texts texts;     /* under fs.tree */
	struct incoming incoming; /* lists under fs.tree */
	struct behind behind;     /* under fs.tree */
	struct parked parked;   /* lock fs.parked */
	struct poller *open_files;     /* all but of clips, which are descriptors only; under fs.parked */
	struct poll_list wait_pollers; /* open files of wait; under fs.parked, as is the next */
	struct events events;
	struct control control; /* lock fs.control */
	struct notify notify;   /* lock fs.notify */

	struct fs_counters counters;
	struct fs_metrics metrics; /* lock-free */
	atomic_uint_fast64_t changes; /* of any job: rises when one can be seen */
	atomic_uint_fast64_t removals; /* of jobs: rises before their nodes are looked for */
	atomic_llong jobs_mtime; /* wall ms: a job came or went */
	atomic_bool is_jobs_looked; /* the kernel may know jobs_mtime, set before it is read */
	atomic_bool is_draining; /* the loop has ended: what cannot be answered at once is refused */

	struct lock loop_lock; /* fs.loop: nothing else is taken under it */
	struct cond loop_cond;
	/* protected by loop_lock */
	pthread_t loop_thread;
	bool is_looping;
	bool is_exiting;
};
