/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of codes. Any thread. */
#include "storyclip/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int err;
	bool is_transient;
} codes[SC_CODE_COUNT] = {
	[SC_OK] = {"OK", 0, false},
	[SC_INVALID_REQUEST] = {"INVALID_REQUEST", EINVAL, false},
	[SC_UPLOAD_NOT_FOUND] = {"UPLOAD_NOT_FOUND", ENOENT, false},
	[SC_UPLOAD_AMBIGUOUS] = {"UPLOAD_AMBIGUOUS", ENOTUNIQ, false},
	[SC_UPLOAD_FORBIDDEN] = {"UPLOAD_FORBIDDEN", EACCES, false},
	[SC_JOB_EXISTS] = {"JOB_EXISTS", EEXIST, false},
	[SC_KEY_REUSED] = {"KEY_REUSED", EEXIST, false},
	[SC_REQUEST_TOO_LARGE] = {"REQUEST_TOO_LARGE", EFBIG, false},
	[SC_QUEUE_FULL] = {"QUEUE_FULL", EBUSY, false},
	[SC_TOO_MANY_JOBS] = {"TOO_MANY_JOBS", EDQUOT, false},
	[SC_STOPPING] = {"STOPPING", ESHUTDOWN, false},
	[SC_FORBIDDEN] = {"FORBIDDEN", EACCES, false},
	[SC_JOB_NOT_FOUND] = {"JOB_NOT_FOUND", ENOENT, false},
	[SC_JOB_ENDED] = {"JOB_ENDED", EALREADY, false},
	[SC_JOB_ACTIVE] = {"JOB_ACTIVE", EBUSY, false},
	[SC_UPLOAD_BUSY] = {"UPLOAD_BUSY", EIO, false},
	[SC_UPLOAD_INCOMPLETE] = {"UPLOAD_INCOMPLETE", EIO, false},
	[SC_UPLOAD_CHANGED] = {"UPLOAD_CHANGED", EIO, false},
	[SC_UPLOAD_MISMATCH] = {"UPLOAD_MISMATCH", EIO, false},
	[SC_INVALID_MEDIA] = {"INVALID_MEDIA", EIO, false},
	[SC_UNSUPPORTED_CODEC] = {"UNSUPPORTED_CODEC", EIO, false},
	[SC_NO_VIDEO] = {"NO_VIDEO", EIO, false},
	[SC_NO_CLIPS] = {"NO_CLIPS", EIO, false},
	[SC_RANGE_BEYOND_END] = {"RANGE_BEYOND_END", EIO, false},
	[SC_LIMIT_EXCEEDED] = {"LIMIT_EXCEEDED", EIO, false},
	[SC_WORKER_CRASHED] = {"WORKER_CRASHED", EIO, true},
	[SC_OUT_OF_MEMORY] = {"OUT_OF_MEMORY", ENOMEM, true},
	[SC_VERIFY_FAILED] = {"VERIFY_FAILED", EIO, false},
	[SC_STALLED] = {"STALLED", EIO, false},
	[SC_MANUAL] = {"MANUAL", EIO, false},
	[SC_NO_SPACE] = {"NO_SPACE", ENOSPC, true},
	[SC_IO_ERROR] = {"IO_ERROR", EIO, true},
	[SC_INTERNAL] = {"INTERNAL", EIO, true},
};

const char *sc_code_name(enum sc_code code)
{
	return (unsigned int)code < SC_CODE_COUNT ? codes[code].name : "INTERNAL";
}

enum sc_code sc_code_from_name(const char *name)
{
	for (size_t i = 0; i < SC_CODE_COUNT; i++)
		if (!strcmp(codes[i].name, name))
			return (enum sc_code)i;
	return SC_INTERNAL;
}

int sc_code_errno(enum sc_code code)
{
	return (unsigned int)code < SC_CODE_COUNT ? codes[code].err : EIO;
}

bool sc_code_is_transient(enum sc_code code)
{
	return (unsigned int)code < SC_CODE_COUNT && codes[code].is_transient;
}

SC_PRINTF(4, 0)
static int error_fill(struct error *e, int err, enum sc_code code, const char *fmt, va_list args)
{
	if (!e)
		return err;
	e->err = err;
	e->code = code;
	vsnprintf(e->message, sizeof(e->message), fmt, args);
	return err;
}

int error_set(struct error *e, enum sc_code code, const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = error_fill(e, -sc_code_errno(code), code, fmt, args);
	va_end(args);
	return r;
}

int error_set_errno(struct error *e, int err, enum sc_code code, const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = error_fill(e, err, code, fmt, args);
	va_end(args);
	return r;
}

int error_from_errno(struct error *e, int err, const char *fmt, ...)
{
	enum sc_code code = SC_IO_ERROR;
	va_list args;
	size_t len;

	if (err == -ENOSPC || err == -EDQUOT)
		code = SC_NO_SPACE;
	else if (err == -ENOMEM)
		code = SC_OUT_OF_MEMORY;
	va_start(args, fmt);
	error_fill(e, err, code, fmt, args);
	va_end(args);
	if (e) {
		len = strlen(e->message);
		snprintf(e->message + len, sizeof(e->message) - len, ": %s",
			 strerrordesc_np(-err) ? strerrordesc_np(-err) : "unknown error");
	}
	return err;
}
