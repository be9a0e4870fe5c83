/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Damage inside of a source whose samples are copied without being decoded: what can be seen from
 * a few bytes of each. Private to src/media. One thread.
 *
 * Found: samples of H.264 and HEVC whose NAL units do not fill them exactly (zeroed, overwritten
 * or shifted beginnings), samples of other compressed codecs that begin with zeros or lie in a hole
 * of the file, packets that a transport stream calls corrupt, and whatever libavformat says that it
 * has skipped. Not found: altered bytes within a unit; only a decoder sees them.
 */
#pragma once

#include "copy.h"

struct damage_look;
int damage_look_open(const struct media_source *source, struct error *e, struct damage_look **ret);
/**
 * Look at the samples of a clip that was just copied by place, and set is_damaged of those that are:
 * all of the picture, those of the sound where the picture is damaged or missing. Only what is in
 * memory is read, as copying has put it there. On file systems that share blocks copying reads
 * nothing, and a few bytes of each frame would take longer than all the rest: there it is holes
 * and keyframes that are seen.
 */
void damage_look_at(struct damage_look *look, const struct media_source *source,
		    const struct copy_selection *selection, const struct copy_clip *clip);

/**
 * Say of each clip that damage touches, where it does: a damaged picture spoils those up to the
 * next keyframe.
 * Codes: INVALID_MEDIA where no picture of a clip is left.
 */
int damage_tell(const struct media_source *source, const struct copy_selection *selection,
		const struct copy_cut *cuts, size_t n_cuts, struct error *e);
