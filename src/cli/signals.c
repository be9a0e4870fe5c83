/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ctrl-C and its like as a flag. */
#include "signals.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "storyclip/common/macros.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

/* The flag that a signal handler sets. */
static volatile sig_atomic_t caught;

static void on_end(int number)
{
	if (!caught)
		caught = number;
	alarm(1);
}

/* A signal between a look at the flag and the read that follows would be lost: ring again. */
static void on_alarm(int number)
{
	alarm(1);
}

/* Only wakes whoever sleeps; the size is asked for with every frame. */
static void on_resize(int number)
{
}

void signals_catch(void)
{
	struct sigaction sa = {.sa_handler = on_end}, before; /* no SA_RESTART: reads are to end */

	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < SC_ARRAY_SIZE(ending); i++) {
		if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
			continue;
		sigaction(ending[i], &sa, NULL);
	}
	sa.sa_handler = on_alarm;
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_resize;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGWINCH, &sa, NULL);
}

int signals_caught(void)
{
	return caught;
}

void signals_hold(sigset_t *ret_before)
{
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < SC_ARRAY_SIZE(ending); i++)
		sigaddset(&held, ending[i]);
	sigaddset(&held, SIGALRM);
	sigaddset(&held, SIGWINCH);
	sigaddset(&held, SIGTSTP);
	sigprocmask(SIG_BLOCK, &held, ret_before);
}

void signals_release(sigset_t *before)
{
	sigprocmask(SIG_SETMASK, before, NULL);
}
