/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sound and heads encoded anew beside what is copied. Entered by the media thread. */
#include "recode.h"

#include <string.h>

#include "../encode/encode_sound.h"
#include "../encode/encode_spool.h"
#include "recode_head.h"

struct recoder {
	struct media_source *source;
	struct sound_encoder *sounds[INDEX_MAX_TRACKS]; /* owned */
	size_t n_sounds;
	struct head_encoder *head; /* owned; NULL: no clip has one */
	struct spool spool;
};

static int open_sound(struct recoder *recoder, const struct index_track *track, char **dropped,
		      struct error *e)
{
	struct error why = {0};
	int r = sound_open(recoder->source, track, &why, &recoder->sounds[recoder->n_sounds]);

	if (r == 0) {
		recoder->n_sounds++;
		listener_recoded(recoder->source->listener, track);
		return 0;
	}
	if (why.code != SC_UNSUPPORTED_CODEC && why.code != SC_INVALID_MEDIA) {
		*e = why;
		return r;
	}
	/* The picture goes without it. */
	r = sound_leave_out(recoder->source, track, &why, dropped);
	return r < 0 ? error_from_errno(e, r, "preparing the clips") : 0;
}

int recoder_open(struct media_source *source, const struct copy_selection *selection, int dir_fd,
		    char **dropped, struct error *e, struct recoder **ret)
{
	auto_of(recoder) struct recoder *recoder = NULL;
	int r;

	*ret = NULL;
	if (!selection->n_recoded && !selection->has_heads)
		return 0;
	recoder = calloc(1, sizeof(*recoder));
	if (!recoder)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	recoder->source = source;
	recoder->spool.fd = -1;
	r = spool_open(&recoder->spool, dir_fd);
	if (r < 0)
		return error_from_errno(e, r, "opening the spool");
	for (size_t i = 0; i < selection->n_recoded && r == 0; i++)
		r = open_sound(recoder, &source->index->tracks[selection->recoded[i]], dropped, e);
	if (r == 0 && selection->has_heads)
		r = head_open(source, e, &recoder->head);
	if (r < 0)
		return r;
	if (recoder->n_sounds || recoder->head)
		*ret = take_ptr(recoder);
	return 0;
}

void recoder_close(struct recoder *recoder)
{
	if (!recoder)
		return;
	for (size_t i = 0; i < recoder->n_sounds; i++)
		sound_close(recoder->sounds[i]);
	head_close(recoder->head);
	spool_close(&recoder->spool);
	free(recoder);
}

/* All that a sound has between the cut's ends, into the spool. */
static int encode(struct recoder *recoder, struct sound_encoder *s, const struct copy_cut *cut,
		  struct error *e)
{
	uint32_t timescale = index_main(recoder->source->index)->timescale;
	int r = sound_begin(s, index_rescale(cut->start, s->rate, timescale),
			    index_rescale(cut->end, s->rate, timescale), e);

	while (r == 0 && !s->is_done) {
		r = sound_step(s, &recoder->spool, e);
		listener_worked(recoder->source->listener, 1);
	}
	return r == 0 ? sound_end(s, &recoder->spool, e) : r;
}

/* Room for a track behind those that stand before it in the source. */
static size_t make_place(struct copy_clip *clip, const struct index_track *track)
{
	size_t at = clip->movie.n_tracks++;

	for (; at > 0 && clip->tracks[at - 1].source > track; at--) {
		clip->tracks[at] = clip->tracks[at - 1];
		clip->out[at] = clip->out[at - 1];
	}
	clip->tracks[at] = (struct copy_track){.source = track, .is_spooled = true};
	return at;
}

/* The encoder forgets its samples with the next clip; some clips wait longer to be finished. */
static int add_track(struct copy_clip *clip, const struct sound_encoder *s)
{
	size_t at = make_place(clip, s->track);
	struct copy_track *track = &clip->tracks[at];
	struct mp4_out_track *out = &clip->out[at];
	auto_buf struct buf stsd = BUF_EMPTY;
	int r = sound_track(s, &stsd, out);

	if (r < 0)
		return r;
	track->stsd = (uint8_t *)buf_take(&stsd, NULL);
	track->samples = malloc(s->out.n_samples * sizeof(*track->samples));
	if (!track->stsd || !track->samples)
		return -ENOMEM;
	memcpy(track->samples, s->out.samples, s->out.n_samples * sizeof(*track->samples));
	track->n_samples = s->out.n_samples;
	for (size_t i = 0; i < track->n_samples; i++)
		track->samples[i].offset += clip->movie.spool_base;
	out->stsd = track->stsd;
	out->samples = track->samples;
	return 0;
}

/* The spool as one more range, before or behind all of the source's. */
static int add_range(struct copy_clip *clip, struct spool *spool)
{
	size_t n = clip->movie.n_ranges;
	struct mp4_range *ranges = reallocarray(clip->ranges, n + 1, sizeof(*ranges));
	int r;

	if (!ranges)
		return -ENOMEM;
	clip->movie.ranges = clip->ranges = ranges;
	if (clip->movie.is_spool_first) { /* what follows keeps its place within a block */
		r = spool_fill(spool, MP4_BLOCK);
		if (r < 0)
			return r;
	}
	ranges[n] = (struct mp4_range){clip->movie.spool_base, spool->size};
	clip->movie.n_ranges = n + 1;
	clip->movie.spool_fd = spool->fd;
	return 0;
}

static int add_sounds(struct recoder *recoder, const struct copy_cut *cut, unsigned int number,
		      struct copy_clip *clip, struct error *e)
{
	for (size_t i = 0; i < recoder->n_sounds; i++) {
		struct sound_encoder *s = recoder->sounds[i];
		int r = encode(recoder, s, cut, e);

		if (r < 0)
			return r;
		r = sound_is_there(s) ? add_track(clip, s) : 0;
		if (r < 0)
			return error_from_errno(e, r, "preparing clip %u", number);
	}
	return 0;
}

int recoder_add(struct recoder *recoder, const struct copy_cut *cut, unsigned int number,
		struct copy_clip *clip, struct error *e)
{
	int64_t behind = 0;
	int r;

	if (!recoder || (!recoder->n_sounds && !clip->tracks[0].n_head))
		return 0;
	r = spool_reset(&recoder->spool);
	if (r < 0)
		return error_from_errno(e, r, "writing clip %u", number);
	for (size_t i = 0; i < clip->movie.n_ranges; i++)
		behind = clip->ranges[i].offset + clip->ranges[i].length;
	clip->movie.spool_base = behind / MP4_BLOCK * MP4_BLOCK + MP4_BLOCK;
	clip->movie.is_spool_first = clip->tracks[0].n_head > 0;
	if (clip->tracks[0].n_head)
		r = head_add(recoder->head, number, &recoder->spool, clip, e);
	if (r == 0)
		r = add_sounds(recoder, cut, number, clip, e);
	if (r < 0)
		return r;
	r = recoder->spool.size ? add_range(clip, &recoder->spool) : 0;
	return r < 0 ? error_from_errno(e, r, "preparing clip %u", number) : 0;
}
