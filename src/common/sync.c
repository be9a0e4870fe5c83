/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Thin wrappers of pthread mutexes, conditions and threads. Any thread. */
#include "storyclip/common/sync.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A failing mutex call is a bug in this program (wrong owner, destroyed lock): stop at once. */
static void must(int r)
{
	if (r) {
		fprintf(stderr, "storyclip: broken lock (%d)\n", r);
		abort();
	}
}

void lock_init(struct lock *l)
{
	must(pthread_mutex_init(&l->mutex, NULL));
}

void lock_finish(struct lock *l)
{
	must(pthread_mutex_destroy(&l->mutex));
}

void lock_acquire(struct lock *l) SC_NO_THREAD_SAFETY
{
	must(pthread_mutex_lock(&l->mutex));
}

void lock_release(struct lock *l) SC_NO_THREAD_SAFETY
{
	must(pthread_mutex_unlock(&l->mutex));
}

bool lock_try_acquire(struct lock *l) SC_NO_THREAD_SAFETY
{
	int r = pthread_mutex_trylock(&l->mutex);

	if (r == EBUSY)
		return false;
	must(r);
	return true;
}

void cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr));
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	must(pthread_cond_init(&c->cond, &attr));
	must(pthread_condattr_destroy(&attr));
}

void cond_finish(struct cond *c)
{
	must(pthread_cond_destroy(&c->cond));
}

void cond_signal(struct cond *c)
{
	must(pthread_cond_signal(&c->cond));
}

void cond_broadcast(struct cond *c)
{
	must(pthread_cond_broadcast(&c->cond));
}

void cond_wait(struct cond *c, struct lock *l)
{
	must(pthread_cond_wait(&c->cond, &l->mutex));
}

bool cond_wait_for(struct cond *c, struct lock *l, int64_t timeout_ms)
{
	struct timespec ts;
	int r;

	if (timeout_ms < 0)
		timeout_ms = 0;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(timeout_ms / 1000);
	ts.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	r = pthread_cond_timedwait(&c->cond, &l->mutex, &ts);
	if (r == ETIMEDOUT)
		return false;
	must(r);
	return true;
}

int thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return -r;
	pthread_setname_np(*ret, name);
	return 0;
}
