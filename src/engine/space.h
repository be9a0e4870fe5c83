/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much room there must be: the setting min_free. Any thread, no lock held; asks the disks. */
#pragma once

#include "state.h"

/** Whether the clips of an upload of this size may be made. @return 0, or NO_SPACE in *e */
int space_check(struct engine *engine, enum cut_mode cut, int64_t upload_bytes, struct error *e);
/** Bytes free on a directory's volume, or a negative errno, and those that min_free wants there.
 * -ESTALE: it was removed. */
int64_t space_look(struct engine *engine, int dir_fd, int64_t *ret_min);
