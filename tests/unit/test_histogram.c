/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Observations fall below the bounds they should, and none is lost between threads. */
#include <pthread.h>

#include "check.h"
#include "storyclip/common/histogram.h"

#define THREADS 4
#define TIMES   20000

static void test_bounds(void)
{
	struct histogram h = {0};
	struct histogram_values v;

	histogram_observe(&h, histogram_request_us, -3);
	histogram_observe(&h, histogram_request_us, 5);
	histogram_observe(&h, histogram_request_us, 6);
	histogram_observe(&h, histogram_request_us, 2500000);
	histogram_observe(&h, histogram_request_us, 2500001);
	histogram_read(&h, histogram_request_us, &v);
	CHECK_INT(v.upto[0], 2); /* at most 5 µs */
	CHECK_INT(v.upto[1], 3);
	CHECK_INT(v.upto[HISTOGRAM_BOUNDS - 1], 4);
	CHECK_INT(v.upto[HISTOGRAM_BOUNDS], 5);
	CHECK_INT(v.sum_us, 5 + 6 + 2500000 + 2500001);
	for (unsigned int i = 1; i < HISTOGRAM_BOUNDS; i++) {
		CHECK(histogram_request_us[i] > histogram_request_us[i - 1]);
		CHECK(histogram_job_us[i] > histogram_job_us[i - 1]);
	}
}

static void *observe(void *arg)
{
	for (int i = 0; i < TIMES; i++)
		histogram_observe(arg, histogram_job_us, i);
	return NULL;
}

static void test_threads(void)
{
	static struct histogram h;
	struct histogram_values v;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, observe, &h) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	histogram_read(&h, histogram_job_us, &v);
	CHECK_INT(v.upto[HISTOGRAM_BOUNDS], THREADS * TIMES);
	CHECK_INT(v.sum_us, (uint64_t)THREADS * TIMES * (TIMES - 1) / 2);
}

int main(void)
{
	test_bounds();
	test_threads();
	return check_result();
}
