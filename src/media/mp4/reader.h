/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the sample tables of an MP4 or QuickTime file: no libav, nothing opened, every count and
 * size bounded by what was read. The tables stay as they are in the file until a track is expanded.
 *
 * One thread per file; blocks on the reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "storyclip/common/macros.h"
#include "storyclip/error.h"

#define MP4_MAX_MOOV_BYTES (256 << 20)
#define MP4_MAX_TRACKS     256
#define MP4_MAX_EDITS      100000

/** Where the bytes come from: a file, or memory in a test. */
struct mp4_input {
	/** Read up to len bytes at offset; less only at the end. @return count or negative errno */
	ssize_t (*read)(void *context, void *data, size_t len, int64_t offset);
	void *context;
	int64_t size_bytes;
};

/** An input that reads a descriptor by pread(2); fd_storage must live as long as the input. */
struct mp4_input mp4_input_from_fd(const int *fd_storage, int64_t size_bytes);

/** A table's entries within the moov that was read; entry size and meaning as in the standard. */
struct mp4_table {
	const uint8_t *data;
	uint32_t n; /* entries that are really there */
};

struct mp4_edit {
	uint64_t duration;  /* movie's timescale */
	const uint8_t *duration_at; /* its last 32 bits, within moov */
	int64_t media_time; /* track's timescale; -1: nothing is presented meanwhile */
	bool is_normal_speed;
};

struct mp4_track {
	uint32_t id;
	uint32_t handler; /* fourcc: vide, soun … */
	uint32_t flags;   /* of tkhd */
	uint16_t alternate_group;
	int32_t matrix[9];      /* of tkhd and mvhd together */
	uint32_t width, height; /* 16.16 */
	uint32_t timescale;     /* 0: the track is broken */
	char language[4];       /* ISO 639-2, "" unknown */
	char *handler_name;     /* owned; NULL when there is none */
	char *name;             /* owned; of udta; NULL when there is none */
	bool is_forced;         /* subtitles for all viewers, by a box `kind` of udta */
	struct mp4_edit *edits; /* owned */
	size_t n_edits;
	bool is_external; /* its samples lie in another file */
	/* The first sample description: a box, with its size and type. */
	const uint8_t *entry;
	size_t entry_len;
	uint32_t n_entries;
	uint32_t codec; /* fourcc of that box; 0 without one */
	bool has_sync_table;
	bool has_roll;
	bool has_large_offsets;
	uint32_t uniform_size; /* of every sample; 0: see sizes */
	uint32_t n_samples;    /* as stsz claims; with sizes never more than are there */
	struct mp4_table stts, ctts, stss, stsc, sizes, offsets;
	unsigned int size_bits; /* of one entry of sizes: 4, 8, 16, 32 */
};

struct mp4_file {
	uint8_t *moov; /* owned; the tables point into it */
	size_t moov_len;
	int64_t moov_offset; /* of moov[0] in the file */
	uint32_t brand; /* of ftyp; 0 without one */
	uint32_t timescale;
	uint32_t creation_time;
	bool is_fragmented;       /* samples are described by moof boxes */
	bool is_compressed;       /* the index is packed (cmov) */
	bool is_reference;        /* names other movies to play in its place (rmra) */
	struct mp4_track *tracks; /* owned */
	size_t n_tracks;
};

struct mp4_sample {
	int64_t dts; /* track's timescale, before any edit */
	int64_t pts;
	int64_t offset;
	uint32_t size;
	uint32_t duration;
	uint32_t description; /* from 1 */
	bool is_sync;
};

/**
 * Find and read the index.
 *
 * Codes: UPLOAD_INCOMPLETE (size 0, or no whole moov), INVALID_MEDIA, LIMIT_EXCEEDED, IO_ERROR,
 * OUT_OF_MEMORY
 */
int mp4_file_read(const struct mp4_input *input, struct error *e, struct mp4_file **ret);
void mp4_file_free(struct mp4_file *file);
SC_DEFINE_AUTO(mp4_file, mp4_file_free)

/**
 * Second half of reading: tracks of the moov that file has. Adds to file->tracks, which has room for
 * MP4_MAX_TRACKS.
 * @param e  filled where an errno does not say it
 * @return 0, -ENOMEM, -EBADMSG (a box that contradicts itself), or e's
 */
int mp4_moov_parse(struct mp4_file *file, struct error *e);

/** How long a fragmented file says that its fragments are, microseconds; 0: it does not say. */
int64_t mp4_declared_us(const struct mp4_input *input, const struct mp4_file *file);

/** Whether the first bytes of a file (at least 12) look like this family. */
bool mp4_is_likely(const uint8_t *head, size_t len);

/**
 * All samples of a track in decode order. Samples that no chunk holds do not come. Places are as
 * the file says: the caller compares them with the file's size.
 *
 * @param max_samples  -E2BIG beyond
 * @param ret          freed by free()
 * @return 0, -E2BIG, -ENOMEM, -EBADMSG (tables that contradict each other)
 */
int mp4_track_expand(const struct mp4_track *track, size_t max_samples, struct mp4_sample **ret,
		     size_t *ret_n);
