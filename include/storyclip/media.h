/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From an opened video to clips. Used by the worker only; the one library that knows libav.
 * One thread. Everything returns 0 or a negative errno and fills *e with the job's code.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storyclip/error.h"
#include "storyclip/job.h"
#include "storyclip/request.h"

struct media_source;

/** More is refused (LIMIT_EXCEEDED): beyond what HEVC's and AV1's highest levels have. */
#define MEDIA_MAX_PIXELS (INT64_C(16384) * 16384)

/** More is refused (LIMIT_EXCEEDED): thirty days, a clock that was broken rather than a recording. */
#define MEDIA_MAX_DURATION_US (INT64_C(30) * 86400 * 1000000)

/** How media tells its caller what goes on. All may be called often; they must be cheap. */
struct media_listener {
	void *context;
	/** units of work done since the last call (bytes, packets or frames; always > 0) */
	void (*worked)(void *context, uint64_t units);
	/** part of the work before the first clip that is done, 0 to 1; never called where there is none
	 */
	void (*prepared)(void *context, double part);
	/** part of the current clip that is finished, 0 to 1 */
	void (*clip_progress)(void *context, double part);
	/** waited so long for the disk; may be NULL */
	void (*synced)(void *context, int64_t us);
	void (*log)(void *context, const char *line);
	void (*warning)(void *context, const char *line);
};

/**
 * Recognise the file and read its index. Never opens anything but fd.
 *
 * @param fd        the source, borrowed until media_close()
 * @param listener  borrowed until media_close()
 * Codes: UPLOAD_INCOMPLETE, INVALID_MEDIA, UNSUPPORTED_CODEC, LIMIT_EXCEEDED, IO_ERROR,
 * OUT_OF_MEMORY (CUTTING.md section 6).
 */
int media_open(int fd, const struct media_listener *listener, struct error *e,
	       struct media_source **ret);
void media_close(struct media_source *source);
SC_DEFINE_AUTO(media_source, media_close)

/** Presented duration of the whole (to the end of the picture, else of the sound), microseconds. */
int64_t media_duration_us(const struct media_source *source);
bool media_has_video(const struct media_source *source);
/** Pixels of a picture as its container says, 0 with sound only. Not more than MEDIA_MAX_PIXELS. */
int64_t media_pixels(const struct media_source *source);

/**
 * The planned clips: ranges of the presented timeline. A frame belongs to a range when
 * start_us <= its time < end_us, its time being rounded to the nearest microsecond.
 */
struct media_plan {
	struct clip_range *ranges; /* owned */
	size_t n_ranges;
};
void media_plan_finish(struct media_plan *plan);

/** Where the clips begin and end: by exactly one of the first three. */
struct media_split {
	int64_t clip_duration_us;        /* each as long, the last one shorter; 0: not so */
	unsigned int parts;              /* so many equal ones; 0: not so */
	const struct clip_range *ranges; /* borrowed; the caller's own */
	size_t n_ranges;
	unsigned int max_clips; /* the first ones only; 0: all */
};

/**
 * The ranges to cut. Those without a frame are dropped; in CUT_KEYFRAME all bounds are moved to the
 * last keyframe at or before them. Pure arithmetic; each range of the result becomes one clip.
 *
 * @param split  borrowed for the call
 * Codes: RANGE_BEYOND_END, NO_CLIPS, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
int media_plan(struct media_source *source, enum cut_mode mode, const struct media_split *split,
	       struct error *e, struct media_plan *ret);

/**
 * Make all clips of the plan in order: each written to dir_fd under its final name
 * (clip_filename()), checked (VERIFY_FAILED), then told by `made`; the data of all is on disk
 * (fsync) when it returns 0.
 *
 * @param encode     what CUT_ENCODE makes of the picture; borrowed for the call
 * @param is_strict  copied clips hold no bytes of the source but those of samples that they need
 * @param made       called after each checked clip; the artifact is borrowed for the call
 */
int media_cut(struct media_source *source, enum cut_mode mode,
	      const struct encode_options *encode, bool is_strict, const struct media_plan *plan,
	      int dir_fd, void (*made)(void *context, const struct artifact *artifact), void *made_context,
	      struct error *e);

/**
 * The SHA-256 of all of a file, as hexadecimal digits in lower case.
 * @param worked  told of each piece that was read
 * Codes: IO_ERROR, OUT_OF_MEMORY.
 */
int media_sha256(int fd, void (*worked)(void *context, uint64_t bytes), void *context,
		 struct error *e, char ret[SHA256_SIZE]);

/** The version of the FFmpeg whose libraries are loaded, for --version and health. Static; NULL
 *  as media_library_load() fails. */
const char *media_ffmpeg_version(struct error *e);

/**
 * Load libav: it lies in a module that the functions above load when they need it, which takes
 * some 30 ms and reads the libraries' files. For callers that give up the right to read files, or
 * like to choose the time. The module stays; later calls open no file.
 * Codes: INTERNAL (it is not installed, or belongs to another version)
 */
int media_library_load(struct error *e);
/**
 * Whether cutting this will load libav for certain, by the mode and the first bytes of the file.
 * false is no promise: the index of an MP4 may turn out to be one that only libav reads.
 */
bool media_wants_library(int fd, enum cut_mode mode);
