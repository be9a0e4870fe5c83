/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clips of a source whose bytes are known only packet by packet. Their headers are complete before
 * the first packet comes (the index knows all sizes), so a scan puts each packet straight to its
 * place: in one clip, or in two where they meet. One scan does all clips in their order; clips
 * that go back in time, or overlap too many at once, are left to another.
 */
#include <stdio.h>
#include <string.h>

#include "../clip/write_behind.h"
#include "../copy/copy_text.h"
#include "../index/packets.h"
#include "../recode/recode.h"
#include "copy_clips.h"
#include "storyclip/common/hook.h"

#define ACTIVE_MAX 16

/* A clip from the first packet that it needs to the last. */
struct filling {
	struct copy_clip clip;
	struct clip_file file;
	size_t number;                 /* in cuts, from 0 */
	size_t next[INDEX_MAX_TRACKS]; /* of each track: the sample whose packet comes next */
	size_t n_left;
	size_t n_all;
	int64_t first_offset; /* of the index: the earliest packet */
	bool is_begun;
};

struct filler {
	struct media_source *source;
	const struct copy_selection *selection;
	struct recoder *recoder; /* may be NULL */
	const struct copy_cut *cuts;
	size_t n_cuts;
	char *dropped;
	struct clip_set *set;
	struct write_behind *writer; /* owned */
	struct error *e;
	struct filling *active[ACTIVE_MAX]; /* owned; in the order of cuts */
	size_t n_active;
	struct filling *waiting; /* owned; decided, its first packet has not come */
	size_t n_decided;        /* cuts that were made a filling */
	size_t n_done;           /* clips that are complete */
	bool is_looking; /* scans look into the streams, as the index's did */
	bool is_other;   /* this one gave other packets than the index's */
};

static void filling_free(struct filler *f, struct filling *filling)
{
	if (!filling)
		return;
	clip_file_discard(f->set, &filling->file);
	copy_clip_finish(&filling->clip);
	free(filling);
}

static const struct index_sample *next_sample(const struct filling *filling, size_t track)
{
	const struct copy_track *t = &filling->clip.tracks[track];

	if (t->is_spooled || filling->next[track] == t->n_samples)
		return NULL;
	return &t->source->samples[t->numbers[filling->next[track]]];
}

/* Decide the next clip, so that the scan knows which packet to wait for. */
static int decide_next(struct filler *f)
{
	const struct copy_options options = {f->source->size_bytes, f->source->is_strict};
	struct filling *filling;
	int r;

	if (f->waiting || f->n_decided == f->n_cuts)
		return 0;
	filling = f->waiting = calloc(1, sizeof(*filling));
	if (!filling)
		return error_from_errno(f->e, -ENOMEM, "preparing clip %zu", f->n_decided + 1);
	filling->file = CLIP_FILE_NONE;
	filling->number = f->n_decided++;
	r = copy_clip_build(f->source->index, f->selection, &f->cuts[filling->number],
			    &options, &filling->clip);
	if (r < 0)
		return error_from_errno(f->e, r, "preparing clip %zu", filling->number + 1);
	filling->first_offset = INT64_MAX;
	for (size_t k = 0; k < filling->clip.movie.n_tracks; k++) {
		const struct copy_track *t = &filling->clip.tracks[k];
		const struct index_sample *s;

		filling->next[k] = t->n_head;
		s = next_sample(filling, k);
		filling->n_all += t->n_samples - t->n_head;
		if (s && s->offset < filling->first_offset)
			filling->first_offset = s->offset;
	}
	filling->n_left = filling->n_all;
	return 0;
}

/* Its file, with all that does not come from the scan. */
static int begin_clip(struct filler *f, struct filling *filling)
{
	const struct mp4_movie *movie = &filling->clip.movie;
	unsigned int number = (unsigned int)filling->number + 1;
	int r = recoder_add(f->recoder, &f->cuts[filling->number], number, &filling->clip, f->e);

	if (r == 0)
		r = copy_text_add(f->source->index, f->selection->texts, &f->cuts[filling->number],
				  number, &filling->clip, f->e);
	if (r == 0)
		r = clip_file_begin(f->set, movie, number, &filling->file, f->e);
	if (r < 0)
		return r;
	r = mp4_write_spooled(movie, &filling->file.header, filling->file.fd, NULL, NULL);
	return r < 0 ? error_from_errno(f->e, r, "writing clip %u", number) : 0;
}

/* Begin the clips whose first packet this is. */
static int begin_due(struct filler *f, int64_t offset)
{
	int r = decide_next(f);

	while (r == 0 && f->waiting &&
	       (f->waiting->first_offset == offset || !f->waiting->n_all) && f->n_active < ACTIVE_MAX) {
		struct filling *filling = f->active[f->n_active++] = take_ptr(f->waiting);

		hook_reach("cut-clip");
		r = begin_clip(f, filling);
		if (r == 0)
			r = decide_next(f);
	}
	return r;
}

static int put_packet(struct filler *f, struct filling *filling, const AVPacket *packet,
		      int64_t offset)
{
	for (size_t k = 0; k < filling->clip.movie.n_tracks; k++) {
		const struct index_sample *s = next_sample(filling, k);
		const struct mp4_out_sample *out;
		int r;

		if (!s || s->offset != offset)
			continue;
		if (s->size != (uint32_t)packet->size) {
			f->is_other = true;
			return 0;
		}
		out = &filling->clip.tracks[k].samples[filling->next[k]];
		r = write_behind_put(f->writer, filling->file.fd,
				     mp4_payload_place(&filling->clip.movie,
						       &filling->file.header, false) +
					     out->offset,
				     packet);
		if (r < 0)
			return error_from_errno(f->e, r, "writing clip %zu", filling->number + 1);
		filling->next[k]++;
		filling->n_left--;
		return 0;
	}
	return 0;
}

/* Clips are told in their order, so one that is complete waits for those before it. */
static int finish_complete(struct filler *f)
{
	while (f->n_active && !f->active[0]->n_left) {
		struct filling *filling = f->active[0];
		struct artifact artifact = copy_clip_artifact(
			f->source->index, &f->cuts[filling->number], &filling->clip,
			(unsigned int)filling->number + 1, f->dropped);
		int r = write_behind_wait(f->writer);

		if (r < 0)
			return error_from_errno(f->e, r, "writing clip %zu", filling->number + 1);
		r = clip_file_finish(f->set, &filling->clip.movie, &filling->file, &artifact, f->e);
		if (r < 0)
			return r;
		filling_free(f, filling);
		f->n_done++;
		f->n_active--;
		memmove(f->active, f->active + 1, f->n_active * sizeof(f->active[0]));
	}
	if (f->n_active)
		listener_clip_progress(f->source->listener,
				       1 - (double)f->active[0]->n_left /
						       (double)f->active[0]->n_all);
	return 0;
}

static struct packet_layout layout_of(const struct filler *f)
{
	return f->is_looking ? (struct packet_layout){0} : f->source->index->layout;
}

/*
 * One scan; ends when no clip can gain anything from what is left of it, or at a packet that is_other.
 * So is all of one that has made no clip: the packets that they begin with were not among its own.
 */
static int scan_once(struct filler *f)
{
	auto_of(packet_reader) struct packet_reader *reader = NULL;
	const struct packet_layout layout = layout_of(f);
	size_t n_done = f->n_done, number = 0;
	int64_t offset = 0;
	int r = packet_reader_open_again(f->source->fd, &layout, f->source->listener, f->e, &reader);

	if (r < 0)
		return r;
	while ((r = packet_reader_next(reader, &number, f->e)) > 0) {
		const AVPacket *packet = reader->packet;

		r = begin_due(f, offset);
		for (size_t i = 0; i < f->n_active && r == 0; i++)
			r = put_packet(f, f->active[i], packet, offset);
		if (r == 0 && !f->is_other)
			r = finish_complete(f);
		if (r < 0 || f->is_other)
			return r;
		offset += packet_step(packet);
		if (!f->n_active && (!f->waiting || f->waiting->first_offset < offset))
			break;
	}
	f->is_other = r >= 0 && (f->n_active || f->n_done == n_done);
	return r < 0 ? r : 0;
}

/*
 * A scan that has not looked into the streams may find them cut into other packets: then one that
 * looks does what is left. The clips that are done had all of theirs; the others begin anew.
 */
static int begin_anew(struct filler *f)
{
	if (f->is_looking || !f->source->index->layout.n_streams)
		return error_set(f->e, SC_UPLOAD_CHANGED, "the upload changed while it was cut");
	f->is_looking = true;
	f->is_other = false;
	for (size_t i = 0; i < f->n_active; i++) {
		struct filling *filling = f->active[i];

		for (size_t k = 0; k < filling->clip.movie.n_tracks; k++)
			filling->next[k] = filling->clip.tracks[k].n_head;
		filling->n_left = filling->n_all;
	}
	return 0;
}

int copy_clips_by_packets(struct media_source *source, const struct copy_selection *selection,
			  struct recoder *recoder, const struct copy_cut *cuts, size_t n_cuts,
			  char *dropped, struct clip_set *set, struct error *e)
{
	struct filler f = {.source = source,
			   .selection = selection,
			   .recoder = recoder,
			   .cuts = cuts,
			   .n_cuts = n_cuts,
			   .dropped = dropped,
			   .set = set,
			   .e = e};
	int r = write_behind_start(&f.writer);

	if (r < 0)
		return error_from_errno(e, r, "writing clips");
	do {
		r = scan_once(&f);
		if (r == 0 && f.is_other)
			r = begin_anew(&f);
	} while (r == 0 && (f.n_active || f.waiting || f.n_decided < n_cuts));
	write_behind_stop(f.writer); /* before the files are closed */
	for (size_t i = 0; i < f.n_active; i++)
		filling_free(&f, f.active[i]);
	filling_free(&f, f.waiting);
	return r;
}
