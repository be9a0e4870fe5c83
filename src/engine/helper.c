/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See helper.h. */
#include "helper.h"

int helper_start(struct helper *helper, const char *name, void *(*run)(void *),
		 struct engine *engine)
{
	int r = thread_start(&helper->thread, name, run, engine);

	helper->is_started = r == 0;
	return r;
}

void helper_join(struct helper *helper)
{
	if (helper->is_started)
		pthread_join(helper->thread, NULL);
	helper->is_started = false;
}

bool helper_sleep(struct engine *engine, int64_t ms)
{
	int64_t until = clock_monotonic_ms(&clock_system) + ms, left = ms;
	bool is_stopping;

	lock_acquire(&engine->jobs);
	/* The condition is others' too: being woken says nothing, and begins no new sleep. */
	while (!engine->is_stopping && left > 0) {
		cond_wait_for(&engine->tick, &engine->jobs, left);
		left = until - clock_monotonic_ms(&clock_system);
	}
	is_stopping = engine->is_stopping;
	lock_release(&engine->jobs);
	return is_stopping;
}
