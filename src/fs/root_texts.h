/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of the mount itself: what they show is gathered here, how it looks is view's. */
#pragma once

#include <stdint.h>

#include "storyclip/common/buf.h"

struct fs;

/* tree_row.render_root */
void root_render_readme(struct fs *fs, struct buf *out);
void root_render_health(struct fs *fs, struct buf *out);
void root_render_metrics(struct fs *fs, struct buf *out);
void root_render_jobs(struct fs *fs, struct buf *out);
void root_render_uploads(struct fs *fs, struct buf *out);
/** tree_row.changes of what is about jobs: rises with every change of any of them. */
uint64_t root_changes_of_jobs(struct fs *fs);
