/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes away behind everybody's back: the bytes of removed jobs, and processes that the kernel
 * could not end, with what they leave. One thread of the engine.
 */
#pragma once

#include "state.h"

/**
 * The clips of a removed job lie in OUTPUT_ROOT/<trash>: remove them, then the note. What fails is
 * tried again while the daemon runs, and at the next start.
 *
 * @param unmoved  the job's id when its clips could not be renamed to `trash` yet, else NULL
 * @return 0, -ENOMEM: the next start finds the note
 * Threads: any.
 */
int sweeper_add_trash(struct engine *engine, const char *trash, const char *unmoved);
/** Reap it when it goes, and clean up after its attempt. Takes the pidfd. Any thread. */
void sweeper_add_stuck(struct engine *engine, pid_t pid, int pidfd, const char *job_id,
		       unsigned int attempt);
/** The thread. */
void *sweeper_run(void *arg);
/** Forget what is left: the next start finds it again. After the thread has ended. */
void sweeper_finish(struct engine *engine);
/** How many processes are stuck, and one of them. */
unsigned int sweeper_stuck_locked(const struct engine *engine, pid_t *ret_pid)
	SC_REQUIRES(&engine->jobs);
