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

enum cut_mode { CUT_EXACT, CUT_SMART, CUT_KEYFRAME, CUT_ENCODE, CUT_MODE_COUNT };

enum picture_fit { FIT_CROP, FIT_PAD, FIT_COUNT };

/* x264's own names, from fast to thorough. */
enum encode_preset {
	PRESET_ULTRAFAST,
	PRESET_SUPERFAST,
	PRESET_VERYFAST,
	PRESET_FASTER,
	PRESET_FAST,
	PRESET_MEDIUM,
	PRESET_SLOW,
	PRESET_SLOWER,
	PRESET_VERYSLOW,
	PRESET_PLACEBO,
	PRESET_COUNT
};

#define PICTURE_SIZE_MIN 16
#define PICTURE_SIZE_MAX 8192
#define PICTURE_ASPECT_MAX 100 /* each term */
#define ENCODE_QUALITY_MAX 51
#define ENCODE_QUALITY_DEFAULT 20
#define ENCODE_PRESET_DEFAULT PRESET_VERYFAST

/** What `encode` makes of the picture. Sizes and aspect are those that a player shows. */
struct encode_options {
	unsigned int aspect_width, aspect_height; /* 0: the source's, or that of width and height */
	unsigned int width, height;               /* even; 0: the source's, or by the other one */
	enum picture_fit fit;
	unsigned int quality; /* x264's CRF, 0 to 51, lower is better */
	enum encode_preset preset;
};
#define ENCODE_OPTIONS_DEFAULT                                                                     \
	(struct encode_options)                                                                    \
	{                                                                                          \
		.quality = ENCODE_QUALITY_DEFAULT, .preset = ENCODE_PRESET_DEFAULT                 \
	}

struct clip_range {
	int64_t start_us;
	int64_t end_us;
};

struct request {
	char *upload_id;         /* owned; as the caller wrote it */
	char *user_id;           /* owned; NULL when not given */
	char job_id[JOB_ID_SIZE]; /* "" until one was given or generated */
	enum cut_mode cut;
	int64_t clip_duration_us; /* even split; 0 with parts or ranges */
	unsigned int parts;       /* so many equal ones; 0: not by parts */
	unsigned int max_clips;   /* 0: all (only with parts or ranges) */
	struct clip_range *ranges; /* owned; NULL for an even split */
	size_t n_ranges;
	unsigned int max_attempts; /* 0: the mount's */
	int priority;              /* PRIORITY_MIN to PRIORITY_MAX, lower runs first */
	char *idempotency_key;     /* owned; NULL when not given */
	bool delete_upload;        /* remove the upload once the job is done */
	int64_t size;              /* bytes that the upload must have; 0: not given */
	char sha256[SHA256_SIZE];  /* of the upload, lower case; "" when not given */
	bool has_strict;              /* strict was given; else the mount's setting counts */
	bool strict;                  /* copy no bytes but those that a clip needs */
	struct encode_options encode; /* defaults unless cut is CUT_ENCODE */
};

/** Free what the request owns; it is all zero afterwards. */
void request_finish(struct request *request);
#define auto_request __attribute__((cleanup(request_finish)))

/** "exact", "smart", "keyframe", "encode". Static. */
const char *cut_mode_name(enum cut_mode mode);
/** @return 0, or -EINVAL for an unknown name */
int cut_mode_from_name(const char *name, enum cut_mode *ret);

/** "crop", "pad". Static. */
const char *picture_fit_name(enum picture_fit fit);
int picture_fit_from_name(const char *name, enum picture_fit *ret);
/** x264's name of a preset. Static. */
const char *encode_preset_name(enum encode_preset preset);
int encode_preset_from_name(const char *name, enum encode_preset *ret);

/**
 * The size that the options ask for, the one that is missing from width and height computed by the
 * aspect, to the nearest even number (not bounded here).
 * @return false when they leave it to the source
 */
bool encode_options_size(const struct encode_options *options, unsigned int *ret_width,
			 unsigned int *ret_height);
/** Whether the picture keeps the source's size and shape. */
bool encode_options_keep_size(const struct encode_options *options);
