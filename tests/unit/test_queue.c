/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who runs next: priority, age, back-off, and those whose upload is not closed. */
#include "../../src/engine/queue.h"

#include "check.h"

static struct queue_entry entries[8];

static struct queue_entry *entry(unsigned int i, int priority, uint64_t age, int64_t not_before_ms,
				 bool is_ready)
{
	entries[i] = (struct queue_entry){.priority = priority, .age = age,
					  .not_before_ms = not_before_ms, .is_ready = is_ready};
	return &entries[i];
}

static void test_order(void)
{
	struct queue queue = {0};
	int64_t wait_ms = 0;

	CHECK(!queue_next(&queue, 0, &wait_ms));
	CHECK_INT(wait_ms, -1);
	queue_add(&queue, entry(0, 0, 10, 0, true));
	queue_add(&queue, entry(1, 0, 11, 0, true));
	queue_add(&queue, entry(2, 5, 1, 0, true));   /* nicer than the others: last */
	queue_add(&queue, entry(3, -5, 99, 0, true)); /* first, though the youngest */
	queue_add(&queue, entry(4, 0, 9, 0, true));   /* came back from a failure: its age counts */
	CHECK_INT(queue.n, 5);
	static const unsigned int order[] = {3, 4, 0, 1, 2};

	for (size_t i = 0; i < 5; i++) {
		struct queue_entry *next = queue_next(&queue, 0, &wait_ms);

		CHECK(next == &entries[order[i]]);
		queue_remove(&queue, next);
		queue_remove(&queue, next); /* twice is well */
	}
	CHECK_INT(queue.n, 0);
	CHECK(!queue.first && !queue.last);
}

static void test_waiting(void)
{
	struct queue queue = {0};
	int64_t wait_ms = 0;

	queue_add(&queue, entry(0, 0, 1, 0, false));  /* its upload is open */
	queue_add(&queue, entry(1, 0, 2, 500, true)); /* backs off */
	queue_add(&queue, entry(2, 0, 3, 300, true));
	CHECK(!queue_next(&queue, 100, &wait_ms));
	CHECK_INT(wait_ms, 200);
	CHECK(queue_next(&queue, 300, &wait_ms) == &entries[2]);
	CHECK(queue_next(&queue, 500, &wait_ms) == &entries[1]); /* the older one */
	entries[0].is_ready = true;
	CHECK(queue_next(&queue, 100, &wait_ms) == &entries[0]);
	/* From the middle, and the ends. */
	queue_remove(&queue, &entries[1]);
	CHECK(queue.first == &entries[0] && queue.last == &entries[2]);
	CHECK(entries[0].next == &entries[2] && entries[2].prev == &entries[0]);
	queue_remove(&queue, &entries[0]);
	queue_remove(&queue, &entries[2]);
	CHECK_INT(queue.n, 0);
}

static void test_backoff(void)
{
	static const int64_t want[] = {1000, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

	for (unsigned int i = 0; i < 9; i++)
		CHECK_INT(queue_backoff_ms(i), want[i]);
	CHECK_INT(queue_backoff_ms(1000000), 60000);
}

int main(void)
{
	test_order();
	test_waiting();
	test_backoff();
	return check_result();
}
