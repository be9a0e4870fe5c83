/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One child process, worker or publisher, from its start to its end: read its reports, end its
 * whole process group when that must be, reap it, and say what became of it.
 */
#pragma once

#include "state.h"

struct runner_plan {
	const char *program; /* file name in helper_dir */
	const char *noun;    /* what people call it: "worker", "publisher" */
	const struct buf *order;
	int fds[2]; /* descriptors 4 and 5 of the child */
	int log_fd;
	int max_progress; /* as far as its reports can bring the job */
	bool is_worker;   /* its reports end the phases start, probe and cut */
	int clips_fd;     /* where its clips must lie, -1: it makes none */
};

/**
 * Run a child of the slot's job to its end.
 * @return 0 (it has reported that all is done), -ECANCELED (it was ended from outside: the job has
 * ended, or has a verdict, or the engine stops), or another negative errno with *e filled.
 * *ret_is_stuck: the kernel could not end it; it was handed to the sweeper, which cleans up.
 */
int runner_run(struct slot *slot, struct job *job, unsigned int attempt,
	       const struct runner_plan *plan, struct error *e, bool *ret_is_stuck);
