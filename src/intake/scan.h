/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The look over UPLOAD_TMP_DIR at start: which uploads are whole, which were cut off. */
#pragma once

#include "registry.h"

/**
 * Walk the directory, compare with the rows, write what changed, tell the engine what became of the
 * files that its jobs hold. Before any request is answered and before jobs run. Blocks on the disk;
 * files that are found anew are synced later, by the registry thread.
 */
int scan_uploads(const struct registry_deps *deps, struct registry *registry, struct error *e);
