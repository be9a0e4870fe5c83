/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child while it runs: what runner.c does with it, and runner_reports.c hears of it. */
#pragma once

#include "runner.h"

#define RUNNER_SAVE_EVERY_MS 500 /* progress in the database */
#define RUNNER_READ_BYTES    16384
#define RUNNER_PIPE_BYTES    65536 /* so much may be left of a child that has ended */
#define RUNNER_EXIT_GRACE_MS 5000  /* from the last report to the exit */

struct runner {
	struct engine *engine;
	struct slot *slot;
	struct job *job;
	unsigned int attempt;
	const struct runner_plan *plan;
	char id[JOB_ID_SIZE];

	pid_t pid;
	int pidfd, report_fd;
	int said_fd; /* what the child writes to its standard error; -1 behind its end */
	struct buf lines;
	int64_t saved_at_ms;
	bool is_unsaved; /* the database is behind what is shown */

	bool has_reported;
	bool is_done;          /* REPORT_DONE was read */
	bool is_ended_outside; /* somebody wants it to end */
	bool is_killed;
	struct error failed; /* REPORT_FAILED, or reports without sense */
	int64_t kill_at_ms;  /* 0: not planned */
	int64_t stuck_at_ms;
};

/** Some of its reports: so that one which never stops talking keeps nobody here. @return false at
 * the end of the pipe */
bool runner_read_reports(struct runner *r);
/**
 * Some of what it says, for its log. It is read on when the log is full, so that the child does not
 * stand still for it. @return whether there may be more at once
 */
bool runner_read_said(struct runner *r);
/** What it said before it died. Somebody whom it has started may go on talking: so not for ever. */
void runner_read_last_said(struct runner *r);
/**
 * Now and then the row follows what is shown, and always when the child falls silent, so that a
 * person's SELECT is at most half a second behind. Best effort: memory is what readers see.
 */
void runner_save_progress(struct runner *r);
