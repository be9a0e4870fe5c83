/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Proof by decoding: whether a clip of H.264 that begins at a keyframe which is no IDR shows the
 * source's frames. Pictures that look like keyframes often are none: what follows refers to what
 * came before. Private to src/media. One thread.
 */
#pragma once

#include "../copy/copy.h"

/** Whether some of these cuts begin so; if none does, nothing need be decoded. Without libav. */
bool prove_is_needed(const struct media_index *index, const struct copy_selection *selection,
		     const struct copy_cut *cuts, size_t n_cuts);

/**
 * Decode the beginning of each such clip, hidden frames and all, and compare its first shown frames
 * with those that decoding from further back gives. Where they differ, the cut is changed: it begins
 * at an earlier keyframe, for which the same is proven; or, if there is none that would not hide
 * seconds, its frames up to the next IDR are encoded anew. (With has_head nothing may be hidden:
 * then it is always that.) A warning says so, and a line of the job's log for each clip.
 *
 * @param dir_fd  where a nameless file may be, for sources whose bytes have no place
 * Codes: IO_ERROR, OUT_OF_MEMORY, UPLOAD_CHANGED, INTERNAL
 */
int prove_cuts(struct media_source *source, const struct copy_selection *selection,
	       struct copy_cut *cuts, size_t n_cuts, int dir_fd, struct error *e);
