/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clips by copying packets: what `exact` and `keyframe` share. They differ only in where they cut.
 * Private to src/media. One thread.
 */
#pragma once

#include "../clip/clip.h"

/** Where a clip begins and ends: pts of the main track (index_main()), in its ticks. */
struct copy_cut {
	int64_t start; /* the first frame that is shown */
	int64_t end;   /* behind the last one */
	/* The frames up to the next keyframe are encoded anew, so that nothing before `start` is
	 * needed. */
	bool has_head;
	/* What decoding has shown (prove.h). is_moved: it begins at the keyframe `sync`, a place in
	 * the picture's sync, however near another is. */
	bool is_moved;
	bool needs_idr; /* behind a head only an IDR is copied */
	uint32_t sync;
};

struct copy_track {
	const struct index_track *source;
	struct mp4_out_sample *samples; /* owned */
	uint32_t *numbers;              /* owned; each sample's place in source->samples, rising */
	size_t n_samples;
	size_t n_head; /* of samples, the first ones: encoded anew (recode.h), without numbers */
	struct mp4_out_edit *edits; /* owned; of a clip that shows several parts of an edit list */
	bool is_spooled; /* encoded anew (recode.h): numbers is NULL */
	uint8_t *stsd;   /* owned; where it is not the source's, else NULL */
};

/** One clip, all decided: what goes in, at which times, where its bytes come from. */
struct copy_clip {
	struct mp4_movie movie; /* points into the rest */
	struct mp4_out_track out[INDEX_MAX_TRACKS];
	struct copy_track tracks[INDEX_MAX_TRACKS];
	struct mp4_range *ranges; /* owned */
	uint32_t cut_timescale; /* of the cut's ends */
	int64_t hidden_head_us;
	int64_t hidden_within_us; /* the most before another part of an edit list than the first */
	int64_t hidden_tail_us;
	int64_t hidden_bytes;
};

/** Which tracks of an index are copied: places in index->tracks. */
struct copy_selection {
	size_t tracks[INDEX_MAX_TRACKS];
	size_t n_tracks;
	size_t recoded[INDEX_MAX_TRACKS]; /* sound that is encoded anew */
	size_t n_recoded;
	struct spool *texts; /* borrowed; where subtitles go by, if the source has any */
	bool has_heads; /* of some cut: the picture is encoded anew up to a keyframe */
};

struct copy_options {
	int64_t size_bytes; /* of the source */
	bool is_strict;     /* no bytes but those of the clip's samples */
};

/**
 * Decide everything about a clip. Pure arithmetic, no I/O.
 *
 * The picture begins at the last keyframe at or before cut->start. Frames before the first shown
 * one, and those after the last that others refer to, are hidden by the edit list and squeezed into
 * single ticks, as players that ignore the list then hardly show them. Sound is cut at the same
 * instant, to the sample, with the one packet before it that its decoder needs.
 *
 * @return 0, -ENOMEM, -ENODATA (no frame in between)
 */
int copy_clip_build(const struct media_index *index, const struct copy_selection *selection,
		    const struct copy_cut *cut, const struct copy_options *options,
		    struct copy_clip *ret);
/**
 * Last step of it: the samples are decided; find the ranges of bytes that hold them.
 * @param is_packets  the source gives packets, one by one, not places
 * @return 0, -ENOMEM
 */
int copy_clip_place(struct copy_clip *clip, bool is_packets, const struct copy_options *options);
void copy_clip_finish(struct copy_clip *clip);
/** Where what is copied of a clip's picture begins: a place in its samples; n_samples: nothing is. */
size_t copy_first_sample(const struct index_track *t, const struct copy_cut *cut);
/** Begin at the last keyframe before it that is one for certain, however much that hides. */
void copy_move_to_clean(const struct index_track *t, struct copy_cut *cut);
#define auto_copy_clip __attribute__((cleanup(copy_clip_finish)))

/** One of several parts of an edit list, as far as it lies within a clip. */
struct copy_part {
	struct copy_track track; /* its source is the part */
	struct mp4_out_track out;
	int64_t presented_end; /* behind it, before it is moved to its place */
};
void copy_parts_finish(struct copy_part *parts, size_t n);

/**
 * Put parts that are shown one behind the other into one track.
 * @param parts  in their order, n >= 1; they are moved, and stay the caller's
 * @param track  gets all samples, and numbers as places in source->samples
 * @param out    filled but for what track owns
 * @return 0 or -ENOMEM
 */
int copy_parts_join(const struct index_track *source, struct copy_part *parts, size_t n,
		    struct copy_track *track, struct mp4_out_track *out);

/**
 * The cuts that a plan's ranges mean: from the first frame of each to the first one behind it.
 * @param ret  as many as ranges; freed by free()
 * Codes: NO_CLIPS, OUT_OF_MEMORY
 */
int copy_cuts_of_plan(const struct media_index *index, const struct media_plan *plan,
		      struct error *e, struct copy_cut **ret);
