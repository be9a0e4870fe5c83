/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Named steps at which a test can stop a program.
 *
 * Programs call hook_reach() at a named step. What is shipped links hook_none.c, where the call
 * does nothing; only the programs under tests/hooked/ link hook_active.c, which obeys the files of
 * the directory in $STORYCLIP_HOOKS: when DIR/<step> exists, DIR/<step>.reached is written (pid and
 * newline) and then the word in DIR/<step> is done:
 *
 *     stop    SIGSTOP to the own process
 *     spin    an endless loop that still answers signals
 *     block   a read of a pipe that nobody writes
 *     wait    wait until DIR/<step>.go exists
 *     kill    SIGKILL to the own process
 *     segv    SIGSEGV to the own process
 *     escape  try what a sandbox must refuse, see hook_escape.c
 *
 * With a leading "once-" DIR/<step> is unlinked first (by one process only), so that it acts once.
 */
#pragma once

#include <stdbool.h>

/** @param step  a word of [a-z0-9-], listed in contrib/HACKING.md. Any thread. */
void hook_reach(const char *step);

/** Where the files of hooks are; NULL: nowhere, as in all that is shipped. */
const char *hook_directory(void);
/** Whether DIR/<name> exists: a test wants a program to be otherwise. Never in what is shipped. */
bool hook_is_set(const char *name);
