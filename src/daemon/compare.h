/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the database and the directories say the same. Changes nothing. Main thread. */
#pragma once

#include "findings.h"
#include "storyclip/config.h"
#include "storyclip/store.h"

/** The directories of a ROOT, opened; -1 for one that is missing. */
struct root_dirs {
	int output_fd, work_fd, uploads_fd, hold_fd, logs_fd;
};

#define ROOT_DIRS_NONE                                                                         \
	{                                                                                      \
		.output_fd = -1, .work_fd = -1, .uploads_fd = -1, .hold_fd = -1, .logs_fd = -1 \
	}

int root_dirs_open(const struct settings *settings, struct error *e, struct root_dirs *ret);
void root_dirs_close(struct root_dirs *dirs);
#define auto_root_dirs __attribute__((cleanup(root_dirs_close)))

struct compared {
	size_t jobs, clips, uploads; /* how many were looked at */
};

/**
 * Compare all of it.
 * @param store  a database that stands still: a copy of the one in use
 * @param is_mounted  a daemon is at work: what it is about to do is no finding
 * @return 0, or a negative errno when something could not be read
 */
int compare(const struct settings *settings, const struct root_dirs *dirs, struct store *store,
	    bool is_mounted, struct findings *findings, struct compared *ret);

/** Whether a job that has not ended must have a link to its upload's bytes by now. */
bool job_must_hold(const struct job_snapshot *job);
