/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The run queue, a sorted list: jobs mostly arrive in the order in which they will run. */
#include "queue.h"

#include <stddef.h>

#include "storyclip/common/macros.h"

static const int64_t backoff_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000};

static bool runs_before(const struct queue_entry *a, const struct queue_entry *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->age < b->age;
}

void queue_add(struct queue *queue, struct queue_entry *entry)
{
	struct queue_entry *before = queue->last;

	while (before && runs_before(entry, before))
		before = before->prev;
	entry->prev = before;
	entry->next = before ? before->next : queue->first;
	*(entry->prev ? &entry->prev->next : &queue->first) = entry;
	*(entry->next ? &entry->next->prev : &queue->last) = entry;
	entry->is_queued = true;
	queue->n++;
}

void queue_remove(struct queue *queue, struct queue_entry *entry)
{
	if (!entry->is_queued)
		return;
	*(entry->prev ? &entry->prev->next : &queue->first) = entry->next;
	*(entry->next ? &entry->next->prev : &queue->last) = entry->prev;
	entry->next = entry->prev = NULL;
	entry->is_queued = false;
	queue->n--;
}

struct queue_entry *queue_next(const struct queue *queue, int64_t now_ms, int64_t *ret_wait_ms)
{
	int64_t wait_ms = -1;

	for (struct queue_entry *entry = queue->first; entry; entry = entry->next) {
		int64_t left = entry->not_before_ms - now_ms;

		if (!entry->is_ready)
			continue;
		if (left <= 0)
			return entry;
		if (wait_ms < 0 || left < wait_ms)
			wait_ms = left;
	}
	*ret_wait_ms = wait_ms;
	return NULL;
}

int64_t queue_backoff_ms(unsigned int failures)
{
	size_t last = SC_ARRAY_SIZE(backoff_ms) - 1, i = failures ? failures - 1 : 0;

	return backoff_ms[i < last ? i : last];
}
