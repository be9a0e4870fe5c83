/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The feed of changes: what storyclip/engine.h offers by engine_feed_…(). A change is noted in the
 * moment in which it can be seen, under engine.jobs, so the feed has the order in which things
 * happened; it is handed out once the listener was told of it and of all before it.
 */
#pragma once

#include <stdint.h>

struct job_change;

struct feed {
	/* guarded by engine.jobs */
	uint64_t seq;           /* of the last change */
	unsigned int n_readers; /* nothing is kept while it is 0 */
	struct job_change *first, **last;
	unsigned int n;
};

void feed_init(struct feed *feed);
/** No thread of the engine runs any more. */
void feed_finish(struct feed *feed);
