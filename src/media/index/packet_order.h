/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When frames are shown, where the container does not say it of each: AVI, ASF, MPEG program
 * streams and streams without container. The coded pictures themselves tell their order (a picture
 * order count, or B pictures between the others). Private to src/media. One thread.
 */
#pragma once

#include <stdbool.h>

#include "../av.h"
#include "index.h"

struct packet_order;

/** Whether a container of this kind may leave out when frames are shown. */
bool packet_order_is_hidden(const AVFormatContext *format);

/**
 * @param ret  NULL where it is not needed: the container always tells, or the codec is not one
 *             whose pictures are shown in another order
 * @return 0, -ENOMEM
 */
int packet_order_open(const AVFormatContext *format, const AVStream *st, struct packet_order **ret);
void packet_order_close(struct packet_order *order);
SC_DEFINE_AUTO(packet_order, packet_order_close)

/**
 * No time of showing is known: what the packets say is not said of the pictures, which were packed
 * two into one.
 */
void packet_order_forget(struct packet_order *order);

/** Note the next packet of the stream. @return 0, -ENOMEM */
int packet_order_add(struct packet_order *order, const AVPacket *packet, bool is_idr);

/**
 * Give each sample the pts that its place in the order of showing asks for: those that are known
 * stay, the others lie evenly between them; where none is known they are the dts, moved so far that
 * no frame is shown before it is decoded (as decoders count).
 *
 * @param samples  as many as were added; their dts rise
 * @return 0, -ENOMEM, -EINVAL (what is known contradicts the order: nothing was changed)
 */
int packet_order_apply(struct packet_order *order, struct index_sample *samples, int64_t step);

/** The duration of a frame by the stream's rate, in its ticks; 0 unknown. */
int64_t packet_frame_ticks(AVFormatContext *format, AVStream *st);
