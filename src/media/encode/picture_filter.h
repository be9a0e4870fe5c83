/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decoded frames made ready for the encoder by libavfilter: deinterlaced, cropped, scaled, mapped
 * from HDR, padded and turned, as far as a clip needs it. Most need nothing, then no frame comes
 * here. No filter is used that could open a file. Private to src/media. One thread (libavfilter
 * uses some beneath it).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libavutil/frame.h>

#include "../index/index.h"
#include "../source.h"
#include "filter_library.h"
#include "picture_shape.h"

struct picture_filter {
	struct filter_library library;
	const struct media_source *source; /* borrowed */
	const char *turn; /* what brings the picture upright; "" when it stays as it is stored */
	bool is_turned;   /* by a quarter */
	bool is_upright;  /* what comes out of a reshaping chain needs no matrix */
	/* What was seen so far in the job, each told once. */
	bool is_interlaced, is_hdr;
	/* The clip's; no graph: its frames are encoded as they are. */
	AVFilterGraph *graph;      /* owned */
	AVFilterContext *in, *out; /* the graph's */
	AVFrame *frame;            /* owned */
	AVRational time_base;      /* of times given and taken */
	int width, height;         /* of what comes out; 0 until the clip's first frame */
	bool is_tone_mapped;       /* what comes out is BT.709 */
	struct {
		int width, height, format, trc, colorspace;
		AVRational sar;
		bool is_full_range, is_interlaced;
	} made_for; /* the frames that the graph takes */
};

/** Codes: NO_VIDEO (a size is asked for and there is only sound), INTERNAL, OUT_OF_MEMORY. */
int picture_filter_init(struct picture_filter *f, const struct media_source *source,
			struct error *e);
void picture_filter_finish(struct picture_filter *f);

/**
 * Begin a clip with this frame (which is not taken in). f->width and f->height are set then.
 *
 * @param sar        how wide the source's pixels are
 * @param time_base  of the times to come
 * Codes: LIMIT_EXCEEDED (the picture would be too large), INTERNAL, OUT_OF_MEMORY
 */
int picture_filter_begin(struct picture_filter *f, const AVFrame *first, AVRational sar,
			 AVRational time_base, struct error *e);
/** Whether this frame needs other filters than those that are there. Then end it and begin again.
 */
bool picture_filter_fits(const struct picture_filter *f, const AVFrame *frame);
/** Make a new graph for frames like this one; the size stays the clip's. */
int picture_filter_change(struct picture_filter *f, const AVFrame *frame, struct error *e);

/** Give a frame with its time (NULL: there are no more), then take until nothing comes.
 *  Negative AVERRORs. */
int picture_filter_give(struct picture_filter *f, const AVFrame *frame, int64_t time);
/** @return 1 with *ret filled, 0 when more must be given or all was taken */
int picture_filter_take(struct picture_filter *f, AVFrame *ret);

/** How wide a pixel is that comes out. */
AVRational picture_filter_sar(const struct picture_filter *f);
/** Whether what comes out has a size of its own: the track's size and matrix are not the source's.
 */
bool picture_filter_reshapes(const struct picture_filter *f);
