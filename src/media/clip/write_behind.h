/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets written to clips by a thread of its own, while the next ones are read and taken apart: both
 * take about as long. Where no thread can be had they are written at once. Private to src/media; one
 * thread calls.
 */
#pragma once

#include <stdint.h>

#include <libavcodec/packet.h>

#include "storyclip/common/macros.h"

struct write_behind;

/** @return 0, -ENOMEM */
int write_behind_start(struct write_behind **ret);
/**
 * Write a packet's bytes to a place. Keeps a reference to them until they are; waits while too much is
 * waiting (4 MiB). Who hands them over in the order of their places has several written at once.
 *
 * @param fd  open until write_behind_wait() has returned
 * @return 0, -ENOMEM; what the disk says is told by write_behind_wait()
 */
int write_behind_put(struct write_behind *w, int fd, int64_t offset, const AVPacket *packet);
/** Until all are written. @return 0, or the first errno of a write, negative, again each time */
int write_behind_wait(struct write_behind *w);
/** Waits as well. Accepts NULL. */
void write_behind_stop(struct write_behind *w);
SC_DEFINE_AUTO(write_behind, write_behind_stop)
