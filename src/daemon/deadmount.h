/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mount point whose daemon has been killed. Main thread, at start. */
#pragma once

#include "storyclip/error.h"

/**
 * Clear dead mounts of our kind from a mount point; one that is alive is refused.
 * @param mountpoint  absolute, resolved
 * @return 0, -EBUSY (a live mount), or why it could not be cleared
 */
int deadmount_clear(const char *mountpoint, struct error *e);
