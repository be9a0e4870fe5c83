/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which channels sound has once it is AAC. Private to src/media. Any thread. */
#pragma once

#include <stdbool.h>

#include <libavutil/channel_layout.h>

/**
 * The smallest arrangement of AAC that has a place for each channel; the one of eight where none has.
 * @param from  of the source, may be without an order
 * @param ret   of the native order: nothing to free in it
 */
void sound_layout_choose(const AVChannelLayout *from, AVChannelLayout *ret);
/** Whether these are the same channels, but for the name of the pair beside or behind one. */
bool sound_layout_is_kept(const AVChannelLayout *from, const AVChannelLayout *to);
