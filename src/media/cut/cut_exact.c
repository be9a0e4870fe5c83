/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `exact`: each clip shows the frames of its range and no other, nothing is encoded. */
#include "copy_clips.h"
#include "cut.h"

/* The cut that a range means: from its first frame to the first frame behind it. */
static struct copy_cut cut_of_range(const struct index_track *t, const struct clip_range *range)
{
	struct copy_cut cut = {0};
	size_t first, behind;

	if (!t->is_video) {
		cut.start = index_us_to_ticks_up(range->start_us, t->timescale);
		cut.end = index_us_to_ticks_up(range->end_us, t->timescale);
		if (cut.start < t->shown_start)
			cut.start = t->shown_start;
		if (cut.end > t->shown_end)
			cut.end = t->shown_end;
		return cut;
	}
	first = index_shown_from(t, range->start_us);
	behind = index_shown_from(t, range->end_us);
	cut.start = first < t->n_shown ? t->shown[first] : t->shown_end;
	cut.end = behind < t->n_shown ? t->shown[behind] : t->shown_end;
	return cut;
}

int copy_cuts_of_plan(const struct media_index *index, const struct media_plan *plan,
		      struct error *e, struct copy_cut **ret)
{
	auto_free struct copy_cut *cuts = calloc(plan->n_ranges + 1, sizeof(*cuts));

	if (!cuts)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	for (size_t i = 0; i < plan->n_ranges; i++) {
		cuts[i] = cut_of_range(index_main(index), &plan->ranges[i]);
		if (cuts[i].start >= cuts[i].end)
			return error_set(e, SC_NO_CLIPS, "range %zu holds no frame", i + 1);
	}
	*ret = take_ptr(cuts);
	return 0;
}

int cut_exact_clips(struct media_source *source, const struct media_plan *plan, int dir_fd,
		    clip_made made, void *made_context, struct error *e)
{
	auto_free struct copy_cut *cuts = NULL;
	int r = copy_cuts_of_plan(source->index, plan, e, &cuts);

	if (r < 0)
		return r;
	return copy_clips(source, cut_mode_name(CUT_EXACT), cuts, plan->n_ranges, dir_fd, made,
			  made_context, e);
}
