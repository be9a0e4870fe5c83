/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * events: a line for every change of any job, to each open file from its open on.
 *
 * The lines are kept once for all readers, in a ring of fixed size that is there while somebody has
 * the file open. Each open file has a place in it. Who is overtaken gets a line that says how much
 * is missing. A line appears when the kernel was told of its change (notify.h), never before.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node.h"
#include "notify.h"
#include "pollers.h"

/** Some thousands of lines. */
#define EVENTS_RING_BYTES (1024 * 1024)

struct events {
	/* protected by fs.parked */
	char *ring; /* owned; NULL while nobody has it open */
	unsigned int n_open;
	uint64_t begin, end; /* places: of the oldest line, and behind the newest */
	struct poll_list pollers;
	/* protected by fs.notify */
	struct notify_item item;
	bool is_queued;
	uint64_t upto; /* what the item publishes */
};

extern const struct node_kind events_kind;

/** The engine's listener: its feed has grown. */
void events_grew(void *context);
/** From the notify thread. */
void events_wake_pollers(struct fs *fs);
