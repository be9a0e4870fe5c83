/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What planning and cutting at keyframes share. Private to src/media. Pure arithmetic. */
#pragma once

#include "index/index.h"

/**
 * The pts of the last keyframe at or before time_us, as ticks of the track: what that keyframe
 * and all that comes behind it is shown from. At or behind the end: the end. Sound can be cut at
 * each packet.
 */
int64_t plan_keyframe_at(const struct index_track *track, int64_t time_us);

/** media_plan() on an index. Ranges without a frame are dropped, and told to the listener. */
int plan_ranges(const struct media_index *index, const struct media_listener *listener,
		enum cut_mode mode, const struct media_split *split, struct error *e,
		struct media_plan *ret);
