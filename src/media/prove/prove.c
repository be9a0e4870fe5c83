/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which clips begin where they can, and what becomes of the others. Entered by the media thread. */
#include "prove.h"

#include <stdio.h>
#include <string.h>

#include "../recode/recode_head.h"
#include "prove_decode.h"
#include "prove_store.h"

/* The first frames that are shown, at least. */
#define SHOWN_FRAMES 3
/* Frames that are decoded so soon behind the beginning may refer to what came before it, as the
 * largest decoder holds 16 pictures: those among them that are shown are looked at, too. */
#define NEAR_SAMPLES 20
#define FRAMES_MAX   (SHOWN_FRAMES + NEAR_SAMPLES)
/* A frame has come out of the decoder when so many more have gone in. */
#define DELAY_SAMPLES 64

/* What is compared with begins so many keyframes further back; again and again where that is not
 * whole itself. */
#define REFERENCE_BACK  3
#define REFERENCE_TRIES 3
/* A clip's beginning goes back by so many, so often. */
#define STEP_BACK  2
#define STEP_TRIES 3
/* No further: hidden frames are bytes, and many players show them. */
#define HIDDEN_MAX_US 12000000

struct prover {
	struct media_source *source;
	const struct index_track *track;
	struct copy_selection picture; /* the picture alone */
	struct prove_store *store;     /* owned; NULL: the bytes lie in the source */
	size_t low; /* of the clip in turn: lowest_sample() */
	struct error *e;
	/* What begins at this sample is right from this time on. */
	bool has_good;
	size_t good_first;
	int64_t good_start;
	/* Whether heads can be encoded. */
	bool is_head_probed, has_heads;
	unsigned int n_moved, n_encoded, first_encoded, n_all;
};

/* The place in sync of the last keyframe at or before a sample. */
static size_t sync_of_sample(const struct index_track *t, size_t sample)
{
	size_t low = 0, high = t->n_sync;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->sync[mid] <= sample)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : 0;
}

/* The frames that are looked at: the first ones that are shown, and all that come early. */
static size_t choose_frames(const struct index_track *t, const struct copy_cut *cut,
			    const struct copy_track *copied, struct prove_frame *frames)
{
	size_t at = index_shown_from(t, index_ticks_to_us(cut->start, t->timescale)), n = 0;
	int64_t last = cut->start;

	for (size_t i = 0; i < copied->n_samples && i < NEAR_SAMPLES; i++) {
		int64_t pts = t->samples[copied->numbers[i]].pts;

		last = pts > last && pts < cut->end ? pts : last;
	}
	for (; at < t->n_shown && n < FRAMES_MAX && t->shown[at] < cut->end; at++) {
		if (n >= SHOWN_FRAMES && t->shown[at] > last)
			break;
		frames[n++] = (struct prove_frame){.pts = t->shown[at]};
	}
	return n;
}

/* How many of the clip's samples a decoder needs for these frames. */
static size_t count_samples(const struct index_track *t, const struct copy_track *copied,
			    int64_t last_pts)
{
	size_t n = 0;

	for (size_t i = 0; i < copied->n_samples; i++)
		if (t->samples[copied->numbers[i]].pts <= last_pts)
			n = i + 1;
	return n + DELAY_SAMPLES < copied->n_samples ? n + DELAY_SAMPLES : copied->n_samples;
}

/* So many keyframes back, at most to one for certain. Bare I pictures are none, but where nothing else
 * is there. */
static size_t walk_back(const struct index_track *t, size_t sync, size_t steps, bool counts_bare)
{
	while (steps > 0 && sync > 0) {
		sync--;
		if (index_is_clean(t, t->sync[sync]))
			break;
		steps -= counts_bare || !index_is_bare(t, t->sync[sync]);
	}
	return sync;
}

/**
 * Where what is compared with begins, as a place in sync.
 * @param nth       of the tries, from 0
 * @param ret_sure  it is what decoding from the source's beginning gives
 */
static size_t reference_sync(const struct index_track *t, size_t first, unsigned int nth,
			     bool *ret_sure)
{
	size_t sync = sync_of_sample(t, first);
	bool is_bare = index_is_bare(t, first);

	*ret_sure = true;
	for (size_t at = sync; is_bare && at-- > 0 && first - t->sync[at] <= INDEX_CLEAN_SAMPLES;)
		if (index_is_clean(t, t->sync[at]))
			return at;
	sync = walk_back(t, sync, (size_t)REFERENCE_BACK * (nth + 1), is_bare);
	*ret_sure = index_is_clean(t, t->sync[sync]);
	return sync;
}

/* The first sample that a proof of a clip which was to begin here may touch, all tries together. */
static size_t lowest_sample(const struct index_track *t, size_t first)
{
	size_t sync = walk_back(t, sync_of_sample(t, first), (size_t)STEP_BACK * STEP_TRIES + 1, false);
	bool is_sure;

	return t->sync[reference_sync(t, t->sync[sync], REFERENCE_TRIES - 1, &is_sure)];
}

static bool is_whole(const struct prove_frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!frames[i].is_there || frames[i].is_bad)
			return false;
	return true;
}

static bool is_alike(const struct prove_frame *clip, const struct prove_frame *reference, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (clip[i].is_there != reference[i].is_there ||
		    (clip[i].is_bad && !reference[i].is_bad) ||
		    memcmp(clip[i].hash, reference[i].hash, sizeof(clip[i].hash)) != 0)
			return false;
	return true;
}

static int fd_of(const struct prover *p)
{
	return p->store ? prove_store_fd(p->store) : p->source->fd;
}

/* Compare the clip's frames, decoded from its own samples, with those from further back. */
static int compare(struct prover *p, const struct prove_run *clip, struct prove_frame *frames,
		   size_t n_frames, size_t end, bool *ret)
{
	struct prove_frame reference[FRAMES_MAX];
	bool is_sure = false;
	int r = prove_decode(p->source, clip, fd_of(p), frames, n_frames, p->e);

	*ret = false;
	memcpy(reference, frames, n_frames * sizeof(*reference));
	for (unsigned int nth = 0; r == 0 && nth < REFERENCE_TRIES; nth++) {
		size_t first = p->track->sync[reference_sync(p->track, clip->numbers[0], nth, &is_sure)];
		const struct prove_run run = {
			.track = p->track, .first = first, .n = end > first ? end - first : 0};

		r = prove_decode(p->source, &run, fd_of(p), reference, n_frames, p->e);
		if (is_sure || is_whole(reference, n_frames))
			break;
	}
	*ret = r == 0 && (is_sure || is_whole(reference, n_frames)) &&
	       is_alike(frames, reference, n_frames);
	return r;
}

/* @param ret_first  the clip's first copied sample; the track's number of them: none is copied */
static int prove(struct prover *p, const struct copy_cut *cut, bool *ret, size_t *ret_first)
{
	const struct copy_options options = {p->source->size_bytes, p->source->is_strict};
	const struct index_track *t = p->track;
	auto_copy_clip struct copy_clip clip = {0};
	const struct copy_track *copied = &clip.tracks[0];
	struct prove_frame frames[FRAMES_MAX];
	struct prove_run run = {.track = t};
	size_t n_frames, end;
	int r = copy_clip_build(p->source->index, &p->picture, cut, &options, &clip);

	if (r < 0)
		return error_from_errno(p->e, r, "preparing the clips");
	*ret_first = copied->n_head ? t->n_samples : copied->numbers[0];
	*ret = index_is_clean(t, *ret_first) ||
	       (p->has_good && p->good_first == *ret_first && p->good_start <= cut->start);
	if (*ret)
		return 0;
	n_frames = choose_frames(t, cut, copied, frames);
	if (!n_frames)
		return 0;
	run.numbers = copied->numbers;
	run.n = count_samples(t, copied, frames[n_frames - 1].pts);
	end = (size_t)copied->numbers[run.n - 1] + 1;
	end = end + DELAY_SAMPLES < t->n_samples ? end + DELAY_SAMPLES : t->n_samples;
	r = p->store ? prove_store_fill(p->store, p->low, end, p->e) : 0;
	if (r == 0)
		r = compare(p, &run, frames, n_frames, end, ret);
	if (r == 0 && *ret) {
		p->has_good = true;
		p->good_first = *ret_first;
		p->good_start = cut->start;
	}
	return r;
}

static bool hides_too_much(const struct index_track *t, const struct copy_cut *cut, size_t sync)
{
	return index_ticks_to_us(cut->start - t->samples[t->sync[sync]].pts, t->timescale) >
	       HIDDEN_MAX_US;
}

/**
 * Go back by keyframes that are no bare I pictures, at most to the first one for certain.
 * @return false: that would hide too much, and nothing is changed
 */
static bool step_back(const struct index_track *t, struct copy_cut *cut, size_t first, size_t steps)
{
	size_t sync = walk_back(t, sync_of_sample(t, first), steps, false);

	if (hides_too_much(t, cut, sync))
		return false;
	cut->is_moved = true;
	cut->sync = (uint32_t)sync;
	return true;
}

static int probe_head(struct prover *p, const struct copy_cut *cut)
{
	if (p->is_head_probed)
		return 0;
	p->is_head_probed = true;
	return head_probe(p->source, cut->start, p->e, &p->has_heads);
}

/* What is left when no keyframe nearby will do. */
static int give_up(struct prover *p, struct copy_cut *cut, unsigned int number, size_t first)
{
	const struct index_track *t = p->track;
	int r;

	if (!cut->has_head) {
		copy_move_to_clean(t, cut);
		if (!hides_too_much(t, cut, cut->sync))
			return 0;
	}
	r = probe_head(p, cut);
	if (r < 0 || (!p->has_heads && !cut->has_head))
		return r; /* however much that hides: it is right */
	cut->is_moved = false;
	cut->has_head = cut->needs_idr = true;
	p->n_encoded++;
	if (!p->first_encoded || number < p->first_encoded)
		p->first_encoded = number;
	listener_log(p->source->listener,
		     "clip %u: decoding cannot begin at its keyframe (frame at %.6f s), nor soon "
		     "before it; its first frames are encoded anew",
		     number, (double)index_ticks_to_us(t->samples[first].pts, t->timescale) / 1e6);
	return 0;
}

/* By decoding, from the guessed beginning and from earlier ones. */
static int find_right(struct prover *p, struct copy_cut *cut, bool *ret)
{
	size_t first = copy_first_sample(p->track, cut);
	bool is_bare = index_is_bare(p->track, first);
	int r;

	*ret = false;
	if (is_bare && cut->has_head)
		return 0;
	/* Nobody need show that players begin at what does not say that they can. */
	if (is_bare)
		step_back(p->track, cut, first, 1);
	for (int i = 0; i <= STEP_TRIES; i++) {
		r = prove(p, cut, ret, &first);
		if (r < 0 || *ret || cut->has_head || i == STEP_TRIES ||
		    !step_back(p->track, cut, first, STEP_BACK))
			return r;
	}
	return 0;
}

static int prove_cut(struct prover *p, struct copy_cut *cut, unsigned int number)
{
	const struct index_track *t = p->track;
	const size_t guessed = copy_first_sample(t, cut);
	struct copy_cut found = *cut;
	bool is_right;
	int r;

	p->low = lowest_sample(t, guessed);
	r = find_right(p, &found, &is_right);
	if (r == 0 && !is_right) {
		found = *cut;
		r = give_up(p, &found, number, guessed);
	}
	if (r == 0 && found.is_moved) {
		p->n_moved++;
		listener_log(p->source->listener,
			     "clip %u: decoding cannot begin at its keyframe (frame at %.6f s); it "
			     "begins at an earlier one (frame at %.6f s)",
			     number,
			     (double)index_ticks_to_us(t->samples[guessed].pts, t->timescale) / 1e6,
			     (double)index_ticks_to_us(t->samples[t->sync[found.sync]].pts,
						       t->timescale) /
				     1e6);
	}
	*cut = found;
	return r;
}

/* ---- all of them, in the order of the source ---- */

struct turn {
	int64_t start;
	size_t number;
};

static int compare_turns(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static size_t list_turns(const struct prover *p, const struct copy_cut *cuts, size_t n_cuts,
			 struct turn *turns)
{
	size_t n = 0;

	for (size_t i = 0; i < n_cuts; i++)
		if (!index_is_clean(p->track, copy_first_sample(p->track, &cuts[i])))
			turns[n++] = (struct turn){cuts[i].start, i};
	qsort(turns, n, sizeof(*turns), compare_turns);
	return n;
}

static void tell(const struct prover *p)
{
	if (p->n_encoded)
		listener_warning(p->source->listener,
				 "the first frames of %u of %u clips (the first is clip %u) are "
				 "encoded anew, as decoding cannot begin at what the upload calls "
				 "keyframes there",
				 p->n_encoded, p->n_all, p->first_encoded);
	if (p->n_moved)
		listener_log(p->source->listener,
			     "%u of %u clips begin at an earlier keyframe than the upload's marks say",
			     p->n_moved, p->n_all);
}

int prove_cuts(struct media_source *source, const struct copy_selection *selection,
	       struct copy_cut *cuts, size_t n_cuts, int dir_fd, struct error *e)
{
	struct prover p = {.source = source,
			   .track = index_video(source->index),
			   .picture = {.tracks = {selection->tracks[0]}, .n_tracks = 1},
			   .n_all = (unsigned int)n_cuts,
			   .e = e};
	auto_free struct turn *turns = calloc(n_cuts + 1, sizeof(*turns));
	size_t n;
	int r = 0;

	if (!turns)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	n = list_turns(&p, cuts, n_cuts, turns);
	if (source->index->is_packets)
		r = prove_store_open(source, dir_fd, e, &p.store);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = prove_cut(&p, &cuts[turns[i].number], (unsigned int)turns[i].number + 1);
		listener_prepared(source->listener, (double)(i + 1) / (double)n);
	}
	prove_store_close(p.store);
	if (r == 0)
		tell(&p);
	return r;
}
