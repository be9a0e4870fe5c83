/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is encoded anew of a copied clip: the head of its picture (recode_head.h), and sound that an
 * MP4 cannot hold, to AAC. Each clip's is made before its header is, in a spool of its own; sound is
 * added to the clip as further tracks. Private to src/media. One thread; blocks on the disk.
 */
#pragma once

#include "../copy/copy.h"

struct recoder;

/**
 * Open the sounds named by selection->recoded, and the picture for heads. A sound that nobody here
 * can decode is left out with a warning, and named in *dropped.
 *
 * @param dropped  JSON array of strings, owned by the caller; may be replaced
 * @param ret      NULL when there is nothing to encode
 */
int recoder_open(struct media_source *source, const struct copy_selection *selection, int dir_fd,
		    char **dropped, struct error *e, struct recoder **ret);
void recoder_close(struct recoder *recoder);
SC_DEFINE_AUTO(recoder, recoder_close)

/**
 * Encode the clip's head, if it is to have one, and what is heard between the cut's ends, to the
 * sample, and add it to the clip: tracks in the source's order, the bytes before all others with a
 * head, else behind them. They lie in the spool until the next call.
 * @param recoder  may be NULL: nothing is added
 */
int recoder_add(struct recoder *recoder, const struct copy_cut *cut, unsigned int number,
		   struct copy_clip *clip, struct error *e);
