/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job's log: what happened to it, a line each, with UTC time stamps. A file of its own beside the
 * database; the children's standard error goes there too, through a pipe that their runner reads. Its
 * length is bounded. A log that cannot be written is no reason to fail a job, so nothing here returns
 * an error.
 */
#pragma once

#include "state.h"

/** Write a line; only into a log that exists (joblog_open() makes it). Any thread, no lock held. */
void joblog_write(struct engine *engine, const char *job_id, const char *fmt, ...) SC_PRINTF(3, 4);
/** Open for appending, created when missing. @return the descriptor or a negative errno */
int joblog_open(struct engine *engine, const char *job_id);
/** Write a line to an open log. */
void joblog_write_fd(struct engine *engine, int fd, const char *fmt, ...) SC_PRINTF(3, 4);
/** The same of what a child says: no more than 1 MiB, the last line of which says so. */
void joblog_write_said(struct engine *engine, int fd, const char *fmt, ...) SC_PRINTF(3, 4);
/**
 * The child's standard error as it comes, into the same 1 MiB; behind a cut the line that says so.
 * @param data  len bytes, nothing of which is looked at
 */
void joblog_pass(int fd, const char *data, size_t len);
void joblog_remove(struct engine *engine, const char *job_id);
/** The file's name: at least JOB_ID_SIZE + 4 bytes. */
void joblog_name(const char *job_id, char *out, size_t size);
