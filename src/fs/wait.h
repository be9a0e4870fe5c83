/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jobs/<id>/wait: a read of it is answered when the job has ended, with what status says then. */
#pragma once

#include "node.h"

struct job_dir;

extern const struct node_kind wait_kind;

/** From the notify thread: the job may have ended, or is gone. */
void wait_wake(struct fs *fs, struct job_dir *job);
/** The same, for those who poll it, whatever has become of the job. */
void wait_wake_pollers(struct fs *fs);
