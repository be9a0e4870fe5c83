/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs as a table: id, state, progress, clips, upload, age. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "jobs.h"
#include "storyclip/common/buf.h"
#include "term.h"

/**
 * Add a head line and a line per job, whole lines that fit the terminal's width.
 * @param has_bars  the progress as a bar too, where the terminal is wide enough
 */
void table_add_jobs(struct buf *out, const struct term *term, const struct job_status **jobs,
		    size_t n, bool has_bars);
