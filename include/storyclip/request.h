/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What somebody asks for: one request, as parsed and checked by the intake and as kept with the
 * job. Plain data; positions are microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storyclip/common/macros.h"

#define JOB_ID_MAX 64
#define JOB_ID_SIZE (JOB_ID_MAX + 1)
#define REQUEST_MAX_CLIPS 10000
#define REQUEST_DEFAULT_MAX_CLIPS 50
#define PRIORITY_MIN (-20)
#define PRIORITY_MAX 19
#define IDEMPOTENCY_KEY_MAX 255 /* bytes */
#define SHA256_SIZE 65          /* as hexadecimal digits, with the NUL */

enum cut_mode { CUT_EXACT, CUT_KEYFRAME, CUT_ENCODE, CUT_MODE_COUNT };

struct clip_range {
	int64_t start_us;
	int64_t end_us;
};

struct request {
	char *upload_id;         /* owned; as the caller wrote it */
	char *user_id;           /* owned; NULL when not given */
	char job_id[JOB_ID_SIZE]; /* "" until one was given or generated */
	enum cut_mode cut;
	int64_t clip_duration_us; /* even split; 0 when ranges are given */
	unsigned int max_clips;   /* 0: all (only with ranges) */
	struct clip_range *ranges; /* owned; NULL for an even split */
	size_t n_ranges;
	unsigned int max_attempts; /* 0: the mount's */
	int priority;              /* PRIORITY_MIN to PRIORITY_MAX, lower runs first */
	char *idempotency_key;     /* owned; NULL when not given */
	bool delete_upload;        /* remove the upload once the job is done */
	int64_t size;              /* bytes that the upload must have; 0: not given */
	char sha256[SHA256_SIZE];  /* of the upload, lower case; "" when not given */
};

/** Free what the request owns; it is all zero afterwards. */
void request_finish(struct request *request);
#define auto_request __attribute__((cleanup(request_finish)))

/** "exact", "keyframe", "encode". Static. */
const char *cut_mode_name(enum cut_mode mode);
/** @return 0, or -EINVAL for an unknown name */
int cut_mode_from_name(const char *name, enum cut_mode *ret);
