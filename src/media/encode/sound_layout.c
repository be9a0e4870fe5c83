/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sound_layout.h"

#include <stddef.h>
#include <stdint.h>

#include "storyclip/common/macros.h"

#define FRONT (AV_CH_FRONT_LEFT | AV_CH_FRONT_RIGHT)
#define INNER (AV_CH_FRONT_LEFT_OF_CENTER | AV_CH_FRONT_RIGHT_OF_CENTER)
#define SIDES (AV_CH_SIDE_LEFT | AV_CH_SIDE_RIGHT)
#define BACKS (AV_CH_BACK_LEFT | AV_CH_BACK_RIGHT)

/*
 * What a channelConfiguration of AAC names (ISO/IEC 14496-3, 1.6.3.5), and so what every player knows.
 * The encoder of libavcodec takes more (it lists nothing, in 5.1 as in 7.1), but as a program config
 * element, which not every player reads. 7 is eight channels as libavcodec writes and reads it.
 */
static const struct {
	AVChannelLayout layout;
	uint64_t holds; /* what has a place there, a pair at the sides as one at the back */
} arrangements[] = {
	{AV_CHANNEL_LAYOUT_MONO, AV_CH_FRONT_CENTER},
	{AV_CHANNEL_LAYOUT_STEREO, FRONT},
	{AV_CHANNEL_LAYOUT_SURROUND, FRONT | AV_CH_FRONT_CENTER},
	{AV_CHANNEL_LAYOUT_4POINT0, FRONT | AV_CH_FRONT_CENTER | AV_CH_BACK_CENTER},
	{AV_CHANNEL_LAYOUT_5POINT0_BACK, FRONT | AV_CH_FRONT_CENTER | BACKS},
	{AV_CHANNEL_LAYOUT_5POINT1_BACK,
	 FRONT | AV_CH_FRONT_CENTER | BACKS | AV_CH_LOW_FREQUENCY},
	{AV_CHANNEL_LAYOUT_7POINT1,
	 FRONT | AV_CH_FRONT_CENTER | BACKS | SIDES | AV_CH_LOW_FREQUENCY},
};

/* Channels as those beside or behind one: with only a pair there, it has one name. */
static uint64_t channels_of(const AVChannelLayout *layout)
{
	AVChannelLayout usual = {0};
	uint64_t mask;

	if (layout->order == AV_CHANNEL_ORDER_UNSPEC) {
		av_channel_layout_default(&usual, layout->nb_channels);
		layout = &usual; /* native or still without an order: nothing to free */
	}
	mask = av_channel_layout_subset(layout, UINT64_MAX);
	if ((mask & SIDES) && !(mask & (BACKS | AV_CH_BACK_CENTER)))
		mask = (mask & ~SIDES) | BACKS;
	return mask;
}

void sound_layout_choose(const AVChannelLayout *from, AVChannelLayout *ret)
{
	uint64_t mask = channels_of(from);
	size_t i = 0, last = SC_ARRAY_SIZE(arrangements) - 1;

	/* Whatever the two are called, and whatever the one. */
	if (from->nb_channels <= 2) {
		*ret = arrangements[from->nb_channels == 2].layout;
		return;
	}
	if (mask & INNER) /* the converter mixes them into the front */
		mask = (mask & ~INNER) | FRONT;
	if ((mask & AV_CH_BACK_CENTER) && (mask & (BACKS | SIDES | AV_CH_LOW_FREQUENCY)))
		mask = (mask & ~AV_CH_BACK_CENTER) | BACKS; /* heard from both */
	while (i < last && (!mask || (mask & ~arrangements[i].holds)))
		i++;
	*ret = arrangements[i].layout;
}

bool sound_layout_is_kept(const AVChannelLayout *from, const AVChannelLayout *to)
{
	if (from->nb_channels <= 2)
		return from->nb_channels == to->nb_channels;
	return channels_of(from) == channels_of(to);
}
