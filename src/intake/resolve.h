/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uploadId → one file beneath UPLOAD_TMP_DIR, or why not. */
#pragma once

#include <sys/stat.h>

#include "storyclip/caller.h"
#include "storyclip/common/macros.h"
#include "storyclip/error.h"

struct resolved {
	char *path; /* owned: below incoming/ */
	int fd;     /* owned: O_RDONLY, a regular file */
	struct stat st;
};

void resolved_finish(struct resolved *resolved);
#define RESOLVED_NONE     \
	(struct resolved) \
	{                 \
		.fd = -1  \
	}
#define auto_resolved __attribute__((cleanup(resolved_finish)))

/**
 * Find and open the file that an uploadId means: that exact path, else the one file in its
 * directory with that name before the extension. Opened with the caller's uid and groups.
 *
 * @param root_fd  UPLOAD_TMP_DIR
 * @return 0, or the negative errno of *e: INVALID_REQUEST, UPLOAD_NOT_FOUND, UPLOAD_AMBIGUOUS,
 * UPLOAD_FORBIDDEN, IO_ERROR
 * Any thread (its file credentials change meanwhile); blocks on the directory's disk.
 */
int resolve_upload(int root_fd, const char *upload_id, const struct caller *caller, struct error *e,
		   struct resolved *ret);

/**
 * Find and open the upload of exactly this path. Same returns; a path where nothing is yet gives
 * -ENOENT without a code in *e (SC_OK).
 */
int resolve_exact(int root_fd, const char *path, const struct caller *caller, struct error *e,
		  struct resolved *ret);
