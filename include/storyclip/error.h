/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What went wrong, for a person: an errno, a stable code, a sentence.
 *
 * One table in the code pairs codes with errnos (src/model/error.c); the man page and the tests
 * are compared with it. An int result says that something failed; a struct error says what.
 */
#pragma once

#include <stdbool.h>

#include "storyclip/common/macros.h"

#define ERROR_MESSAGE_SIZE 512

enum sc_code {
	SC_OK = 0,
	/* refusals of a request or a command */
	SC_INVALID_REQUEST,
	SC_UPLOAD_NOT_FOUND,
	SC_UPLOAD_AMBIGUOUS,
	SC_UPLOAD_FORBIDDEN,
	SC_JOB_EXISTS,
	SC_KEY_REUSED,
	SC_REQUEST_TOO_LARGE,
	SC_QUEUE_FULL,
	SC_TOO_MANY_JOBS,
	SC_STOPPING,
	SC_FORBIDDEN,
	SC_JOB_NOT_FOUND,
	SC_JOB_ENDED,  /* cancel of an ended job: EALREADY */
	SC_JOB_ACTIVE, /* removal of a job that has not ended: EBUSY */
	/* ends of a job */
	SC_UPLOAD_BUSY,
	SC_UPLOAD_INCOMPLETE,
	SC_UPLOAD_CHANGED,
	SC_UPLOAD_MISMATCH,
	SC_INVALID_MEDIA,
	SC_UNSUPPORTED_CODEC,
	SC_NO_VIDEO,
	SC_NO_CLIPS,
	SC_RANGE_BEYOND_END,
	SC_LIMIT_EXCEEDED,
	SC_WORKER_CRASHED,
	SC_OUT_OF_MEMORY,
	SC_VERIFY_FAILED,
	SC_STALLED,
	SC_MANUAL,
	/* both */
	SC_NO_SPACE,
	SC_IO_ERROR,
	SC_INTERNAL,
	SC_CODE_COUNT,
};

struct error {
	int err; /* negative errno, 0 while nothing is wrong */
	enum sc_code code;
	char message[ERROR_MESSAGE_SIZE]; /* one line, names the thing, its value, what would do */
};

/** The code's stable name, "UPLOAD_NOT_FOUND". Static. */
const char *sc_code_name(enum sc_code code);
/** The code of a name, or SC_INTERNAL for a name that is unknown. */
enum sc_code sc_code_from_name(const char *name);
/** The errno (positive) that a refusal with this code gives to write(2); EIO where none is fixed. */
int sc_code_errno(enum sc_code code);
/** Whether a job that failed with it is tried again. */
bool sc_code_is_transient(enum sc_code code);

/**
 * Fill *e (may be NULL) and hand its negative errno back:
 *     return error_set(e, SC_UPLOAD_NOT_FOUND, "upload '%s' not found in incoming/", id);
 */
int error_set(struct error *e, enum sc_code code, const char *fmt, ...) SC_PRINTF(3, 4);
/** The same with another errno than the table's (err negative). */
int error_set_errno(struct error *e, int err, enum sc_code code, const char *fmt, ...)
	SC_PRINTF(4, 5);
/** Of a failed system call: ENOSPC/EDQUOT → NO_SPACE, ENOMEM → OUT_OF_MEMORY, else IO_ERROR; the
 *  message gets ": <strerror>" behind it. err is negative and handed back. */
int error_from_errno(struct error *e, int err, const char *fmt, ...) SC_PRINTF(3, 4);
