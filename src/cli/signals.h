/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ctrl-C and its like as a flag that loops look at. Blocking reads end with EINTR, also when the
 * signal came just before them: it is repeated until the program has ended. One thread.
 */
#pragma once

#include <signal.h>

/** Catch SIGINT, SIGTERM and SIGHUP (unless ignored, as under nohup) and SIGWINCH. */
void signals_catch(void);
/** The first signal that asked to end, or 0. */
int signals_caught(void);

/**
 * Hold all of these back while a request is on its way: it must neither be sent twice nor be left
 * without its reply. signals_release() gives them on.
 */
void signals_hold(sigset_t *ret_before);
void signals_release(sigset_t *before);
