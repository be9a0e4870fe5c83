/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One sound stream to AAC, cut to the sample: decoded once from clip to clip, with an encoder per
 * clip. Private to src/media. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"
#include "encode_spool.h"

struct SwrContext;

/** Positions are presented time in samples of `rate`. */
struct sound_encoder {
	struct decoder *decoder;
	const struct index_track *track; /* borrowed */
	struct SwrContext *swr;          /* to planar float, the rate and the channels of the encoder */
	uint32_t rate;
	AVChannelLayout layout;
	bool is_told; /* that the channels become others */
	struct { /* what swr was made for */
		int format, rate;
		AVChannelLayout layout;
	} source;
	AVFrame *pcm; /* the decoder's current frame, converted */
	bool has_pcm;
	const struct index_track *part; /* borrowed: pcm's, as decoder_part() */
	int64_t pcm_start;  /* position of its first sample */
	int64_t passed_end; /* all before this is gone; INT64_MIN after opening and seeking */
	/* The clip's. */
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *block; /* collects the encoder's frame size; nb_samples of it are filled */
	int64_t from, to;
	int64_t position; /* all before it is with the encoder */
	int64_t n_real;   /* samples of the clip that were not made up */
	struct spool_track out;
	bool is_done;
};

/**
 * Open the stream. Codes: UNSUPPORTED_CODEC or INVALID_MEDIA when the stream is of no use (the
 * caller may go on without it), OUT_OF_MEMORY, IO_ERROR.
 */
int sound_open(const struct media_source *source, const struct index_track *track, struct error *e,
	       struct sound_encoder **ret);
void sound_close(struct sound_encoder *s);
/**
 * After sound_open() has called it of no use: say so, and name it among what is left out.
 * @param why      of sound_open()
 * @param dropped  owned JSON array, as media_index.dropped; replaced
 * @return 0 or -ENOMEM
 */
int sound_leave_out(const struct media_source *source, const struct index_track *track,
		    const struct error *why, char **dropped);
SC_DEFINE_AUTO(sound_encoder, sound_close)

/** Begin a clip of the samples [from, to). Ends the one before. */
int sound_begin(struct sound_encoder *s, int64_t from, int64_t to, struct error *e);
/** Encode what one decoded frame gives; gaps become silence. is_done says that it was the last. */
int sound_step(struct sound_encoder *s, struct spool *spool, struct error *e);
/** Write what the encoder still holds. */
int sound_end(struct sound_encoder *s, struct spool *spool, struct error *e);

/** Whether the clip got any sound at all; else it has no such track. */
bool sound_is_there(const struct sound_encoder *s);
/** Describe the finished track; it borrows from s and stsd (filled; freed by the caller). */
int sound_track(const struct sound_encoder *s, struct buf *stsd, struct mp4_out_track *ret);
