/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An opened source, as the parts of src/media see it. Private to src/media. One thread. */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "index/index.h"
#include "storyclip/media.h"

struct media_source {
	int fd; /* borrowed */
	int64_t size_bytes;
	const struct media_listener *listener; /* borrowed; never NULL, its functions may be */
	struct encode_options encode; /* of the job; what CUT_ENCODE makes of the picture */
	bool is_strict;               /* of the job; see media_cut() */
	struct media_index *index; /* owned; never NULL once media_open() has returned it */
};

/* The listener's functions, each optional. worked(0) is not passed on. */
void listener_worked(const struct media_listener *listener, uint64_t units);
void listener_synced(const struct media_listener *listener, int64_t us);
void listener_clip_progress(const struct media_listener *listener, double part);
void listener_prepared(const struct media_listener *listener, double part);
void listener_log(const struct media_listener *listener, const char *fmt, ...) SC_PRINTF(2, 3);
/* That a sound is encoded anew, and why. */
void listener_recoded(const struct media_listener *listener, const struct index_track *sound);
void listener_warning(const struct media_listener *listener, const char *fmt, ...) SC_PRINTF(2, 3);
