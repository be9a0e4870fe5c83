/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ordered feed of changes: see feed.h. Any thread. */
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* So many changes wait for their reader at most; the oldest go first, and their numbers with them,
 * by which the reader sees that something is missing. */
#define FEED_MAX 4096

void feed_init(struct feed *feed)
{
	memset(feed, 0, sizeof(*feed));
	feed->last = &feed->first;
}

void feed_finish(struct feed *feed)
{
	job_changes_free(feed->first);
	feed_init(feed);
}

void job_changes_free(struct job_change *changes)
{
	while (changes) {
		struct job_change *change = changes;

		changes = change->next;
		free(change->upload_id);
		free(change->user_id);
		free(change);
	}
}

static struct job_change *take_first(struct feed *feed)
{
	struct job_change *change = feed->first;

	feed->first = change->next;
	if (!feed->first)
		feed->last = &feed->first;
	feed->n--;
	change->next = NULL;
	return change;
}

void feed_add_locked(struct engine *engine, const struct job_snapshot *job, unsigned int what)
{
	struct feed *feed = &engine->feed;
	struct job_change *change;

	feed->seq++;
	if (!feed->n_readers)
		return;
	change = calloc(1, sizeof(*change));
	if (!change)
		return; /* its number is missing */
	change->seq = feed->seq;
	change->at_ms = engine_wall_ms(engine);
	change->what = what;
	change->version = job->version;
	memcpy(change->id, job->id, sizeof(change->id));
	change->state = job->state;
	change->progress = job->progress;
	memcpy(change->message, job->message, sizeof(change->message));
	change->code = job->error.err ? job->error.code : SC_OK;
	change->attempt = job->attempt;
	change->total_clips = job->total_clips;
	change->clips_ready = job->clips_ready;
	change->owner_uid = job->owner_uid;
	change->upload_id = job->upload_id ? strdup(job->upload_id) : NULL;
	change->user_id = job->user_id ? strdup(job->user_id) : NULL;
	*feed->last = change;
	feed->last = &change->next;
	if (++feed->n > FEED_MAX)
		job_changes_free(take_first(feed));
}

bool feed_told(struct engine *engine, const char *job_id, uint64_t version)
{
	bool is_read;

	lock_acquire(&engine->jobs);
	is_read = engine->feed.n_readers;
	for (struct job_change *c = engine->feed.first; c; c = c->next)
		if (c->version <= version && !strcmp(c->id, job_id))
			c->is_told = true;
	lock_release(&engine->jobs);
	return is_read;
}

bool feed_is_read(struct engine *engine)
{
	bool is_read;

	lock_acquire(&engine->jobs);
	is_read = engine->feed.n_readers;
	lock_release(&engine->jobs);
	return is_read;
}

uint64_t engine_feed_open(struct engine *engine)
{
	uint64_t seq;

	lock_acquire(&engine->jobs);
	engine->feed.n_readers++;
	seq = engine->feed.seq;
	lock_release(&engine->jobs);
	return seq;
}

void engine_feed_close(struct engine *engine)
{
	struct job_change *rest = NULL;

	lock_acquire(&engine->jobs);
	if (--engine->feed.n_readers == 0) {
		rest = engine->feed.first;
		engine->feed.first = NULL;
		engine->feed.last = &engine->feed.first;
		engine->feed.n = 0;
	}
	lock_release(&engine->jobs);
	job_changes_free(rest);
}

uint64_t engine_feed_ready(struct engine *engine)
{
	uint64_t seq = 0;

	lock_acquire(&engine->jobs);
	for (const struct job_change *c = engine->feed.first; c && c->is_told; c = c->next)
		seq = c->seq;
	lock_release(&engine->jobs);
	return seq;
}

struct job_change *engine_feed_take(struct engine *engine, uint64_t upto)
{
	struct job_change *taken = NULL, **last = &taken;

	lock_acquire(&engine->jobs);
	while (engine->feed.first && engine->feed.first->seq <= upto) {
		*last = take_first(&engine->feed);
		last = &(*last)->next;
	}
	lock_release(&engine->jobs);
	return taken;
}
