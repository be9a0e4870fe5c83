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

/**
 * End all requests to a mount of our kind whose daemon is dying. Needed because the kernel cannot
 * end the daemon's thread that tells it of a change while a request which nobody will answer keeps
 * the same directory locked; and while that thread is there, the kernel does not end the request.
 * @param mountpoint  absolute, resolved; nothing is done when it is no mount of ours
 */
void deadmount_abort(const char *mountpoint);
