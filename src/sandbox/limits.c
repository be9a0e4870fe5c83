/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resource limits. The memory limit is RLIMIT_DATA, which counts what a process can really fill
 * (heap, private maps, stacks); RLIMIT_AS counts the 64 MiB of address space that malloc reserves
 * for each thread as well, so it only follows far behind.
 */
#include "sandbox.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "storyclip/common/hook.h"

#define MAX_FILES 256 /* half of them for clips not synced yet: CLIP_SET_OPEN_MAX of src/media/clip */
#define MAX_THREADS_BASE 64
#define THREADS_PER_CPU 8 /* decoders, filters and the encoder have some each */
#define THREAD_STACK_BYTES (2u << 20) /* 8 MiB of each would count as memory */
#define SPACE_PER_THREAD (144ull << 20) /* an arena of malloc, aligned, and a stack */
#define SPACE_BASE (4ull << 30)

static unsigned int max_threads(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return MAX_THREADS_BASE + THREADS_PER_CPU * (unsigned int)(cpus > 0 ? cpus : 1);
}

static void set_hard(int what, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)what, &limit) < 0)
		return;
	if (value > limit.rlim_max)
		value = limit.rlim_max; /* somebody has set a lower one already */
	limit = (struct rlimit){value, value};
	setrlimit((__rlimit_resource_t)what, &limit);
}

/* The soft one, unless no later step may need more. */
static void set_step(int what, rlim_t value, bool is_last)
{
	struct rlimit limit;

	if (is_last) {
		set_hard(what, value);
		return;
	}
	if (getrlimit((__rlimit_resource_t)what, &limit) < 0)
		return;
	limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
	setrlimit((__rlimit_resource_t)what, &limit);
}

void limits_start(const struct sandbox_plan *plan, struct sandbox_state *state)
{
	pthread_attr_t attr;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		sandbox_miss(state, "no_new_privs: refused");
	/* Of a uid that others have too, their processes would count. */
	if (state->has_own_uid)
		set_hard(RLIMIT_NPROC, max_threads());
	set_hard(RLIMIT_CORE, 0);
	set_hard(RLIMIT_MSGQUEUE, 0);
	set_hard(RLIMIT_NOFILE, MAX_FILES);
	/* A write beyond the limit gives EFBIG; the signal would look like a crash. */
	signal(SIGXFSZ, SIG_IGN);
	if (!SANDBOX_IS_SANITIZED && pthread_attr_init(&attr) == 0) {
		pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
		pthread_setattr_default_np(&attr);
		pthread_attr_destroy(&attr);
	}
}

void sandbox_limit(const struct sandbox_limits *limits)
{
	struct rusage used;

	if (hook_is_set("no-sandbox"))
		return;
	if (limits->memory_bytes && !SANDBOX_IS_SANITIZED) {
		set_step(RLIMIT_DATA, limits->memory_bytes, limits->is_last);
		set_step(RLIMIT_AS,
			 SPACE_BASE + 2 * limits->memory_bytes + SPACE_PER_THREAD * max_threads(),
			 limits->is_last);
	}
	if (limits->cpu_seconds && getrusage(RUSAGE_SELF, &used) == 0)
		set_step(RLIMIT_CPU,
			 (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
				 limits->cpu_seconds,
			 limits->is_last);
	if (limits->file_bytes)
		set_step(RLIMIT_FSIZE, limits->file_bytes, limits->is_last);
}
