/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order in which the parts are put in force, and the words for the result. */
#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "storyclip/common/hook.h"

void sandbox_miss(struct sandbox_state *state, const char *fmt, ...)
{
	size_t len = strlen(state->missing);
	va_list args;

	if (len && len + 2 < sizeof(state->missing)) {
		memcpy(state->missing + len, "; ", 3);
		len += 2;
	}
	va_start(args, fmt);
	vsnprintf(state->missing + len, sizeof(state->missing) - len, fmt, args);
	va_end(args);
}

void sandbox_enter(const struct sandbox_plan *plan, struct sandbox_state *state)
{
	*state = (struct sandbox_state){0};
	if (hook_is_set("no-sandbox")) {
		sandbox_miss(state, "everything: a test wants it so");
		return;
	}
	if (SANDBOX_IS_SANITIZED) {
		/* Its own reading of /proc, its leak check, its reports are what such a build is for. */
		sandbox_miss(state, "everything: this is a sanitizer's build");
		limits_start(plan, state);
		return;
	}
	if (plan->kind == SANDBOX_WORKER)
		identity_drop(plan, state);
	/* A change of uid has cleared it. Whoever died meanwhile reads no reports: see child_start(). */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	limits_start(plan, state);
	landlock_enter(plan, state);
	seccomp_enter(plan, state);
}

const char *sandbox_level(const struct sandbox_state *state)
{
	if (!state->missing[0])
		return "full";
	return state->landlock_abi || state->has_seccomp || state->has_own_uid ? "partial" : "none";
}
