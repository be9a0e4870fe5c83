/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the sandbox. Private to src/sandbox. Main thread. */
#pragma once

#include "storyclip/sandbox.h"

/** Built for a sanitizer: it reads /proc, maps terabytes, and looks for leaks with ptrace(2). */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANDBOX_IS_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_IS_SANITIZED
#define SANDBOX_IS_SANITIZED 0
#endif

/** Add "what: why" to what is missing. */
void sandbox_miss(struct sandbox_state *state, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** Another uid, no groups, no capability, when the process has any. */
void identity_drop(const struct sandbox_plan *plan, struct sandbox_state *state);
/** No new privileges, limits that hold for the whole life of the process. */
void limits_start(const struct sandbox_plan *plan, struct sandbox_state *state);
void landlock_enter(const struct sandbox_plan *plan, struct sandbox_state *state);
void seccomp_enter(const struct sandbox_plan *plan, struct sandbox_state *state);
