/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a child process gives up whatever it does not need, before it looks at the first byte that
 * somebody else has written. From then on it can read and write its open descriptors and fill its
 * directories: no other file, no network, no program, no signal to another process.
 *
 * What the kernel does not have is left out and named; nothing here makes a job fail. Main thread,
 * before any other thread is started: every lock applies to the calling thread and its later ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_kind {
	SANDBOX_WORKER,    /* libav on untrusted bytes: everything, and a uid of its own when root */
	SANDBOX_PUBLISHER, /* gives files their owner, so keeps its uid and capabilities */
};

#define SANDBOX_MAX_DIRS 2

/** What stays allowed. Plain data. */
struct sandbox_plan {
	enum sandbox_kind kind;
	int dirs[SANDBOX_MAX_DIRS]; /* to fill: files made, renamed, removed below; -1: none */
};

/** What is in force. Plain data. */
struct sandbox_state {
	bool has_own_uid;       /* one that no other process has; never without privilege */
	bool is_unprivileged;   /* neither root nor any capability */
	int landlock_abi;       /* 0: not in force */
	bool has_seccomp;
	char missing[512];      /* "": nothing; else what and why, separated by "; " */
};

/**
 * Whether a locked in process could still open files beside its own program: not where only root may
 * look. Before sandbox_enter().
 */
bool sandbox_reaches_program(void);

/** Lock the process in. Blocks for no longer than some file look-ups (about a millisecond). */
void sandbox_enter(const struct sandbox_plan *plan, struct sandbox_state *state);

/** "full", "partial", "none". */
const char *sandbox_level(const struct sandbox_state *state);

/** What a step may use at most; 0: as it is. */
struct sandbox_limits {
	uint64_t memory_bytes; /* data, heap, stacks; ignored under sanitizers */
	uint64_t cpu_seconds;  /* counted from now; SIGXCPU then ends the process */
	uint64_t file_bytes;   /* one file; a write beyond it gives EFBIG */
	bool is_last;          /* no later call may raise them again */
};
void sandbox_limit(const struct sandbox_limits *limits);
