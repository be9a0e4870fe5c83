/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The border inside this folder: what needs libav lies in a module of its own, loaded when it is
 * needed. Copying out of an MP4 never needs it, and loading libav with its hundred libraries takes
 * twice as long as cutting the clip. Private to src/media. One thread.
 *
 * The module has its own copies of what it shares with the rest (there are no globals whose copies
 * could differ), so that none of the program's names gets between libav and its libraries.
 */
#pragma once

#include <stddef.h>

#include "../copy/copy.h"
#include "../cut/cut.h"

struct recoder;

/** What the module offers, and all that is ever called of it. */
struct media_library {
	/* Whom it was built with: another one's structs may differ. */
	const char *version;
	size_t size; /* of this struct */
	int (*index_from_packets)(int fd, bool is_length_checked,
				  const struct media_listener *listener, struct error *e,
				  struct media_index **ret);
	int (*copy_clips_by_packets)(struct media_source *source,
				     const struct copy_selection *selection,
				     struct recoder *recoder, const struct copy_cut *cuts,
				     size_t n_cuts, char *dropped, struct clip_set *set,
				     struct error *e);
	int (*recoder_open)(struct media_source *source, const struct copy_selection *selection,
			       int dir_fd, char **dropped, struct error *e,
			       struct recoder **ret);
	int (*recoder_add)(struct recoder *recoder, const struct copy_cut *cut,
			      unsigned int number, struct copy_clip *clip, struct error *e);
	void (*recoder_close)(struct recoder *recoder);
	int (*prove_cuts)(struct media_source *source, const struct copy_selection *selection,
			  struct copy_cut *cuts, size_t n_cuts, int dir_fd, struct error *e);
	/* The modes that decode; NULL: it is none of them. */
	cut_mode_function cut[CUT_MODE_COUNT];
	int (*sha256)(int fd, void (*worked)(void *context, uint64_t bytes), void *context,
		      struct error *e, char ret[SHA256_SIZE]);
	const char *(*ffmpeg_version)(void);
};

/* The table's name in the module. */
#define MEDIA_LIBRARY_TABLE media_library_table
extern const struct media_library MEDIA_LIBRARY_TABLE;

/**
 * The module, loaded by the first call. Two implementations: library_loaded.c finds it beside the
 * program, library_linked.c is the
 * module's own, and that of tests which are linked with libav themselves.
 * Codes: INTERNAL (it is not there, or not the one of this program)
 */
int media_library_get(struct error *e, const struct media_library **ret);
