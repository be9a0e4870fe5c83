/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ages by clocks of the test's own: what is old goes, and a clock that jumps makes nothing old. */
#include <stdatomic.h>
#include <unistd.h>

#include "../../src/engine/aging.h"
#include "check.h"
#include "engine_rig.h"

#define YEAR_MS (INT64_C(365) * 86400000)

/* ---- ages ---- */

static void test_ages(void)
{
	struct aging a = {0};

	CHECK(!aging_tick(&a, 1000000, 50));
	CHECK_INT(aging_age_ms(&a, 999000), 1000);
	CHECK_INT(aging_age_ms(&a, 2000000), 0); /* in the future: set back since */
	CHECK(!aging_tick(&a, 1010000, 10050));
	CHECK_INT(aging_age_ms(&a, 999000), 11000);
	/* a year forward, in ten seconds */
	CHECK(aging_tick(&a, 1020000 + YEAR_MS, 20050));
	CHECK_INT(aging_age_ms(&a, 999000), 21000);
	CHECK_INT(aging_age_ms(&a, 1019999), 1); /* ended between the last tick and the jump */
	CHECK_INT(aging_age_ms(&a, 1020000 + YEAR_MS - 5), 5); /* and right after it */
	/* it is put right: back, which makes all younger, never older */
	CHECK(!aging_tick(&a, 1030000, 30050));
	CHECK_INT(aging_age_ms(&a, 999000), 0);
	/* an hour forward, an hour back, and again: whatever is there keeps its age or is younger */
	for (int i = 0; i < 100; i++) {
		int64_t mono = a.mono_ms, true_age = mono + 1000 - 30050;

		aging_tick(&a, a.wall_ms + 3600000 + 1000, mono + 1000);
		CHECK(aging_age_ms(&a, 1030000) <= true_age);
		aging_tick(&a, a.wall_ms - 3600000, a.mono_ms);
	}
	CHECK_INT(a.n_jumps, AGING_JUMPS);
}

static void test_kept(void)
{
	struct aging a = {0}, b;
	struct buf text = BUF_EMPTY;

	aging_tick(&a, 1000, 10);
	aging_tick(&a, 1000 + YEAR_MS, 20);
	aging_print(&a, "boot", &text);
	REQUIRE(buf_error(&text) == 0);
	/* the same boot: a jump while nobody looked is seen */
	aging_parse(&b, text.data, "boot");
	CHECK_INT(aging_age_ms(&b, 990), aging_age_ms(&a, 990));
	CHECK(aging_tick(&b, a.wall_ms + 5000 + YEAR_MS, a.mono_ms + 5000));
	CHECK_INT(aging_age_ms(&b, 990), aging_age_ms(&a, 990) + 5000);
	/* another boot: the jumps stay, the time in between is what the wall clock says */
	aging_parse(&b, text.data, "other");
	CHECK(!aging_tick(&b, a.wall_ms + 7000, 3));
	CHECK_INT(aging_age_ms(&b, 990), aging_age_ms(&a, 990) + 7000);
	/* nonsense is nothing */
	aging_parse(&b, "x y z", "boot");
	CHECK(!b.is_begun && !b.n_jumps);
	aging_parse(&b, "", "");
	CHECK(!b.is_begun && !b.n_jumps);
	buf_finish(&text);
}

/* ---- the engine ---- */

struct own_clock {
	struct clock clock;
	atomic_llong wall_ms, mono_ms;
};

static int64_t own_wall_ms(const struct clock *clock)
{
	return atomic_load(&((const struct own_clock *)(const void *)clock)->wall_ms);
}

static int64_t own_mono_ms(const struct clock *clock)
{
	return atomic_load(&((const struct own_clock *)(const void *)clock)->mono_ms);
}

static void pass(struct own_clock *clock, int64_t ms)
{
	atomic_fetch_add(&clock->mono_ms, ms);
	atomic_fetch_add(&clock->wall_ms, ms);
}

static void test_jobs(struct rig *rig)
{
	struct own_clock clock = {.clock = {own_wall_ms, own_mono_ms}};

	atomic_init(&clock.wall_ms, 1795000000000);
	atomic_init(&clock.mono_ms, 5000000);
	rig->clock = &clock.clock;
	rig->settings.job_retention_ms = 2000;
	rig_up(rig);
	rig_job(rig, "old", "phase 30 x\nclip 1 5\n");
	rig_job(rig, "bad", "phase 30 x\nfail INVALID_MEDIA no\n");
	rig_job(rig, "long", "phase 30 x\nawait stop\nclip 1 5\n");
	CHECK(rig_wait(rig, "old", JOB_DONE));
	CHECK(rig_wait(rig, "bad", JOB_FAILED));
	/* a year in no time: nothing is old */
	atomic_fetch_add(&clock.wall_ms, YEAR_MS);
	CHECK(rig_wait_ask(rig, "SELECT value LIKE '% % % % %' FROM meta WHERE key='retention_clock'",
			   "1"));
	CHECK(rig_has(rig, "outputs/old/clip_001.mp4"));
	rig_down(rig);
	/* another while nobody looked */
	atomic_fetch_add(&clock.wall_ms, YEAR_MS);
	rig_up(rig);
	CHECK(rig_has(rig, "outputs/old/clip_001.mp4"));
	CHECK_TEXT(rig_ask(rig, "SELECT count(*) FROM jobs"), "3");
	/* the time itself: both ended ones go, with all that is theirs, and the running one stays */
	pass(&clock, 2500);
	CHECK(rig_wait_path(rig, "outputs/old", false));
	CHECK(rig_wait_ask(rig, "SELECT group_concat(job_id) FROM jobs", "long"));
	CHECK(!rig_has(rig, "logs/old.log") && !rig_has(rig, "database/logs/old.log"));
	rig_write(rig, "stop", "");
	CHECK(rig_wait(rig, "long", JOB_DONE));
	CHECK(rig_has(rig, "outputs/long/clip_001.mp4"));
	rig_down(rig);
}

/* What a crash left aside goes with the next start; what is another file than was meant stays. */
static void test_aside(struct rig *rig)
{
	char path[80];
	struct stat st;
	char name[128];

	rig_upload(rig, "victim", "x");
	snprintf(path, sizeof(path), "%s/uploads/victim", rig->root);
	REQUIRE(stat(path, &st) == 0);
	snprintf(name, sizeof(name), "%s/uploads/" ENGINE_HOLD_DIR "/.expired-%llu.deleted", rig->root,
		 (unsigned long long)st.st_ino);
	REQUIRE(rename(path, name) == 0);
	rig_write(rig, "uploads/" ENGINE_HOLD_DIR "/.expired-1.deleted", "somebody's");
	rig_up(rig);
	CHECK_TEXT(rig_list(rig, "uploads/" ENGINE_HOLD_DIR), ".expired-1.deleted");
	rig_down(rig);
}

int main(int argc, char **argv)
{
	struct rig rig = {0};

	rig_main(argc, argv);
	test_ages();
	test_kept();
	rig_init(&rig);
	test_jobs(&rig);
	rig.clock = NULL;
	test_aside(&rig);
	rig_finish(&rig);
	return check_result();
}
