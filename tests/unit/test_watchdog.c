/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watchdog by a clock of the test's own: who has stalled, and who was only not looked at. */
#include "../../src/engine/watchdog.h"

#include <stdatomic.h>

#include "check.h"
#include "engine_rig.h"

struct own_clock {
	struct clock clock;
	atomic_llong monotonic_ms;
};

/* For the engine's own watchdog time stands still, so that it never looks: this test looks itself. */
static bool is_watchdog(void)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	return !strcmp(name, "watchdog");
}

static int64_t own_monotonic_ms(const struct clock *clock)
{
	if (is_watchdog())
		return 1000000;
	return ((const struct own_clock *)(const void *)clock)->monotonic_ms;
}

static int64_t own_wall_ms(const struct clock *clock)
{
	/* The wall clock is set back by a year in between: no stall comes of it. */
	int64_t now = own_monotonic_ms(clock);

	return now < 1100000 ? 1760693132895 + now : 1729157132895 + now;
}

static void test_late(void)
{
	CHECK_INT(watchdog_late_ms(0, 1000, 1000), 0);
	CHECK_INT(watchdog_late_ms(0, 1900, 1000), 0); /* a busy machine */
	CHECK_INT(watchdog_late_ms(0, 600000, 1000), 599000);
	CHECK_INT(watchdog_late_ms(5000, 5000, 1000), 0);
}

static enum job_state state_of(struct rig *rig, const char *id)
{
	struct job_brief brief = {.state = JOB_STATE_COUNT};

	engine_brief(rig->engine, id, &brief);
	return brief.state;
}

struct waker {
	struct engine *engine;
	pthread_t thread;
	atomic_bool is_over;
};

/* What else wakes the helpers: a job that is removed, a process that cannot be ended. */
static void *wake_often(void *arg)
{
	struct waker *waker = arg;
	struct engine *engine = waker->engine;

	while (!atomic_load(&waker->is_over)) {
		const struct timespec pause = {.tv_nsec = 2000000};

		lock_acquire(&engine->jobs);
		cond_broadcast(&engine->tick);
		lock_release(&engine->jobs);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* However often it is woken for others, it looks. */
static void test_woken_often(void)
{
	struct waker waker = {0};
	struct rig rig;

	rig_init(&rig);
	rig.settings.stall_timeout_ms = 200;
	rig.settings.watchdog_interval_ms = 100;
	rig_up(&rig);
	waker.engine = rig.engine;
	REQUIRE(thread_start(&waker.thread, "waker", wake_often, &waker) == 0);
	rig_job(&rig, "silent", "phase 30 Analyzing video...\nhang\n");
	CHECK(rig_wait(&rig, "silent", JOB_FAILED));
	atomic_store(&waker.is_over, true);
	pthread_join(waker.thread, NULL);
	rig_finish(&rig);
}

int main(int argc, char **argv)
{
	struct own_clock clock = {{own_wall_ms, own_monotonic_ms}, 1000000};
	struct engine_stats stats;
	struct rig rig;

	rig_main(argc, argv);
	test_late();
	test_woken_often();

	rig_init(&rig);
	rig.clock = &clock.clock;
	rig.settings.stall_timeout_ms = 300000;
	rig_up(&rig);
	rig_job(&rig, "silent", "phase 30 Analyzing video...\nhang\n");
	rig_job(&rig, "slow", "phase 30 x\nawait a\nprogress 1 40 x\nawait b\nprogress 2 50 x\nclip 1 1\n"
			      "await c\n");
	CHECK(rig_wait_progress(&rig, "silent", 30));
	CHECK(rig_wait_progress(&rig, "slow", 30));

	clock.monotonic_ms += 299000;
	watchdog_look(rig.engine, 0);
	CHECK_INT(state_of(&rig, "silent"), JOB_RUNNING);
	rig_write(&rig, "a", "");
	CHECK(rig_wait_progress(&rig, "slow", 40));

	/* The daemon itself was stopped for ten minutes: nobody is blamed. */
	clock.monotonic_ms += 600000;
	watchdog_look(rig.engine, 600000);
	CHECK_INT(state_of(&rig, "silent"), JOB_RUNNING);
	CHECK_INT(state_of(&rig, "slow"), JOB_RUNNING);

	clock.monotonic_ms += 2000;
	watchdog_look(rig.engine, 0);
	CHECK_INT(state_of(&rig, "silent"), JOB_FAILED); /* 299 + 2 seconds */
	CHECK_INT(state_of(&rig, "slow"), JOB_RUNNING);
	CHECK_TEXT(rig_ask(&rig, "SELECT error_code||': '||error_msg||' '||message||' '||progress "
				 "FROM jobs WHERE job_id='silent'"),
		   "STALLED: Stalled at 30% Stalled at 30% 30");
	CHECK_TEXT_HAS(rig_read(&rig, "daemon.log"), "\nWatchdog: job silent: Stalled at 30%");
	CHECK_TEXT_HAS(rig_read(&rig, "daemon.log"), "Watchdog was itself stopped for 600000 ms");
	CHECK(rig_wait_path(&rig, "work/silent.1", false));
	engine_stats(rig.engine, &stats);
	CHECK_INT(stats.watchdog_stalled, 1);

	clock.monotonic_ms += 290000;
	rig_write(&rig, "b", "");
	CHECK(rig_wait_progress(&rig, "slow", 50));
	clock.monotonic_ms += 290000;
	watchdog_look(rig.engine, 0);
	rig_write(&rig, "c", "");
	CHECK(rig_wait(&rig, "slow", JOB_DONE));
	/* Its times never ran backwards. */
	CHECK_TEXT(rig_ask(&rig, "SELECT started_at>=created_at AND finished_at>=started_at "
				 "AND updated_at=finished_at FROM jobs WHERE job_id='slow'"),
		   "1");
	rig_finish(&rig);
	return check_result();
}
