/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Symlinks that lead from a job to its upload (source) and from an upload to its newest job (by-upload/). */
#pragma once

#include "node.h"
#include "tree.h"

extern const struct node_kind source_kind;
extern const struct node_kind by_upload_kind;

/** tree_row.get of source: -ENOENT when the upload's path is another file now, or gone. */
int source_get(struct fs *fs, struct row_dir *dir, const struct tree_row *row, struct node **ret);
