/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `smart`: as `exact`, but nothing before a clip's first frame is in it: the frames up to the next
 * keyframe are encoded anew, so that every player shows the right first one.
 */
#include <string.h>

#include "copy_clips.h"
#include "cut.h"

bool cut_smart_knows(const char *codec)
{
	return !strcmp(codec, "h264") || !strcmp(codec, "hevc");
}

int cut_smart_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		    clip_made made, void *made_context, struct error *e)
{
	const struct index_track *picture = index_video(source->index);
	auto_free struct copy_cut *cuts = NULL;
	int r;

	if (!picture)
		return error_set(e, SC_NO_VIDEO,
				 "'smart' encodes what lies between a cut and a keyframe, but there is "
				 "only sound: use \"cut\":\"exact\"");
	if (!cut_smart_knows(picture->codec) || !picture->is_copyable)
		return error_set(e, SC_UNSUPPORTED_CODEC,
				 "'smart' cuts pictures in h264 and hevc, and this one (stream %u) is %s%s%s: use "
				 "\"cut\":\"%s\"%s",
				 picture->number, picture->codec, picture->obstacle ? ", " : "",
				 picture->obstacle ? picture->obstacle : "",
				 picture->is_copyable ? "exact" : "encode",
				 picture->is_copyable ? " or \"cut\":\"encode\"" : "");
	r = copy_cuts_of_plan(source->index, plan, e, &cuts);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->n_ranges; i++)
		cuts[i].has_head = true;
	return copy_clips(source, cut_mode_name(CUT_SMART), cuts, plan->n_ranges, dir_fd, made,
			  made_context, e);
}
