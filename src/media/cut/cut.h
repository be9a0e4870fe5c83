/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The modes of cutting. Private to src/media. */
#pragma once

#include "../clip/clip.h"

/* A mode: media_cut() without its mode argument. */
typedef int (*cut_mode_function)(struct media_source *source, const struct media_plan *plan,
				 int dir_fd, clip_made made, void *made_context, struct error *e);
int cut_exact_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		    clip_made made, void *made_context, struct error *e);
int cut_smart_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		    clip_made made, void *made_context, struct error *e);
/** Whether heads are encoded in this codec, as index_track.codec has it. */
bool cut_smart_knows(const char *codec);
int cut_keyframe_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		       clip_made made, void *made_context, struct error *e);
int cut_encode_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		     clip_made made, void *made_context, struct error *e);
/**
 * Say which sound is in no clip, as clips last as long as the picture: that before its first frame,
 * if a clip begins with it, and behind its last.
 * @param first  where the first clip begins, in ticks of index_main()
 * @param last   where the last one ends
 */
void cut_tell_bare_sound(const struct media_source *source, int64_t first, int64_t last);
