/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How old something is of which only the wall time is known, when the wall clock may have jumped
 * since: a jump forward makes nothing older. The wall clock is compared with the monotonic one at
 * each tick; how far it ran ahead is taken off the age of whatever was there before. Where that is
 * in doubt the younger age is the answer. Not locked: whoever has it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storyclip/common/buf.h"

#define AGING_JUMPS 16
/* Less than this is no jump, but the delay between two readings, or a clock that is being slewed. */
#define AGING_SLACK_MS 500

struct aging {
	bool is_begun;
	int64_t wall_ms, mono_ms; /* of the last tick */
	struct {
		int64_t until_ms; /* wall time right before: what is of later is not concerned */
		int64_t by_ms;    /* forward, > 0 */
	} jumps[AGING_JUMPS];
	unsigned int n_jumps;
};

/** Compare the clocks. @return whether a jump was seen */
bool aging_tick(struct aging *aging, int64_t wall_ms, int64_t mono_ms);
/** Age at the last tick of what happened at that wall time. Never negative. */
int64_t aging_age_ms(const struct aging *aging, int64_t at_ms);

/** One line that aging_parse() reads; boot_id: without blanks. */
void aging_print(const struct aging *aging, const char *boot_id, struct buf *out);
/**
 * What is left of an earlier life of the daemon. Of the same boot: monotonic time went on, so a jump
 * meanwhile is seen by the next tick. Of another: only the jumps are taken over, and the wall clock is
 * believed for the time in between, since nothing else is known of it.
 */
void aging_parse(struct aging *aging, const char *text, const char *boot_id);
