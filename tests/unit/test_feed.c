/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The feed of changes: its order, who waits for whom, what is lost, what is kept for nobody. */
#include "../../src/engine/state.h"

#include "check.h"
#include "storyclip/common/clock.h"

#define MANY 10000

static void begin(struct engine *engine)
{
	memset(engine, 0, sizeof(*engine));
	engine->deps.clock = &clock_system;
	lock_init(&engine->jobs);
	feed_init(&engine->feed);
}

static void end(struct engine *engine)
{
	feed_finish(&engine->feed);
	lock_finish(&engine->jobs);
}

static void add(struct engine *engine, const char *id, uint64_t version)
{
	struct job_snapshot job = {.version = version, .upload_id = (char *)"up", .progress = (int)version};

	snprintf(job.id, sizeof(job.id), "%s", id);
	lock_acquire(&engine->jobs);
	feed_add_locked(engine, &job, JOB_CHANGED_TEXT);
	lock_release(&engine->jobs);
}

/* A change is handed out when the listener was told of it and of all before it. */
static void test_order(void)
{
	struct job_change *changes;
	struct engine engine;

	begin(&engine);
	add(&engine, "nobody reads", 1);
	CHECK_INT(engine_feed_open(&engine), 1);
	add(&engine, "a", 2);
	add(&engine, "b", 3);
	add(&engine, "a", 4);
	CHECK_INT(engine_feed_ready(&engine), 0);
	feed_told(&engine, "b", 3);
	CHECK_INT(engine_feed_ready(&engine), 0);
	feed_told(&engine, "a", 2);
	CHECK_INT(engine_feed_ready(&engine), 3);
	CHECK(!engine_feed_take(&engine, 1));
	changes = engine_feed_take(&engine, 3);
	REQUIRE(changes && changes->next && !changes->next->next);
	CHECK_STR(changes->id, "a");
	CHECK_INT(changes->seq, 2);
	CHECK_INT(changes->progress, 2);
	CHECK_STR(changes->upload_id, "up");
	CHECK_STR(changes->next->id, "b");
	job_changes_free(changes);
	/* Told of the newest is told of all of the same job. */
	add(&engine, "a", 5);
	feed_told(&engine, "a", 5);
	CHECK_INT(engine_feed_ready(&engine), 5);
	engine_feed_close(&engine);
	CHECK_INT(engine_feed_ready(&engine), 0);
	end(&engine);
}

/* Numbers go on, memory does not. */
static void test_bound(void)
{
	struct job_change *changes;
	struct engine engine;
	uint64_t last = 0;
	size_t n = 0;

	begin(&engine);
	CHECK_INT(engine_feed_open(&engine), 0);
	CHECK_INT(engine_feed_open(&engine), 0);
	engine_feed_close(&engine);
	for (uint64_t i = 1; i <= MANY; i++)
		add(&engine, "a", i);
	feed_told(&engine, "a", MANY);
	changes = engine_feed_take(&engine, MANY);
	for (const struct job_change *c = changes; c; c = c->next) {
		CHECK(!last || c->seq == last + 1);
		last = c->seq;
		n++;
	}
	CHECK_INT(last, MANY);
	CHECK(n > 100 && n < MANY);
	job_changes_free(changes);
	engine_feed_close(&engine);
	end(&engine);
}

int main(void)
{
	test_order();
	test_bound();
	return check_result();
}
