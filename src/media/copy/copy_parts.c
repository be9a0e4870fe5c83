/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clips that show several parts of an edit list. Each part is built as a clip of its own; here their
 * samples are laid one behind the other, and the clip's own edit list shows what each part shows.
 * What a part hides is squeezed into ticks between them, so that a player that ignores the list
 * hardly shows it. Pure arithmetic.
 */
#include <string.h>

#include "copy.h"

/* From the first sample that is decoded and shown to the first that is shown. Readers of FFmpeg's kind
 * put the former at a part's beginning: they agree on a part's times when all parts have the same. */
static int64_t reorder_delay(const struct copy_part *part)
{
	for (size_t i = 0; i < part->track.n_samples; i++) {
		const struct mp4_out_sample *s = &part->track.samples[i];

		if (s->pts >= part->out.shown_start && s->pts < part->out.shown_end)
			return part->out.shown_start - s->dts;
	}
	return 0;
}

static void decode_earlier(struct copy_part *part, int64_t ticks)
{
	for (size_t i = 0; i < part->track.n_samples; i++)
		part->track.samples[i].dts -= ticks;
	part->out.end_dts -= ticks;
}

static void move(struct copy_part *part, int64_t ticks)
{
	for (size_t i = 0; i < part->track.n_samples; i++) {
		part->track.samples[i].dts += ticks;
		part->track.samples[i].pts += ticks;
	}
	part->out.end_dts += ticks;
	part->out.shown_start += ticks;
	part->out.shown_end += ticks;
}

static int64_t first_pts(const struct copy_part *part)
{
	int64_t first = part->out.shown_start;

	for (size_t i = 0; i < part->track.n_samples; i++)
		first = part->track.samples[i].pts < first ? part->track.samples[i].pts : first;
	return first;
}

static int64_t behind_pts(const struct copy_part *part)
{
	int64_t behind = part->out.shown_end;

	for (size_t i = 0; i < part->track.n_samples; i++)
		if (part->track.samples[i].pts >= behind)
			behind = part->track.samples[i].pts + 1;
	return behind;
}

/* Lay a part behind the one before it, which has its place: neither decoding nor showing overlaps.
 * Sound is silent between two parts that do not touch: the one before goes on for so long. */
static void lay_behind(const struct copy_part *before, struct copy_part *part, int64_t silence,
		       struct mp4_out_edit *edit_before)
{
	int64_t decoded = before->track.samples[before->track.n_samples - 1].dts + 1;
	int64_t shown = behind_pts(before), by;

	if (!part->out.is_video)
		decoded = before->out.end_dts;
	if (silence > 0) {
		edit_before->end += silence;
		shown = edit_before->end > shown ? edit_before->end : shown;
		decoded = edit_before->end > decoded ? edit_before->end : decoded;
	}
	by = decoded - part->track.samples[0].dts;
	if (shown - first_pts(part) > by && part->out.is_video)
		by = shown - first_pts(part);
	move(part, by);
}

/* Parts that need nothing hidden between them are one to a player too. */
static size_t merge_edits(struct mp4_out_edit *edits, size_t n)
{
	size_t kept = 1;

	for (size_t i = 1; i < n; i++) {
		if (edits[kept - 1].end == edits[i].start)
			edits[kept - 1].end = edits[i].end;
		else
			edits[kept++] = edits[i];
	}
	return kept;
}

static int join_samples(const struct index_track *source, const struct copy_part *parts, size_t n,
			struct copy_track *track)
{
	size_t n_samples = 0;

	for (size_t k = 0; k < n; k++)
		n_samples += parts[k].track.n_samples;
	track->samples = malloc(n_samples * sizeof(*track->samples));
	track->numbers = malloc(n_samples * sizeof(*track->numbers));
	if (!track->samples || !track->numbers)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++) {
		const struct copy_track *part = &parts[k].track;
		uint32_t base = (uint32_t)(part->source->samples - source->samples);

		memcpy(track->samples + track->n_samples, part->samples,
		       part->n_samples * sizeof(*track->samples));
		for (size_t i = 0; i < part->n_samples; i++)
			track->numbers[track->n_samples + i] =
				part->numbers[i] == UINT32_MAX ? UINT32_MAX : base + part->numbers[i];
		track->n_samples += part->n_samples;
	}
	return 0;
}

int copy_parts_join(const struct index_track *source, struct copy_part *parts, size_t n,
		    struct copy_track *track, struct mp4_out_track *out)
{
	struct mp4_out_edit *edits = calloc(n, sizeof(*edits));
	int64_t delay = 0;
	int r;

	track->source = source;
	track->edits = edits;
	if (!edits)
		return -ENOMEM;
	for (size_t k = 0; k < n && parts[0].out.is_video; k++)
		delay = reorder_delay(&parts[k]) > delay ? reorder_delay(&parts[k]) : delay;
	for (size_t k = 0; k < n; k++) {
		struct copy_part *part = &parts[k];
		int64_t shown_start = part->out.shown_start;

		if (part->out.is_video)
			decode_earlier(part, delay - reorder_delay(part));
		if (k)
			lay_behind(part - 1, part, shown_start - part[-1].presented_end, &edits[k - 1]);
		part->presented_end = shown_start + part->out.shown_end - part->out.shown_start;
		edits[k] = (struct mp4_out_edit){part->out.shown_start, part->out.shown_end};
	}
	r = join_samples(source, parts, n, track);
	if (r < 0)
		return r;
	track->n_head = parts[0].track.n_head;
	*out = parts[0].out;
	out->samples = track->samples;
	out->n_samples = track->n_samples;
	out->end_dts = parts[n - 1].out.end_dts;
	out->shown_end = edits[n - 1].end;
	out->n_edits = merge_edits(edits, n);
	out->edits = edits;
	if (out->n_edits == 1) {
		out->edits = NULL;
		out->n_edits = 0;
	}
	return 0;
}

void copy_parts_finish(struct copy_part *parts, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		free(parts[k].track.samples);
		free(parts[k].track.numbers);
	}
	free(parts);
}
