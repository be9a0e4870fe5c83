/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The budgets are for the worst of what people have (8K, a day in one file, the slowest preset), so
 * that only what was made to exhaust a machine meets them. Main thread.
 */
#include "lock_in.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "storyclip/child.h"
#include "storyclip/common/hook.h"
#include "storyclip/sandbox.h"

#define MIB (UINT64_C(1) << 20)

/* Recognising, indexing, planning: the index of a day of video is 400 MB. */
#define OPEN_MEMORY_BYTES      (480 * MIB) /* 512 with the programs and libraries */
#define OPEN_CPU_SECONDS       45
#define OPEN_BYTES_PER_SECOND  (20 * MIB) /* a scan of packets is ten times as fast */
/* Two hundred pictures of 4:2:0 with 16 bits: references, look-ahead, one for each thread. */
#define CUT_BYTES_PER_PIXEL    600
#define CUT_CPU_SECONDS        600
#define CUT_CPU_PER_SECOND     60   /* of clips, and beside it for each million pixels: */
#define CUT_CPU_PER_MEGAPIXEL  240
/* A clip that is copied is no longer than its source and an index; one that is encoded by CRF 0: */
#define CUT_FILE_BYTES         (1024 * MIB)
#define CUT_FILE_PER_SECOND    (16 * MIB)

void lock_in(int64_t source_bytes)
{
	const struct sandbox_plan plan = {.kind = SANDBOX_WORKER, .dirs = {PROTO_CLIPS_FD, -1}};
	const struct sandbox_limits limits = {
		.memory_bytes = OPEN_MEMORY_BYTES,
		.cpu_seconds = OPEN_CPU_SECONDS + (uint64_t)source_bytes / OPEN_BYTES_PER_SECOND,
	};
	struct sandbox_state state;

	sandbox_enter(&plan, &state);
	sandbox_limit(&limits);
	if (state.missing[0])
		child_say(REPORT_LOG, "sandbox: %s; missing %s", sandbox_level(&state),
			  state.missing);
	hook_reach("worker-locked-in");
}

void lock_in_allow_cut(int64_t source_bytes, int64_t pixels, double total_us)
{
	const double seconds = total_us / 1e6, megapixels = (double)pixels / 1e6;
	const struct sandbox_limits limits = {
		.memory_bytes = OPEN_MEMORY_BYTES + (uint64_t)pixels * CUT_BYTES_PER_PIXEL,
		.cpu_seconds = CUT_CPU_SECONDS +
			       (uint64_t)(seconds * (CUT_CPU_PER_SECOND +
						     megapixels * CUT_CPU_PER_MEGAPIXEL)),
		.file_bytes = CUT_FILE_BYTES + 2 * (uint64_t)source_bytes +
			      (uint64_t)(seconds * (1 + megapixels) * (double)CUT_FILE_PER_SECOND),
		.is_last = true,
	};

	sandbox_limit(&limits);
}

int lock_in_explain(int r, struct error *e)
{
	struct rlimit limit;
	char why[ERROR_MESSAGE_SIZE];

	if (r == -ENOMEM || e->code == SC_OUT_OF_MEMORY) {
		if (getrlimit(RLIMIT_DATA, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
			return r;
		snprintf(why, sizeof(why), "%s", e->message);
		return error_set(e, SC_OUT_OF_MEMORY,
				 "the worker needs more than its %" PRIu64 " MiB of memory: %.200s",
				 (uint64_t)limit.rlim_cur / MIB, why);
	}
	if (r == -EFBIG) {
		if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
			return r;
		return error_set(e, SC_LIMIT_EXCEEDED, "a clip would have more than %" PRIu64 " bytes",
				 (uint64_t)limit.rlim_cur);
	}
	return r;
}

int lock_in_print(void)
{
	const struct sandbox_plan plan = {.kind = SANDBOX_WORKER, .dirs = {-1, -1}};
	struct sandbox_state state;

	sandbox_enter(&plan, &state);
	for (char *p = state.missing; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			*p = '\'';
	printf("{\"level\":\"%s\",\"uid\":\"%s\",\"landlock\":%d,\"seccomp\":%s,\"missing\":",
	       sandbox_level(&state), state.has_own_uid ? "own" : "shared", state.landlock_abi,
	       state.has_seccomp ? "true" : "false");
	if (state.missing[0])
		printf("\"%s\"}\n", state.missing);
	else
		printf("null}\n");
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
