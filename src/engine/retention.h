/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread `retention`: ended jobs go when they are old (job_retention). */
#pragma once

#include "state.h"

/** Whether anything is ever to be removed by age, so that the thread is wanted. */
bool retention_is_wanted(const struct engine *engine);
/** Take up the clocks where an earlier life has left them, finish what it had begun. At each start, wanted or not: a
 *  later life may have ages, and must know of a clock that jumped before. */
void retention_begin(struct engine *engine);
/** Body of the thread. @param arg  the engine */
void *retention_run(void *arg);
