/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mutex and condition, as a clang capability so that a …_locked function's promise is checked.
 *
 * Conditions wait on CLOCK_MONOTONIC. All threads of the program are named and joined; they are
 * listed, with every lock and the order of locks, in storyclip/locking.h.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define SC_CAPABILITY(x) __attribute__((capability(x)))
#define SC_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define SC_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define SC_TRY_ACQUIRE(...) __attribute__((try_acquire_capability(__VA_ARGS__)))
#define SC_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define SC_NO_THREAD_SAFETY __attribute__((no_thread_safety_analysis))
#else
#define SC_CAPABILITY(x)
#define SC_ACQUIRE(...)
#define SC_RELEASE(...)
#define SC_TRY_ACQUIRE(...)
#define SC_REQUIRES(...)
#define SC_NO_THREAD_SAFETY
#endif

struct SC_CAPABILITY("mutex") lock {
	pthread_mutex_t mutex;
};

struct cond {
	pthread_cond_t cond;
};

void lock_init(struct lock *l);
void lock_finish(struct lock *l);
void lock_acquire(struct lock *l) SC_ACQUIRE(l);
void lock_release(struct lock *l) SC_RELEASE(l);
/** Take it only if nobody has it. @return whether it was taken */
bool lock_try_acquire(struct lock *l) SC_TRY_ACQUIRE(true, l);

void cond_init(struct cond *c);
void cond_finish(struct cond *c);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);
/** Wait for a signal (may wake for no reason). */
void cond_wait(struct cond *c, struct lock *l) SC_REQUIRES(l);
/** The same, at most timeout_ms. @return false when the time was up */
bool cond_wait_for(struct cond *c, struct lock *l, int64_t timeout_ms) SC_REQUIRES(l);

/**
 * Start a named, joinable thread (name: at most 15 characters) with all signals blocked, so that
 * only the main thread sees them.
 * @return 0 or a negative errno
 */
int thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg);
