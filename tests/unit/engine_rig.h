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
 *     child                 (start a process that sleeps for ever, in the same group; its pid to "child")
 *     in N LINE             (only in attempt N)
 * Without a final fail or exit it ends with "done".
 */
#pragma once

#include <stdint.h>
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

/** Call first in main: becomes worker or publisher when started as such. */
void rig_main(int argc, char **argv);

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
/** Whether a process is there (a zombie is not). */
bool rig_is_alive(pid_t pid);
