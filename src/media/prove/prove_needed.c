/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which clips are to be proven: on this side of libav, as most sources have none. */
#include "prove.h"

bool prove_is_needed(const struct media_index *index, const struct copy_selection *selection,
		     const struct copy_cut *cuts, size_t n_cuts)
{
	const struct index_track *t = index_video(index);

	if (!t || t->n_parts || !selection->n_tracks || selection->tracks[0] != 0)
		return false;
	for (size_t i = 0; i < n_cuts; i++)
		if (!index_is_clean(t, copy_first_sample(t, &cuts[i])))
			return true;
	return false;
}
