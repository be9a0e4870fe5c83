/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One attempt while it goes on, and its steps. Private to attempt*.c; the slot's thread. */
#pragma once

#include "cleanup.h"
#include "state.h"

struct attempt {
	struct engine *engine;
	struct slot *slot;
	struct job *job;
	char id[JOB_ID_SIZE];
	unsigned int number;
	char work_name[ATTEMPT_NAME_SIZE];
	int work_fd, clips_fd, source_fd, log_fd;
	bool is_stuck; /* a child that cannot be ended: the sweeper clears away when it goes */
};

/**
 * The log, the directories, the upload held and opened. Where no hard link can be made, the upload
 * is copied first. @return 0, -ECANCELED (ended from outside) or a negative errno with *e filled
 */
int attempt_prepare(struct attempt *a, struct error *e);
/** The held upload must still be what was accepted: nobody may have written it behind the mount. */
int attempt_check_source(struct attempt *a, struct error *e);
/** Bring the finished clips to OUTPUT_ROOT and the job to done. @return as attempt_prepare() */
int attempt_publish(struct attempt *a, struct error *e);
/** Said by the engine itself, so that it is true also of a child that never says a word. */
void attempt_show_phase(struct attempt *a, int progress, const char *message, int max_progress);
