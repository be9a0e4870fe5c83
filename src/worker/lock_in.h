/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a worker gives up, and how much it may use at each step. Private to src/worker. */
#pragma once

#include <stdint.h>

#include "storyclip/error.h"

/**
 * Before the first byte of the source is looked at. Only the source and the clips' directory stay
 * within reach, and a budget for recognising and reading an index of source_bytes.
 */
void lock_in(int64_t source_bytes);

/** The budget for cutting total_us of a picture of so many pixels (0: only sound). */
void lock_in_allow_cut(int64_t source_bytes, int64_t pixels, double total_us);

/** A failure that a limit explains gets the limit's code and a sentence that names it. */
int lock_in_explain(int r, struct error *e);

/** `storyclip-worker --sandbox`: lock in without a job, print one JSON object for health. */
int lock_in_print(void);
