/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Subtitles as libavformat gives them, on their way into an index. Private to src/media. */
#pragma once

#include "packets.h"
#include "text_track.h"

/**
 * A stream's tag, at most 255 bytes of it; *ret is left where there is none. Players show the name
 * of a handler where they do not know that of a track, so a title is put into both.
 * @return 0, -ENOMEM
 */
int index_tag_copy(const AVStream *st, const char *key, char **ret);
/** What a stream's packets are put into. @return 0, -ENOMEM */
int index_text_open(const AVStream *st, struct text_track *ret);
/** A packet's cue, in the stream's own time. @return 0, -ENOMEM */
int index_text_add(struct text_track *text, const AVStream *st, const AVPacket *packet);
