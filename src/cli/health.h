/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mount's own state, out of the file health. Fields that are missing are simply not known. */
#pragma once

#include <stdint.h>

#include "storyclip/common/buf.h"

struct health {
	char status[32]; /* "ok", "degraded", "paused"; "?" unknown */
	char version[32];
	int64_t workers_busy, workers_of, queue; /* -1: unknown */
	int64_t free_bytes;                      /* of the fullest volume; -1: unknown */
	struct buf reasons;                      /* owned; "; " between them, not yet made safe */
};
void health_finish(struct health *health);
#define auto_health __attribute__((cleanup(health_finish)))

/** Pure. @return 0 or -EBADMSG */
int health_parse(const char *text, struct health *ret);
/** @return 0, -EBADMSG or a negative errno of reading it */
int health_read(int dir_fd, struct health *ret);
/** Add "ok, workers 1 of 2 busy, 3 queued, 12G free", safe. */
void health_add(struct buf *out, const struct health *health);
