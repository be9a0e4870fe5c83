/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clips by copying, one after the other: which tracks, what is said about them, Way A itself. */
#include <stdio.h>
#include <string.h>

#include "copy_clips.h"
#include "../copy/copy_text.h"
#include "../copy/damage.h"
#include "../library/library.h"
#include "../prove/prove.h"
#include "../recode/recode.h"
#include "storyclip/common/hook.h"

#define HIDDEN_WARNING_US 2000000

/* Behind another part of an edit list a CRA picture goes on counting from there, and its pictures are
 * shown out of order or not at all. */
static bool is_cra_in_parts(const struct index_track *t)
{
	return t->n_parts > 1 && t->has_cra;
}

static int refuse_codec(const struct index_track *t, const char *mode_name, struct error *e)
{
	const char *obstacle = is_cra_in_parts(t) ? "edited in several parts, with keyframes that are "
						    "no new beginnings"
						  : t->obstacle;

	return error_set(e, SC_UNSUPPORTED_CODEC,
			 "'%s' cannot copy the %s (stream %u) into an MP4, as it is %s%s%s: use "
			 "\"cut\":\"encode\"",
			 mode_name, t->is_video ? "picture" : "sound", t->number, t->codec,
			 obstacle ? ", " : "", obstacle ? obstacle : "");
}

/** The tracks that are copied: the picture and all sound that MP4 can hold. Other sound is encoded.
 */
static int select_tracks(const struct media_index *index, const char *mode_name, struct error *e,
			 struct copy_selection *selection)
{
	*selection = (struct copy_selection){0};
	for (size_t i = 0; i < index->n_tracks; i++) {
		const struct index_track *t = &index->tracks[i];

		if (t->is_copyable && !is_cra_in_parts(t))
			selection->tracks[selection->n_tracks++] = i;
		else if (!t->is_video)
			selection->recoded[selection->n_recoded++] = i;
		else
			return refuse_codec(t, mode_name, e);
	}
	return 0;
}

static enum clip_method method_of(const struct copy_track *t)
{
	if (!t->n_head)
		return CLIP_COPY;
	return t->n_head < t->n_samples ? CLIP_HEAD : CLIP_ENCODE;
}

struct artifact copy_clip_artifact(const struct media_index *index, const struct copy_cut *cut,
				   const struct copy_clip *clip, unsigned int number, char *dropped)
{
	uint32_t timescale = index_main(index)->timescale;

	return (struct artifact){
		.number = number,
		.method = method_of(&clip->tracks[0]),
		.start_us = index_rescale(cut->start, 1000000, timescale),
		.duration_us = index_rescale(cut->end - cut->start, 1000000, timescale),
		.hidden_head_us = clip->hidden_head_us,
		.hidden_within_us = clip->hidden_within_us,
		.hidden_tail_us = clip->hidden_tail_us,
		.hidden_bytes = clip->hidden_bytes,
		.dropped = dropped,
	};
}

/* What is encoded anew is libav's part, loaded when there is any. */
static int open_recoder(struct media_source *source, const struct copy_selection *selection,
			int dir_fd, char **dropped, struct error *e, struct recoder **ret)
{
	const struct media_library *library;
	int r;

	if (!selection->n_recoded && !selection->has_heads)
		return 0;
	r = media_library_get(e, &library);
	if (r < 0)
		return r;
	return library->recoder_open(source, selection, dir_fd, dropped, e, ret);
}

static int recode(struct recoder *recoder, const struct copy_cut *cut, unsigned int number,
		  struct copy_clip *clip, struct error *e)
{
	const struct media_library *library;
	int r;

	if (!recoder)
		return 0;
	r = media_library_get(e, &library);
	return r < 0 ? r : library->recoder_add(recoder, cut, number, clip, e);
}

static void close_recoder(struct recoder *recoder)
{
	const struct media_library *library;
	struct error e;

	if (recoder && media_library_get(&e, &library) == 0)
		library->recoder_close(recoder);
}

/* Clips that begin where decoding may not are looked at by decoding; most sources have none. */
static int prove(struct media_source *source, const struct copy_selection *selection,
		 struct copy_cut *cuts, size_t n_cuts, int dir_fd, struct error *e)
{
	const struct media_library *library;
	int r;

	if (!prove_is_needed(source->index, selection, cuts, n_cuts))
		return 0;
	r = media_library_get(e, &library);
	return r < 0 ? r : library->prove_cuts(source, selection, cuts, n_cuts, dir_fd, e);
}

static int open_texts(const struct media_source *source, int dir_fd, struct spool *spool,
		      struct error *e)
{
	int r = source->index->n_texts ? spool_open(spool, dir_fd) : 0;

	return r < 0 ? error_from_errno(e, r, "opening the subtitles' spool") : 0;
}

static int copy_by_place(struct media_source *source, const struct copy_selection *selection,
			 struct recoder *recoder, const struct copy_cut *cuts, size_t n_cuts,
			 char *dropped, struct clip_set *set, struct error *e)
{
	auto_free struct damage_look *look = NULL;

	if (damage_look_open(source, e, &look) < 0)
		return e->err;
	for (size_t i = 0; i < n_cuts; i++) {
		auto_copy_clip struct copy_clip clip = {0};
		struct artifact artifact;
		const struct copy_options options = {source->size_bytes, source->is_strict};
		int r;

		hook_reach("cut-clip");
		r = copy_clip_build(source->index, selection, &cuts[i], &options, &clip);
		if (r < 0)
			return error_from_errno(e, r, "preparing clip %zu", i + 1);
		r = recode(recoder, &cuts[i], (unsigned int)i + 1, &clip, e);
		if (r == 0)
			r = copy_text_add(source->index, selection->texts, &cuts[i],
					  (unsigned int)i + 1, &clip, e);
		if (r < 0)
			return r;
		artifact = copy_clip_artifact(source->index, &cuts[i], &clip, (unsigned int)i + 1,
					      dropped);
		r = clip_set_add(set, &clip.movie, source->fd, &artifact, e);
		if (r < 0)
			return r;
		damage_look_at(look, source, selection, &clip);
	}
	return 0;
}

static int copy_by_packets(struct media_source *source, const struct copy_selection *selection,
			   struct recoder *recoder, const struct copy_cut *cuts, size_t n_cuts,
			   char *dropped, struct clip_set *set, struct error *e)
{
	const struct media_library *library;
	int r = media_library_get(e, &library);

	if (r < 0)
		return r;
	return library->copy_clips_by_packets(source, selection, recoder, cuts, n_cuts, dropped, set,
					      e);
}

/* Told once for all clips, from what is told of each. */
struct hidden_heads {
	clip_made made;
	void *made_context;
	const struct index_track *picture; /* NULL: 'smart' cannot help, or is the mode itself */
	const struct copy_cut *cuts;
	bool can_help; /* 'smart' would copy something of such a clip, too */
	struct hidden_most {
		unsigned int n_long;
		unsigned int longest;
		int64_t longest_us;
	} before, within;
};

/* Whether a head would end within the clip: else `smart` encodes all of it, which is `encode`. */
static bool can_smart_help(const struct hidden_heads *heads, unsigned int number)
{
	const struct copy_cut *cut = &heads->cuts[number - 1];
	const struct copy_cut smart = {
		.start = cut->start, .end = cut->end, .has_head = true, .needs_idr = true};

	return heads->picture &&
	       copy_first_sample(heads->picture, &smart) < heads->picture->n_samples;
}

static void note_hidden(struct hidden_most *most, int64_t us, unsigned int number)
{
	if (us > HIDDEN_WARNING_US)
		most->n_long++;
	if (us > most->longest_us) {
		most->longest_us = us;
		most->longest = number;
	}
}

static void note_hidden_head(void *context, const struct artifact *artifact)
{
	struct hidden_heads *heads = context;

	note_hidden(&heads->before, artifact->hidden_head_us, artifact->number);
	note_hidden(&heads->within, artifact->hidden_within_us, artifact->number);
	if (artifact->hidden_head_us > HIDDEN_WARNING_US)
		heads->can_help |= can_smart_help(heads, artifact->number);
	if (heads->made)
		heads->made(heads->made_context, artifact);
}

static void tell_bare_sound(const struct media_source *source, const struct copy_cut *cuts,
			    size_t n_cuts)
{
	int64_t first = INT64_MAX, last = INT64_MIN;

	for (size_t i = 0; i < n_cuts; i++) {
		first = cuts[i].start < first ? cuts[i].start : first;
		last = cuts[i].end > last ? cuts[i].end : last;
	}
	cut_tell_bare_sound(source, first, last);
}

static void warn_of_hidden(const struct media_source *source, const struct hidden_heads *heads,
			   size_t n_cuts)
{
	const struct hidden_most *before = &heads->before, *within = &heads->within;

	if (before->n_long)
		listener_warning(
			source->listener,
			"more than 2 s of hidden picture before the first frame in %u of %zu "
			"clips (clip %u: %.1f s), as keyframes are far apart; '%s' has none",
			before->n_long, n_cuts, before->longest, (double)before->longest_us / 1e6,
			heads->can_help ? "smart" : "encode");
	if (within->n_long)
		listener_warning(
			source->listener,
			"more than 2 s of hidden picture where the upload's edit list leaves "
			"something out in %u of %zu clips (clip %u: %.1f s), as keyframes are far "
			"apart; 'encode' has none",
			within->n_long, n_cuts, within->longest, (double)within->longest_us / 1e6);
}

int copy_clips(struct media_source *source, const char *mode_name, struct copy_cut *cuts,
	       size_t n_cuts, int dir_fd, clip_made made, void *made_context, struct error *e)
{
	struct hidden_heads heads = {.made = made, .made_context = made_context, .cuts = cuts};
	const struct index_track *main = index_main(source->index);
	struct recoder *recoder = NULL;
	auto_free char *dropped = strdup(source->index->dropped);
	struct copy_selection selection;
	struct spool texts = {.fd = -1};
	struct clip_set set;
	int r;

	if (!dropped)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	r = select_tracks(source->index, mode_name, e, &selection);
	if (r == 0)
		r = prove(source, &selection, cuts, n_cuts, dir_fd, e);
	for (size_t i = 0; i < n_cuts; i++)
		selection.has_heads |= cuts[i].has_head;
	if (r == 0)
		r = open_recoder(source, &selection, dir_fd, &dropped, e, &recoder);
	if (r == 0)
		r = open_texts(source, dir_fd, &texts, e);
	if (r < 0) {
		close_recoder(recoder);
		return r;
	}
	selection.texts = &texts;
	if (cut_smart_knows(main->codec) && strcmp(mode_name, cut_mode_name(CUT_SMART)) != 0)
		heads.picture = main;
	tell_bare_sound(source, cuts, n_cuts);
	clip_set_init(&set, source, dir_fd, note_hidden_head, &heads);
	r = source->index->is_packets
		    ? copy_by_packets(source, &selection, recoder, cuts, n_cuts, dropped, &set, e)
		    : copy_by_place(source, &selection, recoder, cuts, n_cuts, dropped, &set, e);
	if (r == 0)
		r = clip_set_sync(&set, e);
	if (r == 0)
		r = damage_tell(source, &selection, cuts, n_cuts, e);
	clip_set_finish(&set);
	close_recoder(recoder);
	spool_close(&texts);
	if (r == 0)
		warn_of_hidden(source, &heads, n_cuts);
	return r;
}
