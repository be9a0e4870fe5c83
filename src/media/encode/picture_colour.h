/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a frame says of its colours and fields, and what follows for its way to 4:2:0 with 8 bits.
 * Private to src/media. Any thread. */
#pragma once

#include <stdbool.h>

#include <libavutil/frame.h>

#include "filter_library.h"
#include "storyclip/common/buf.h"

bool colour_is_full_range(const AVFrame *frame);
bool colour_is_rgb(int format);
/** Whether the encoder takes the format as it is. */
bool colour_is_ready(int format);
/** The same format without the range in its name (yuvj420p): that is told by the frame. */
int colour_plain_format(int format);
/** What an RGB picture becomes: players take untagged pictures for BT.601 when small, for BT.709
 *  when large. The name as the filters know it. */
enum AVColorSpace colour_space_for_rgb(int height);
const char *colour_matrix_for_rgb(int height);

bool colour_is_interlaced(const AVFrame *frame);
/** PQ or HLG. */
bool colour_is_hdr(const AVFrame *frame);
/** Whether this libavfilter can map the HDR frame to BT.709. */
bool colour_can_tone_map(const AVFrame *frame, const struct filter_library *library);
/** Add the filters that do it, with yuv420p at their end. */
void colour_add_tone_map(struct buf *chain, const AVFrame *frame);
