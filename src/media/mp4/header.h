/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two halves of the writer share: writer.c and tables.c. */
#pragma once

#include "writer.h"

/* What is the same for all tracks while a header is made. */
struct mp4_header_state {
	const struct mp4_movie *movie;
	int64_t payload_pos;
	int64_t *range_starts; /* each range's place behind payload_pos */
	bool has_large_offsets;
	int err; /* the first mistake in what the caller gave */
};

/** Note a mistake in what the caller gave; the first one counts. */
static inline void mp4_state_fail(struct mp4_header_state *state, int err)
{
	if (!state->err)
		state->err = err;
}

/**
 * The content of stbl behind stsd: how long each sample lasts, when it is shown (`shift` later than
 * it says), which are keyframes, how large they are and where they lie.
 */
void mp4_put_tables(struct mp4_header_state *state, struct buf *b, const struct mp4_out_track *t,
		    int64_t shift);
