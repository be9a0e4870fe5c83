/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sound that an MP4 cannot hold, encoded to AAC beside a copied picture: each clip's is made before
 * its header is, in a spool of its own, and added to the clip as further tracks. Private to
 * src/media. One thread; blocks on the disk.
 */
#pragma once

#include "copy.h"

struct copy_sound;

/**
 * Open the sounds named by selection->recoded. One that nobody here can decode is left out with a
 * warning, and named in *dropped.
 *
 * @param dropped  JSON array of strings, owned by the caller; may be replaced
 * @param ret      NULL when there is nothing to encode
 */
int copy_sound_open(struct media_source *source, const struct copy_selection *selection, int dir_fd,
		    char **dropped, struct error *e, struct copy_sound **ret);
void copy_sound_close(struct copy_sound *sound);
SC_DEFINE_AUTO(copy_sound, copy_sound_close)

/**
 * Encode what is heard between the cut's ends, to the sample, and add it to the clip: its tracks in
 * the source's order, its bytes behind all others. They lie in the spool until the next call.
 * @param sound  may be NULL: nothing is added
 */
int copy_sound_add(struct copy_sound *sound, const struct copy_cut *cut, unsigned int number,
		   struct copy_clip *clip, struct error *e);
