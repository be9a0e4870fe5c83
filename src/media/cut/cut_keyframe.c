/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `keyframe`: clips begin and end at keyframes, so that nothing is hidden in them. The leading
 * pictures of an open group belong to the clip before (they are shown before the keyframe), which
 * then hides the keyframe itself behind its end.
 */
#include "../plan.h"
#include "copy_clips.h"
#include "cut.h"

int cut_keyframe_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		       clip_made made, void *made_context, struct error *e)
{
	const struct index_track *t = index_main(source->index);
	auto_free struct copy_cut *cuts = calloc(plan->n_ranges + 1, sizeof(*cuts));

	if (!cuts)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	for (size_t i = 0; i < plan->n_ranges; i++) {
		cuts[i].start = plan_keyframe_at(t, plan->ranges[i].start_us);
		cuts[i].end = plan_keyframe_at(t, plan->ranges[i].end_us);
		if (cuts[i].start >= cuts[i].end)
			return error_set(e, SC_NO_CLIPS,
					 "range %zu gives no clip, as both its ends go to the "
					 "keyframe at %.3f s",
					 i + 1,
					 (double)index_ticks_to_us(cuts[i].start, t->timescale) /
						 1e6);
	}
	return copy_clips(source, cut_mode_name(CUT_KEYFRAME), cuts, plan->n_ranges, dir_fd, made,
			  made_context, e);
}
