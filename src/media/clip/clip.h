/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A clip on its way to the disk: written under a temporary name, read again and checked, renamed,
 * told, and synced with all others at the end. Private to src/media. One thread.
 */
#pragma once

#include "../mp4/writer.h"
#include "../source.h"

typedef void (*clip_made)(void *context, const struct artifact *artifact);

/* The clips of one job on their way to the disk. Descriptors stay open, until they are synced, so
 * that no late write error goes unseen; that is done for many at once, since the disk then writes
 * its journal once for them. Half of what a worker may have open (sandbox/limits.c), which has other
 * files too. */
#define CLIP_SET_OPEN_MAX 128
struct clip_set {
	const struct media_source *source;
	int dir_fd; /* borrowed */
	clip_made made;
	void *made_context;
	int open_fds[CLIP_SET_OPEN_MAX]; /* finished, not synced yet */
	size_t n_open;
};

void clip_set_init(struct clip_set *set, const struct media_source *source, int dir_fd,
		   clip_made made, void *made_context);
/** fsync all clips and the directory. Call it once all are finished; then *_finish. */
int clip_set_sync(struct clip_set *set, struct error *e);
void clip_set_finish(struct clip_set *set);

/** One clip being written. Start it zeroed by CLIP_FILE_NONE. */
struct clip_file {
	int fd;
	char tmp_name[40];
	struct mp4_header header;
};
#define CLIP_FILE_NONE     \
	(struct clip_file) \
	{                  \
		.fd = -1   \
	}

/** Create the temporary file and write the header; the payload goes to clip->header.payload_pos. */
int clip_file_begin(struct clip_set *set, const struct mp4_movie *movie, unsigned int number,
		    struct clip_file *clip, struct error *e);
/**
 * Check the clip against what it must be (VERIFY_FAILED), give it its final name, tell of it.
 * @param artifact  all but filename and size_bytes filled by the caller; those are set here
 */
int clip_file_finish(struct clip_set *set, const struct mp4_movie *movie, struct clip_file *clip,
		     struct artifact *artifact, struct error *e);
/** Remove what was begun and not finished. Accepts CLIP_FILE_NONE and finished ones. */
void clip_file_discard(struct clip_set *set, struct clip_file *clip);

/** begin, copy the movie's ranges from payload_fd, finish; nothing is left over on failure. */
int clip_set_add(struct clip_set *set, const struct mp4_movie *movie, int payload_fd,
		 struct artifact *artifact, struct error *e);

/** Read the clip in fd again with the reader: sample counts and sizes, places inside the file,
 *  presented times, a first sync sample. Codes: VERIFY_FAILED, IO_ERROR, OUT_OF_MEMORY */
int check_clip(int fd, const struct mp4_movie *movie, const char *name, struct error *e);
