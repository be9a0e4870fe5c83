/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jobs/<id>/clips: finished clips, read-only. A clip's node belongs to one attempt and never changes,
 * so the kernel may keep its name, attributes and pages; a new attempt's clip is another node, and
 * names that have gone are notified.
 */
#pragma once

#include "node.h"
#include "tree.h"

struct job_dir;

extern const struct node_kind clips_kind;

/** From the notify thread: drop the names of clips that are no more what the kernel knows. */
void clips_notify(struct fs *fs, struct job_dir *job);
