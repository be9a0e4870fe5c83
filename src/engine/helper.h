/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads of the engine that look after something by a timer: started, asleep, joined. */
#pragma once

#include "state.h"

int helper_start(struct helper *helper, const char *name, void *(*run)(void *),
		 struct engine *engine);
/** Wait for its end; accepts one that was never started. */
void helper_join(struct helper *helper);
/**
 * Sleep for ms, however often others are woken by the same condition, or until the engine stops.
 * @return whether it stops
 * Threads: a helper's own. Takes engine.jobs.
 */
bool helper_sleep(struct engine *engine, int64_t ms);
