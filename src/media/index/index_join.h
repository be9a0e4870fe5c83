/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A clock that begins again within a file: two recordings one behind the other, or a writer that
 * lost where it was. What comes behind is put where what came before has ended, picture and sound
 * by as much, so that nothing is at two times or lost. Private to src/media. One thread.
 */
#pragma once

#include "index_scan.h"

/**
 * Note the newest sample of a track if it is earlier than any before it can be. A frame is
 * shown before at most 16 that are decoded before it (H.264 and HEVC, the deepest reordering), each
 * perhaps in two fields, so one that is earlier than the last 33 is no reordered one; sound is
 * never shown in another order. A keyframe that is decoded before the picture before it was (where
 * the container says when) is another recording's.
 *
 * @param is_decoded_earlier  the container says so of a keyframe
 * @param pos  where its packet lies in the file, < 0 unknown: then it is not noted
 */
void index_join_note(struct packet_scan *scan, size_t number, bool is_decoded_earlier, int64_t pos);

/** Whether files of this kind may be put one behind the other. */
bool index_join_is_possible(const struct packet_scan *scan);

/**
 * Put the parts behind each other in all tracks' samples, if the clocks of all begin again equally
 * often and stay there: a single wrong time is no new beginning. Where only the picture's says so,
 * and by a little, the others have a part's end at the same place in the file. Else tracks stay as
 * they are and a picture is marked as jumping. The job's warnings name the times.
 */
void index_join_parts(struct packet_scan *scan);
