/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One attempt at a job, from its start to its end, whatever that is. */
#pragma once

#include "state.h"

/** Take the next job that may run. Blocks. @return NULL when the engine stops */
struct job *attempt_next_job(struct slot *slot);
/** See one attempt through, or fail a job that cannot run. In the slot's thread. */
void attempt_run(struct slot *slot, struct job *job);
/** The slot lets its job go. */
void attempt_release_job(struct slot *slot, struct job *job);
