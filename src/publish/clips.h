/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to each clip of a directory: copied, and made fit to be seen. Private. One thread. */
#pragma once

#include "storyclip/child.h"
#include "storyclip/error.h"
#include "storyclip/proto.h"

/**
 * Give the clips in the directory and itself their owner (unless (uid_t)-1) and modes, and fsync
 * them all. Whatever else lies there is refused: the clips were made by a process that read a
 * stranger's video, and this one may have root's rights.
 * Codes: IO_ERROR, NO_SPACE, INTERNAL (no clip, or something that is none).
 */
int clips_settle(int dir_fd, const struct publish_order *order, struct child_reporter *reporter,
		 struct error *e);

/** fsync a file or directory and count how long that took. @return 0 or a negative errno */
int clips_sync(int fd, struct child_reporter *reporter);

/** Copy all clips from one directory to another, empty one. The same refusals. */
int clips_copy(int from_fd, int to_fd, struct child_reporter *reporter, struct error *e);

/**
 * The other errand: copy the upload (descriptor 4) to .<job_id>.copy in the hold directory (5), synced.
 * An older file of that name is replaced.
 */
int upload_copy(const char *job_id, struct child_reporter *reporter, struct error *e);
