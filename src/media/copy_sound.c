/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sound encoded anew beside a copied picture. Entered by the media thread. */
#include "copy_sound.h"

#include <string.h>

#include "encode_sound.h"
#include "encode_spool.h"

struct copy_sound {
	struct media_source *source;
	struct sound_encoder *sounds[INDEX_MAX_TRACKS]; /* owned */
	size_t n_sounds;
	struct spool spool;
};

/* A sound that cannot even be decoded: the picture goes without it. */
static int leave_out(const struct media_source *source, const struct index_track *track,
		     const struct error *why, char **dropped)
{
	auto_buf struct buf names = BUF_EMPTY;

	listener_warning(source->listener, "the sound in %s (stream %u) is left out: %s",
			 track->codec, track->number, why->message);
	if (strcmp(*dropped, "[]") != 0)
		buf_add_str(&names, *dropped);
	index_add_dropped(&names, track->number, "audio", track->codec);
	if (buf_error(&names) < 0)
		return -ENOMEM;
	free(*dropped);
	*dropped = buf_take(&names, NULL);
	return 0;
}

static int open_sound(struct copy_sound *sound, const struct index_track *track, char **dropped,
		      struct error *e)
{
	struct error why = {0};
	int r = sound_open(sound->source, track, &why, &sound->sounds[sound->n_sounds]);

	if (r == 0) {
		sound->n_sounds++;
		listener_warning(sound->source->listener,
				 "the sound in %s (stream %u) is encoded anew, as AAC, because an "
				 "MP4 cannot hold it as it is",
				 track->codec, track->number);
		return 0;
	}
	if (why.code != SC_UNSUPPORTED_CODEC && why.code != SC_INVALID_MEDIA) {
		*e = why;
		return r;
	}
	r = leave_out(sound->source, track, &why, dropped);
	return r < 0 ? error_from_errno(e, r, "preparing the clips") : 0;
}

int copy_sound_open(struct media_source *source, const struct copy_selection *selection, int dir_fd,
		    char **dropped, struct error *e, struct copy_sound **ret)
{
	auto_of(copy_sound) struct copy_sound *sound = NULL;
	int r;

	*ret = NULL;
	if (!selection->n_recoded)
		return 0;
	sound = calloc(1, sizeof(*sound));
	if (!sound)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	sound->source = source;
	sound->spool.fd = -1;
	r = spool_open(&sound->spool, dir_fd);
	if (r < 0)
		return error_from_errno(e, r, "opening the spool");
	for (size_t i = 0; i < selection->n_recoded && r == 0; i++)
		r = open_sound(sound, &source->index->tracks[selection->recoded[i]], dropped, e);
	if (r < 0)
		return r;
	if (sound->n_sounds)
		*ret = take_ptr(sound);
	return 0;
}

void copy_sound_close(struct copy_sound *sound)
{
	if (!sound)
		return;
	for (size_t i = 0; i < sound->n_sounds; i++)
		sound_close(sound->sounds[i]);
	spool_close(&sound->spool);
	free(sound);
}

/* All that a sound has between the cut's ends, into the spool. */
static int encode(struct copy_sound *sound, struct sound_encoder *s, const struct copy_cut *cut,
		  struct error *e)
{
	uint32_t timescale = index_main(sound->source->index)->timescale;
	int r = sound_begin(s, index_rescale(cut->start, s->rate, timescale),
			    index_rescale(cut->end, s->rate, timescale), e);

	while (r == 0 && !s->is_done) {
		r = sound_step(s, &sound->spool, e);
		listener_worked(sound->source->listener, 1);
	}
	return r == 0 ? sound_end(s, &sound->spool, e) : r;
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

/* The spool as one more range, behind all of the source's. */
static int add_range(struct copy_clip *clip, const struct spool *spool)
{
	size_t n = clip->movie.n_ranges;
	struct mp4_range *ranges = reallocarray(clip->ranges, n + 1, sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	ranges[n] = (struct mp4_range){clip->movie.spool_base, spool->size};
	clip->movie.ranges = clip->ranges = ranges;
	clip->movie.n_ranges = n + 1;
	clip->movie.spool_fd = spool->fd;
	return 0;
}

int copy_sound_add(struct copy_sound *sound, const struct copy_cut *cut, unsigned int number,
		   struct copy_clip *clip, struct error *e)
{
	const struct mp4_range *last = &clip->ranges[clip->movie.n_ranges - 1];
	size_t n_tracks = clip->movie.n_tracks;
	int r;

	if (!sound)
		return 0;
	r = spool_reset(&sound->spool);
	if (r < 0)
		return error_from_errno(e, r, "writing clip %u", number);
	clip->movie.spool_base = (last->offset + last->length) / MP4_BLOCK * MP4_BLOCK + MP4_BLOCK;
	for (size_t i = 0; i < sound->n_sounds; i++) {
		struct sound_encoder *s = sound->sounds[i];

		r = encode(sound, s, cut, e);
		if (r < 0)
			return r;
		r = sound_is_there(s) ? add_track(clip, s) : 0;
		if (r < 0)
			return error_from_errno(e, r, "preparing clip %u", number);
	}
	if (clip->movie.n_tracks == n_tracks)
		return 0;
	r = add_range(clip, &sound->spool);
	return r < 0 ? error_from_errno(e, r, "preparing clip %u", number) : 0;
}
