/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An engine of its own in a directory of its own, with real processes: the test program stands in
 * for storyclip-worker (it does what the source's text says, line by line) and is storyclip-publish.
 *
 * Lines of a source:
 *     phase N TEXT          progress WORK N TEXT      plan N          clip NUMBER BYTES
 *     warn TEXT             log TEXT                  err TEXT (to standard error)
 *     fail CODE TEXT        signal N (to itself)      exit N          garbage         endless
 *     hang                  spin                      beat (the same phase for ever)
 *     work STEPS MS         (so many reports of work, MS apart)
 *     numbered N            (N reports as fast as can be, each with another message)
 *     await FILE            (in the rig's directory)   touch FILE
 *     lie NUMBER            (report a clip that is not there)
 *     deaf                  (ignore SIGTERM)
 *     child                 (start a process that sleeps for ever, in the same group; its pid to "child")
 *     in N LINE             (only in attempt N)
 * Without a final fail or exit it ends with "done".
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include "storyclip/common/sync.h"
#include "storyclip/engine.h"
#include "storyclip/store.h"

struct rig {
	char root[64];
	char database[96];
	int root_fd;
	struct settings settings;
	struct store *store;
	struct engine *engine;
	const struct clock *clock; /* NULL: the system's */

	struct lock lock; /* guards the rest: what the listener was told */
	struct cond changed;
	uint64_t changes;
	uint64_t last_version;
	unsigned int n_ended, n_removed, n_created;
};

/** Call first in main: becomes worker, publisher or daemon when started as such. */
void rig_main(int argc, char **argv);
/**
 * Start this program as a daemon over the rig's root (which must be down): it runs jobs until it is
 * killed. id and upload: submitted first; NULL: nothing. remove: a job to remove first, or NULL.
 */
pid_t rig_daemon(struct rig *rig, const char *id, const char *remove);
/** Wait for the end of that process. @return the signal that ended it, 0 for an exit */
int rig_reap(pid_t pid);
/** Make a hook: what to do when a program reaches the step (storyclip/common/hook.h). */
void rig_hook(struct rig *rig, const char *step, const char *action);
/** Wait until the step was reached (and forget that it was). */
bool rig_reached(struct rig *rig, const char *step);
/** Let one that waits at the step go on. */
void rig_go(struct rig *rig, const char *step);

/** Make the directories. Settings have the defaults of tests: 2 workers, long stall_timeout. */
void rig_init(struct rig *rig);
/** The same over an existing root. */
void rig_init_at(struct rig *rig, const char *root);
/** Store and engine up. */
void rig_up(struct rig *rig);
/** The same, but nothing runs yet. */
void rig_create(struct rig *rig);
/** Stopped and gone; the directories stay. */
void rig_down(struct rig *rig);
/** Down, and the directories are removed. */
void rig_finish(struct rig *rig);

/** Write uploads/<name> with this text. */
void rig_upload(struct rig *rig, const char *name, const char *script);
/** Submit it. @return as engine_submit(); id may be NULL (generated) */
int rig_submit_as(struct rig *rig, uid_t uid, const char *id, const char *upload, unsigned int flags,
		  struct error *e, char ret_id[JOB_ID_SIZE]);
enum { RIG_WAITING = 1, RIG_INCOMPLETE = 2, RIG_MORE_ATTEMPTS = 4 };
/** Upload under the job's id and submit; must succeed. */
void rig_job(struct rig *rig, const char *id, const char *script);

/** Wait until it is in that state. @return whether it came so far within 20 s */
bool rig_wait(struct rig *rig, const char *id, enum job_state state);
/** Wait until what the job shows has this progress at least. */
bool rig_wait_progress(struct rig *rig, const char *id, int progress);
/** Wait until no slot is busy. */
bool rig_wait_idle(struct rig *rig);
/** Wait until a path below root is there or gone. */
bool rig_wait_path(struct rig *rig, const char *path, bool is_there);
bool rig_has(struct rig *rig, const char *path);
/** Names in a directory below root, sorted, joined by blanks; hidden ones too. free() it. */
char *rig_list(struct rig *rig, const char *path);
/** A small file below root, "" when missing. free() it. */
char *rig_read(struct rig *rig, const char *path);
void rig_write(struct rig *rig, const char *path, const char *text);
/** As somebody at the sqlite3 shell. @return rows changed */
int rig_sql(struct rig *rig, const char *sql);
/** The first column of the first row, as text. free() it. */
char *rig_ask(struct rig *rig, const char *sql);
/** Wait until a query gives this text. */
bool rig_wait_ask(struct rig *rig, const char *sql, const char *want);
/** Whether a process is there (a zombie is not). */
bool rig_is_alive(pid_t pid);
/** Wait until it is not. */
bool rig_wait_dead(struct rig *rig, pid_t pid);

/* Checks of texts that were made for it. */
#define CHECK_TEXT(call, want)                                                                     \
	do {                                                                                       \
		char *text_ = (call);                                                              \
		CHECK_STR(text_, want);                                                            \
		free(text_);                                                                       \
	} while (0)
#define CHECK_TEXT_HAS(call, part)                                                                 \
	do {                                                                                       \
		char *text_ = (call);                                                              \
		CHECK_CONTAINS(text_, part);                                                       \
		free(text_);                                                                       \
	} while (0)
