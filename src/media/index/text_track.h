/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subtitles that are text, as MP4 holds them: 3GPP TS 26.245 ("tx3g"). A sample is two bytes of
 * length, UTF-8 text, and boxes of style; a track's samples follow each other without a gap, so
 * where nothing is shown there is an empty one. No libav, no I/O. Private to src/media. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../mp4/writer.h"
#include "storyclip/common/buf.h"

/* Of one track; beyond it the track is left out. A film has some 2,000 cues, 100 KB. */
#define TEXT_MAX_CUES  100000
#define TEXT_MAX_BYTES (4 << 20)

/* Of a tx3g entry: flags, justification, background, box and style are always there. */
#define TEXT_BODY_MIN 30
#define TEXT_BODY_MAX (1 << 16)

/* Times of cues, microseconds: others (142 years) are a damaged file's. */
#define TEXT_MAX_US (1LL << 52)

#define TEXT_END_UNKNOWN INT64_MAX

struct text_cue {
	int64_t start, end; /* microseconds, as the index's times are */
	size_t at, len;     /* its sample, in bytes */
};

struct text_track {
	unsigned int number;   /* as index_track.number */
	struct text_cue *cues; /* owned; once complete, in order and none at the time of another */
	size_t n_cues, cap;
	struct buf bytes; /* samples */
	uint8_t *stsd;    /* owned; as mp4_out_track.stsd */
	size_t stsd_len;
	bool is_enabled;
	bool is_forced; /* for all viewers: what is said in another language, signs */
	bool is_too_large; /* cues were refused */
	bool is_gapless;   /* each cue ends with the next one, and empty ones are there */
	uint16_t alternate_group;
	int32_t matrix[9];
	uint32_t width, height; /* 16.16 */
	char language[4];
	char *handler_name; /* owned; may be NULL */
	char *name;         /* owned; may be NULL */
};

/** Add a cue: a whole sample. What has no text only ends the one before. @return 0, -ENOMEM */
int text_track_add(struct text_track *t, int64_t start, int64_t end, const uint8_t *sample,
		   size_t len);
/** The same from UTF-8 without style; cut at 65,535 bytes. */
int text_track_add_plain(struct text_track *t, int64_t start, int64_t end, const char *text,
			 size_t len);
/**
 * All cues are there: move them by -zero, put them in order, and make one of those that are shown
 * at the same time, line under line (without their style). @return 0, -ENOMEM
 */
int text_track_complete(struct text_track *t, int64_t zero);
void text_track_finish(struct text_track *t);

/**
 * The content of stsd.
 * @param body  of a tx3g entry behind its data reference; NULL: white at the foot of the picture
 */
int text_build_entry(const uint8_t *body, size_t len, struct buf *ret);

/**
 * What a clip shows of a track: from its start to its end without a gap. A cue that has begun
 * before begins with the clip, one that goes on is cut off.
 * @param start,end    of the clip, microseconds
 * @param bytes        the samples are put behind what it holds
 * @param base         added to the samples' places in bytes
 * @param ret_samples  owned by the caller; out borrows them, and the rest from t
 * @return 0, -ENOMEM, -ERANGE (longer than a year)
 */
int text_track_cut(const struct text_track *t, int64_t start, int64_t end, int64_t base,
		   struct buf *bytes, struct mp4_out_track *out,
		   struct mp4_out_sample **ret_samples);

/* The plain text of a cue as other containers store it. */
void text_from_subrip(const char *text, size_t len, struct buf *ret);
void text_from_webvtt(const char *text, size_t len, struct buf *ret);
/** An event as Matroska stores it: nine fields, the last of which is the text. */
void text_from_ass(const char *event, size_t len, struct buf *ret);
