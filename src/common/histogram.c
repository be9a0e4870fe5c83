/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Observations below fixed bounds: see histogram.h. Any thread, no lock. */
#include "storyclip/common/histogram.h"

const int64_t histogram_request_us[HISTOGRAM_BOUNDS] = {
	5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000, 50000, 250000, 1000000, 2500000,
};
const int64_t histogram_job_us[HISTOGRAM_BOUNDS] = {
	1000,    2500,    5000,     10000,    25000,     50000,     100000,
	250000, 1000000, 5000000, 30000000, 120000000, 600000000, 3600000000,
};

void histogram_observe(struct histogram *h, const int64_t bounds_us[HISTOGRAM_BOUNDS], int64_t us)
{
	unsigned int i = 0;

	if (us < 0)
		us = 0;
	while (i < HISTOGRAM_BOUNDS && us > bounds_us[i])
		i++;
	atomic_fetch_add_explicit(&h->n[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, (uint64_t)us, memory_order_relaxed);
}

void histogram_read(const struct histogram *h, const int64_t bounds_us[HISTOGRAM_BOUNDS],
		    struct histogram_values *ret)
{
	uint64_t sum = 0;

	ret->bounds_us = bounds_us;
	ret->sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
	for (unsigned int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		sum += atomic_load_explicit(&h->n[i], memory_order_relaxed);
		ret->upto[i] = sum;
	}
}
