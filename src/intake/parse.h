/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request's text and its struct, both ways. Pure: no locks, no I/O; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "storyclip/common/buf.h"
#include "storyclip/error.h"
#include "storyclip/request.h"

#define REQUEST_TEXT_MAX        65536   /* bytes of one request */
#define REQUEST_STRING_MAX      4096    /* bytes of one string in it */
#define REQUEST_DEPTH_MAX       8       /* nested objects and arrays */
#define REQUEST_DEFAULT_CLIP_US 5000000 /* an even split that names no clipDuration */

/**
 * Parse and check one request: a JSON object, or one line of key=value pairs. Defaults are filled
 * in.
 * @param ret  filled on success only; the caller finishes it
 * @return 0, or the negative errno of *e: INVALID_REQUEST, REQUEST_TOO_LARGE; -ENOMEM
 */
int request_parse(const char *text, struct error *e, struct request *ret);

/**
 * The same of a sidecar's text: it may be empty, pairs may stand on several lines, and the upload is
 * not named in it but given. Same returns.
 */
int request_parse_beside(const char *text, const char *upload_id, struct error *e,
			 struct request *ret);

/**
 * Add the request as it was accepted, defaults included: one JSON object without newline, which
 * request_parse() reads again to the same request.
 */
void request_to_json(const struct request *request, struct buf *out);

/**
 * A decimal number of seconds ("5", "0.033", "1e-3") as microseconds, rounded half up.
 * @return 0, -EINVAL (not a number, or nothing but one), -ERANGE (over 10^12 s either way)
 */
int seconds_to_us(const char *text, int64_t *ret);

/** Add a JSON string with its quotes; bytes that are not UTF-8 become %XX. */
void json_string_add(struct buf *out, const char *s);

/** Bytes of a text as json_string_add() writes it, without quotes and escapes: limits count these, so
 * that what was accepted once is accepted when it is read again. */
size_t text_length(const char *s);

/** Copy at most size - 1 bytes for a message, an overlong text ending in "...". @return out */
const char *text_shorten(const char *s, char *out, size_t size);
