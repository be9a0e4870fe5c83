/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Subtitles into clips. Private to src/media. One thread. */
#pragma once

#include "../clip/spool.h"
#include "copy.h"

/**
 * Add what a copied clip shows of the source's subtitles, behind its other tracks and their bytes:
 * what recoder_add() adds comes before.
 * @param spool  for clips that have none of the recoder's; written anew by each call
 */
int copy_text_add(const struct media_index *index, struct spool *spool, const struct copy_cut *cut,
		  unsigned int number, struct copy_clip *clip, struct error *e);
