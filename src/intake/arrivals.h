/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread `watch`: hears by inotify of what is done in UPLOAD_TMP_DIR behind the mount, and
 * brings the registry in agreement with it. What the mount does is heard of as well, and changes
 * nothing.
 */
#pragma once

#include "registry.h"
#include "storyclip/common/macros.h"

struct arrivals;

/** @param deps  copied; what it names is borrowed. Of the listener sidecar_found is used. */
int arrivals_create(const struct registry_deps *deps, struct arrivals **ret);
/** After arrivals_stop() or without a start. Accepts NULL. */
void arrivals_destroy(struct arrivals *arrivals);
SC_DEFINE_AUTO(arrivals, arrivals_destroy)

/** Watch all directories; before the scan, so that nothing arrives between the two. */
void arrivals_begin(struct arrivals *arrivals);
/** Start the thread. */
int arrivals_start(struct arrivals *arrivals, struct error *e);
/** Blocks on the event at work. Idempotent. */
void arrivals_stop(struct arrivals *arrivals);

/** intake_watch_problem() */
void arrivals_problem(struct arrivals *arrivals, char message[ERROR_MESSAGE_SIZE]);
