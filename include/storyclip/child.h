/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine's child processes (worker, publisher) have in common: how they start, how they
 * read their order, and how they report work without flooding the pipe. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storyclip/common/macros.h"
#include "storyclip/error.h"
#include "storyclip/proto.h"

/** At most one report of progress in so many milliseconds; also the longest silence of work done. */
#define CHILD_REPORT_MS 100

/** The reports of one child. Plain data; start it with CHILD_REPORTER. */
struct child_reporter {
	uint64_t work;          /* units handled so far */
	int progress;           /* the highest that was reached, -1: not yet any */
	const char *message;    /* of the phase; static, may be NULL */
	int64_t reported_at_ms; /* monotonic, of the last report of progress */
	uint64_t reported_work;
	int reported_progress;
	int64_t synced_us; /* what was waited for the disk, for the last report */
	int64_t copied_bytes; /* the same: what went to another volume by copying */
};

#define CHILD_REPORTER                                                                             \
	(struct child_reporter)                                                                    \
	{                                                                                          \
		.progress = -1, .reported_progress = -1                                            \
	}

/**
 * First call of a child: it dies with its parent (also when that has died already), leaves no core
 * file, makes files 0644 and directories 0755, takes no signal blocked or ignored from its parent,
 * and sees a closed pipe as an error instead of a signal.
 * @return 0, -EPIPE (nobody reads the reports), another negative errno
 */
int child_start(void);

/** Read standard input to its end. @return 0, -EFBIG, -ENOMEM, -errno; *ret is freed by free() */
int child_read_order(char **ret, size_t *ret_len);

/* Each of the following ends the process when nobody reads its reports any more: nothing that the
 * child could still do would be wanted. */

/** Say that a step begins. */
void child_phase(struct child_reporter *reporter, int progress, const char *message);
/** Count work; now and then say so. Cheap enough for every packet. progress: -1 or 0 to 100 */
void child_worked(struct child_reporter *reporter, uint64_t units, int progress);
/** Say what was counted but not yet told. */
void child_flush(struct child_reporter *reporter);
/** A report without numbers: REPORT_LOG, REPORT_WARNING. */
void child_say(enum report_kind kind, const char *fmt, ...) SC_PRINTF(2, 3);
/** Send any report. */
void child_report(const struct report *report);
/**
 * The last report: REPORT_DONE with r 0, else REPORT_FAILED with *e.
 * @return the process' exit status: 0, since a reported failure is no crash
 */
int child_end(struct child_reporter *reporter, int r, const struct error *e);
