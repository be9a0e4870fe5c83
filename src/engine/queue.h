/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who runs next: the jobs that wait, in order of priority and age, each with the time before which
 * it does not start. Plain data under the lock of whoever has it; no clock, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct queue_entry {
	struct queue_entry *next, *prev;
	int priority;          /* lower runs first, as nice(1) */
	uint64_t age;          /* lower is older: the order of acceptance, also after a retry */
	int64_t not_before_ms; /* monotonic */
	bool is_ready;         /* its upload is closed */
	bool is_queued;
};

struct queue {
	struct queue_entry *first, *last;
	unsigned int n;
};

/** Put it at its place. It must not be in a queue. */
void queue_add(struct queue *queue, struct queue_entry *entry);
/** Take it out; well when it is in none. */
void queue_remove(struct queue *queue, struct queue_entry *entry);
/**
 * The first that may run now; it stays in the queue.
 * @param ret_wait_ms  when there is none: how long until one may, -1: until something changes
 */
struct queue_entry *queue_next(const struct queue *queue, int64_t now_ms, int64_t *ret_wait_ms);

/** How long to wait before the next try, after so many failures (1: the first). */
int64_t queue_backoff_ms(unsigned int failures);
