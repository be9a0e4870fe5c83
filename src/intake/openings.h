/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that are about to be opened for writing, or cut to a size. The mount asks whether a job holds
 * the file, and opens it then; a job is accepted between the two, and would run while somebody writes.
 * So whoever wants to write is noted before the question, and the job waits, once it is there to be
 * asked for, until all who were noted are writers or were refused. Any thread.
 */
#pragma once

#include <sys/types.h>

#include "storyclip/common/macros.h"
#include "storyclip/intake.h"

struct openings;

int openings_create(struct openings **ret);
void openings_destroy(struct openings *openings);
SC_DEFINE_AUTO(openings, openings_destroy)

/** @param opening  the caller's memory, until openings_end() */
void openings_begin(struct openings *openings, dev_t dev, ino_t ino, struct intake_opening *opening);
void openings_end(struct openings *openings, struct intake_opening *opening);
/** Block until none of a file goes on: as long as an open(2) of it may last. */
void openings_wait(struct openings *openings, dev_t dev, ino_t ino);
