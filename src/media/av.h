/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The border to libav: an opened descriptor as its input, its error numbers as ours, its messages
 * as lines of the job's log. Private to src/media. One thread at a time; libav's own decoder
 * threads may log at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>

#include "storyclip/common/macros.h"
#include "storyclip/error.h"
#include "storyclip/media.h"

struct mp4_mend;

/** A source opened by libav. It can reach nothing but the descriptor that it was given. */
struct av_input {
	AVFormatContext *format; /* owned; header read, avformat_find_stream_info() not yet called */
	AVIOContext *io;         /* owned; reads with pread(2), so the descriptor's offset stays */
	int fd;                  /* borrowed */
	int64_t size;
	int64_t offset;
	struct mp4_mend *mend; /* owned; what libav is not to see; NULL: nothing */
	uint64_t n_outside; /* how often a place behind the end was looked for */
	int read_error; /* the first negative errno that pread(2) gave; libav's own codes hide it */
	/* MPEG's clock begins again at 0 behind 26.5 hours; here it goes on, so a time may be below 0
	 * or above what the clock can say: whatever is nearest to the time before it. */
	int64_t clock_begin; /* time of the first packet given, of any stream; AV_NOPTS_VALUE: none
			      * yet. Who opens a source again sets it, as other streams may be read */
	int64_t *clocks;     /* owned; of each stream the last packet's; AV_NOPTS_VALUE: none yet */
	unsigned int n_clocks;
	const struct media_listener *listener; /* borrowed; told of every byte read and every message */
};

/**
 * Recognise the container and read its header. Only true containers are recognised, never a
 * playlist or a script that names other files, and libav is refused every other file.
 *
 * @param fd        borrowed until av_input_close(); must be seekable
 * @param listener  borrowed until av_input_close(); may be NULL. Gets libav's messages as well, a
 *                  bounded number a second, always on the thread that opened the last input
 * Codes: UPLOAD_INCOMPLETE (empty, or ends within its header or before its index), INVALID_MEDIA
 * (not recognised), OUT_OF_MEMORY, IO_ERROR.
 */
int av_input_open(int fd, const struct media_listener *listener, struct error *e,
		  struct av_input **ret);
/** The same without regard for the edit lists of an MP4: times are then the media's own. */
int av_input_open_unedited(int fd, const struct media_listener *listener, struct error *e,
			   struct av_input **ret);
void av_input_close(struct av_input *input);
SC_DEFINE_AUTO(av_input, av_input_close)

/* So many failing reads in a row are the end of a damaged file. */
#define AV_DAMAGE_MAX 1000

/** How many errors demuxers have told of so far: something was skipped where the number rises. */
unsigned long av_log_complaints(void);
/** Whether the container's clock is MPEG's, which counts 2^33 ticks. */
bool av_input_has_mpeg_clock(const struct av_input *input);
/**
 * The next packet; damage that the demuxer can get over is passed. Times go on where the clock
 * begins again at 0. @return as av_read_frame()
 */
int av_input_next(struct av_input *input, AVPacket *packet);

/**
 * Fill *e from libav's error number; the sentence gets ": <libav's text>" behind it. A failing
 * read of the source (input may be NULL) explains it better than the number does.
 * @return the negative errno
 */
int av_input_error(const struct av_input *input, int averror, struct error *e, const char *fmt, ...)
	SC_PRINTF(4, 5);

#define auto_av_packet __attribute__((cleanup(av_packet_free)))
#define auto_av_frame __attribute__((cleanup(av_frame_free)))
#define auto_av_codec __attribute__((cleanup(avcodec_free_context)))
#define auto_av_parameters __attribute__((cleanup(avcodec_parameters_free)))
#define auto_av_bsf __attribute__((cleanup(av_bsf_free)))
