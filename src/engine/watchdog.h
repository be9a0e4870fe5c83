/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watchdog: a running job that has not worked for stall_timeout is failed, for good, and its
 * process group killed. Work is what the child's reports say was handled; that it lives is not
 * enough.
 */
#pragma once

#include "state.h"

/** The thread. */
void *watchdog_run(void *arg);
/**
 * One look at all running jobs.
 * @param late_ms  for how long the daemon itself was not running (stopped, suspended): that time is
 * not the jobs' and is given back to them
 */
void watchdog_look(struct engine *engine, int64_t late_ms);
/** By how much a pulse came too late to trust the time in between. Small delays are 0. */
int64_t watchdog_late_ms(int64_t last_ms, int64_t now_ms, int64_t pulse_ms);
