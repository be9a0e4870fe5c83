/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long things took: numbers of observations below fixed bounds, as Prometheus wants them.
 * Lock-free: one observation is two additions. Any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 14

/** Microseconds, rising. Requests of the kernel (5 µs to 2.5 s), and steps of jobs (1 ms to 1 h). */
extern const int64_t histogram_request_us[HISTOGRAM_BOUNDS];
extern const int64_t histogram_job_us[HISTOGRAM_BOUNDS];

struct histogram {
	atomic_uint_fast64_t n[HISTOGRAM_BOUNDS + 1]; /* the last: above all bounds */
	atomic_uint_fast64_t sum_us;
};

/** What a histogram said at one moment: cumulative, as it is printed. */
struct histogram_values {
	const int64_t *bounds_us;
	uint64_t upto[HISTOGRAM_BOUNDS + 1]; /* observations at or below each bound; the last: all */
	uint64_t sum_us;
};

/** @param bounds_us  one of the two, always the same for one histogram; us below 0 counts as 0 */
void histogram_observe(struct histogram *h, const int64_t bounds_us[HISTOGRAM_BOUNDS], int64_t us);
void histogram_read(const struct histogram *h, const int64_t bounds_us[HISTOGRAM_BOUNDS],
		    struct histogram_values *ret);
