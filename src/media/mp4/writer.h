/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing an MP4 whose sample sizes are all known: ftyp, moov, free, mdat, in this order, so that
 * a player can start with the first bytes. Knows nothing of sources, plans and libav.
 *
 * How to use it: fill a struct mp4_movie (tracks with their samples, and the ranges of bytes that
 * will follow), mp4_write_header() to the empty file, then put the ranges' bytes at
 * header.payload_pos, one after the other: mp4_write_payload() copies them from a descriptor.
 *
 *     struct mp4_range spool = {0, spool_bytes};           samples carry their place in the spool
 *     struct mp4_movie movie = {.timescale = 90000, .tracks = tracks, .n_tracks = 2,
 *                               .ranges = &spool, .n_ranges = 1};
 *
 * One thread; blocks on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storyclip/common/buf.h"

/* What block-sharing file systems need: a byte keeps its place modulo this. */
#define MP4_BLOCK 4096

/* Flags of tkhd: a player begins with the enabled ones of several tracks. */
#define MP4_TRACK_ENABLED  3u
#define MP4_TRACK_DISABLED 2u

/** One sample, in decode order within its track. Times in the track's timescale, any origin. */
struct mp4_out_sample {
	int64_t dts;    /* rises from sample to sample */
	int64_t pts;    /* may lie before dts: the writer moves all and mends it in the edit list */
	int64_t offset; /* where the ranges' source (or spool) has its bytes */
	uint32_t size;
	bool is_sync;
};

/** What is presented in one go: pts of [start, end). */
struct mp4_out_edit {
	int64_t start;
	int64_t end;
};

struct mp4_out_track {
	bool is_video; /* else sound, or */
	bool is_text;  /* subtitles, "tx3g" */
	uint32_t timescale;
	/* The content of stsd after its version and flags: entry count and entries. Borrowed. */
	const uint8_t *stsd;
	size_t stsd_len;
	const struct mp4_out_sample *samples; /* borrowed; n_samples > 0 */
	size_t n_samples;
	int64_t end_dts; /* dts of the last sample plus its duration */
	/* What is presented: pts of [shown_start, shown_end); all else is hidden by the edit list.
	 */
	int64_t shown_start;
	int64_t shown_end;
	/* Borrowed; several parts, presented one behind the other, first shown_start, last shown_end;
	 * what lies between them is hidden too. None: all from shown_start to shown_end. */
	const struct mp4_out_edit *edits;
	size_t n_edits;
	int64_t delay;        /* presentation begins so late, in the movie's timescale; >= 0 */
	unsigned int preroll; /* sound whose packet n needs so many before it first (AAC: 1): marked
			       * by sgpd "roll"; 0: none */
	uint16_t alternate_group;
	uint32_t flags;           /* of tkhd; 0 means MP4_TRACK_ENABLED */
	int32_t matrix[9];        /* of tkhd; all 0 means upright */
	uint32_t width, height;   /* of tkhd, 16.16 */
	char language[4];         /* ISO 639-2, "" means "und" */
	const char *handler_name; /* borrowed; NULL: a fitting one */
	bool is_forced;           /* subtitles for all viewers: udta/kind */
	const char *name;         /* borrowed; what people call it: udta/name; NULL: no box */
};

/** Bytes of the source, laid into mdat one range behind the other. */
struct mp4_range {
	int64_t offset;
	int64_t length;
};

struct mp4_movie {
	uint32_t timescale;     /* choose the picture's own: edit lists are then exact */
	bool is_audio;          /* brand M4A */
	uint32_t creation_time; /* seconds since 1904, 0 unknown */
	const struct mp4_out_track *tracks; /* borrowed */
	size_t n_tracks;
	const struct mp4_range *ranges; /* borrowed; every sample lies in one of them */
	size_t n_ranges;
	/* Ranges from this offset on are of a second file, and begin there at 0; 0: there are none.
	 */
	int64_t spool_base;
	int spool_fd;        /* borrowed */
	bool is_spool_first; /* its ranges come before the source's, and are whole blocks */
};

static inline bool mp4_range_is_spooled(const struct mp4_movie *movie,
					const struct mp4_range *range)
{
	return movie->spool_base && range->offset >= movie->spool_base;
}

/** How long a track is presented, in its ticks, without its delay. */
static inline int64_t mp4_shown_ticks(const struct mp4_out_track *t)
{
	int64_t ticks = t->shown_end - t->shown_start;

	for (size_t i = 1; i < t->n_edits; i++)
		ticks -= t->edits[i].start - t->edits[i - 1].end;
	return ticks;
}

struct mp4_header {
	int64_t payload_pos; /* a multiple of MP4_BLOCK: where the first range goes */
	int64_t file_bytes;  /* header and payload */
};

/**
 * Make the bytes of ftyp, moov, free and mdat's header; out has payload_pos bytes then.
 * @return 0, -ENOMEM, -EINVAL (a sample outside the ranges, times that fall),
 * -ERANGE (a time too large for the format)
 */
int mp4_build_header(const struct mp4_movie *movie, struct buf *out, struct mp4_header *ret);

/** The same, written to the start of fd. @return 0 or a negative errno */
int mp4_write_header(const struct mp4_movie *movie, int fd, struct mp4_header *ret);

/**
 * Place the movie's ranges of source_fd behind the header: blocks are shared (FICLONERANGE) on file
 * systems that can, else copied by copy_file_range(2), else by reading and writing.
 *
 * @param worked      called with the bytes handled since the last call; may be NULL
 * @param ret_shared  bytes that were not written, but share the source's blocks; set on errors too
 * @return 0, -ENODATA (the source ends within a range), or a negative errno
 */
int mp4_write_payload(const struct mp4_movie *movie, const struct mp4_header *header, int source_fd,
		      int fd, void (*worked)(void *context, uint64_t bytes), void *context,
		      int64_t *ret_shared);
/** Where the source's (or the spool's) first range goes; the others of its kind follow. */
int64_t mp4_payload_place(const struct mp4_movie *movie, const struct mp4_header *header,
			  bool of_spool);
/** Only what lies in the second file: for a payload that is else written piece by piece. */
int mp4_write_spooled(const struct mp4_movie *movie, const struct mp4_header *header, int fd,
		      void (*worked)(void *context, uint64_t bytes), void *context);
