/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Uploads that a job waits for while somebody still writes them: when no byte has come for
 * upload_wait, the job fails with UPLOAD_BUSY. And uploads whose writers are clients of the mount before.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "storyclip/common/macros.h"
#include "storyclip/intake.h"
#include "uploads.h"

struct watches;

int watches_create(const struct intake_deps *deps, struct uploads *uploads, struct watches **ret);
void watches_destroy(struct watches *watches);
SC_DEFINE_AUTO(watches, watches_destroy)

/**
 * A job has begun to wait for this file. Any thread.
 * @param fd  dup'ed: what is asked for size and mtime
 */
void watches_add(struct watches *watches, int fd, const struct stat *st, const char *path);

/**
 * Its writer is one of the mount before, whose close nobody will tell: when it has gone the upload is closed.
 * Any thread. @param fd  dup'ed, open for reading
 */
void watches_add_outliving(struct watches *watches, int fd, const struct stat *st, const char *path);

/** Look at all of them. The registry thread. @return milliseconds until the next look, -1: none */
int64_t watches_tick(struct watches *watches);
