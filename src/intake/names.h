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

/** Length of a name without its extension (".mp4"); the whole of a name that has none. */
unsigned int name_stem_length(const char *name);
