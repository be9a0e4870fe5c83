/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file's name in incoming/ says about it. Pure; any thread. */
#pragma once

#include <stdbool.h>

/** The last component of a path. */
const char *path_base(const char *path);

/** A name that tools use for a file which is not finished, or that no upload ever has. */
bool name_is_unfinished(const char *name);
/** A request beside an upload, or the answer to one: <upload>.process, <name>.error. */
bool name_is_sidecar(const char *name);

/**
 * A request beside an upload that shall act: <upload>.process, neither an unfinished name itself nor
 * in a hidden directory (rsync --delay-updates).
 */
bool path_is_request(const char *path);
/** The answer to such a request: <upload>.process.error. */
bool name_is_answer(const char *name);
/** How many bytes of a sidecar's name or path are its upload's. */
unsigned int request_upload_length(const char *path);

/** Length of a name without its extension (".mp4"); the whole of a name that has none. */
unsigned int name_stem_length(const char *name);
