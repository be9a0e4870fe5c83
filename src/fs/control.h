/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * control files: what is written is collected into requests, each is carried out by the intake, and
 * the write is answered when the last one of it has been (and the kernel knows what has changed).
 */
#pragma once

#include <sys/types.h>

#include "node.h"
#include "storyclip/common/sync.h"
#include "storyclip/request.h"

#define CONTROL_REPLIES 64 /* the last replies that are kept */

struct control {
	struct lock lock; /* fs.control */
	/* protected by lock: the last replies to users, of the root's control and of jobs' */
	struct control_reply {
		uid_t uid;
		char job_id[JOB_ID_SIZE]; /* "": the root's */
		uint64_t used; /* rises; 0: free */
		char *text;    /* owned */
	} replies[CONTROL_REPLIES];
	uint64_t uses;
};

/** The root's control, and jobs/<id>/control. */
extern const struct node_kind control_root_kind;
extern const struct node_kind control_job_kind;

void control_init(struct control *control);
void control_finish(struct control *control);
