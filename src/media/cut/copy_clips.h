/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clips by copying, from places in the source or from its packets. Private to src/media. */
#pragma once

#include "../copy/copy.h"

/**
 * Make the clips of all cuts; media_cut() says the rest. mode_name is for messages.
 * @param cuts  changed where decoding shows that a clip cannot begin as it says (prove.h)
 */
int copy_clips(struct media_source *source, const char *mode_name, struct copy_cut *cuts,
	       size_t n_cuts, int dir_fd, clip_made made, void *made_context, struct error *e);

/** What a finished clip is told to be, number apart; dropped is borrowed. */
struct artifact copy_clip_artifact(const struct media_index *index, const struct copy_cut *cut,
				   const struct copy_clip *clip, unsigned int number,
				   char *dropped);

struct recoder;
/** The payload of clips by a scan of packets, for sources whose index is_packets. */
int copy_clips_by_packets(struct media_source *source, const struct copy_selection *selection,
			  struct recoder *recoder, const struct copy_cut *cuts, size_t n_cuts,
			  char *dropped, struct clip_set *set, struct error *e);
