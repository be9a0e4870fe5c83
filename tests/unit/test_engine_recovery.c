/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon stops, or is killed at each step; the next one takes up what had not ended and clears
 * away what the database names, and nothing else. Each case asserts that its step was reached.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "engine_rig.h"

static char *row(struct rig *rig, const char *id)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "SELECT status||' '||coalesce(error_code,'-')||' attempt '||attempt||' failures '||"
		 "failures FROM jobs WHERE job_id='%s'",
		 id);
	return rig_ask(rig, sql);
}

static void check_clean(struct rig *rig)
{
	CHECK(rig_wait_idle(rig));
	CHECK_TEXT(rig_list(rig, "work"), "");
	CHECK_TEXT(rig_list(rig, "uploads/" ENGINE_HOLD_DIR), "");
	CHECK_TEXT(rig_ask(rig, "PRAGMA integrity_check"), "ok");
}

/* A daemon is killed when it (or its child) is at a step; the next one brings the job to `done`. */
static void test_killed_at(struct rig *rig)
{
	static const struct {
		const char *step;
		bool is_childs;   /* the step is a child's: the daemon is killed while that waits */
		unsigned int attempt; /* which one then is done, 0: that is open */
		bool has_output;  /* OUTPUT_ROOT/<id> is there after the kill */
	} cases[] = {
		{"engine-accepted", false, 0, false}, /* a slot may have been fast */
		{"engine-claimed", false, 2, false},
		{"publish-start", true, 2, false},
		{"publish-before-rename", true, 2, false},
		{"publish-after-rename", true, 2, true},
		{"engine-before-publish", false, 2, false},
		{"engine-published", false, 2, true},
		{"engine-done", false, 1, true},
	};

	for (unsigned int i = 0; i < SC_ARRAY_SIZE(cases); i++) {
		char id[32], path[64], want[64];
		pid_t pid;

		snprintf(id, sizeof(id), "killed%u", i);
		snprintf(path, sizeof(path), "outputs/%s", id);
		snprintf(want, sizeof(want), "done - attempt %u failures 0", cases[i].attempt);
		rig_upload(rig, id, "phase 30 x\nclip 1 5\nclip 2 5\n");
		rig_hook(rig, cases[i].step, cases[i].is_childs ? "once-wait" : "once-kill");
		pid = rig_daemon(rig, id, NULL);
		CHECK(rig_reached(rig, cases[i].step));
		if (cases[i].is_childs)
			kill(pid, SIGKILL);
		CHECK_INT(rig_reap(pid), SIGKILL);
		CHECK_INT(rig_has(rig, path), cases[i].has_output);
		/* Something was at stake. */
		if (cases[i].attempt)
			CHECK_TEXT_HAS(row(rig, id), i == 7 ? "done" : "running");
		else
			CHECK_TEXT_HAS(row(rig, id), " failures 0");

		rig_up(rig);
		CHECK(rig_wait(rig, id, JOB_DONE));
		check_clean(rig);
		if (cases[i].attempt)
			CHECK_TEXT(row(rig, id), want);
		CHECK_TEXT(rig_list(rig, path), "clip_001.mp4 clip_002.mp4");
		rig_down(rig);
	}
}

/* While it cuts: the worker dies with the daemon, and with it what it had made. */
static void test_killed_cutting(struct rig *rig)
{
	pid_t pid;
	char *log;

	rig_upload(rig, "cutting", "phase 30 x\nclip 1 1\nin 1 touch cutting-now\nin 1 hang\nclip 2 1\n");
	pid = rig_daemon(rig, "cutting", NULL);
	CHECK(rig_wait_path(rig, "cutting-now", true));
	/* A report was read: so the line with the worker's pid is in the log, too. */
	CHECK(rig_wait_ask(rig, "SELECT progress FROM jobs WHERE job_id='cutting'", "30"));
	CHECK(rig_has(rig, "work/cutting.1/clips/clip_001.mp4"));
	kill(pid, SIGKILL);
	CHECK_INT(rig_reap(pid), SIGKILL);
	CHECK(rig_has(rig, "work/cutting.1/clips/clip_001.mp4"));
	CHECK(rig_has(rig, "uploads/" ENGINE_HOLD_DIR "/cutting"));
	log = rig_read(rig, "logs/cutting.log");
	CHECK(strstr(log, ", pid "));
	long worker = strtol(strstr(log, ", pid ") + 6, NULL, 10);

	CHECK(worker > 1 && rig_wait_dead(rig, (pid_t)worker));
	free(log);

	rig_create(rig);
	CHECK(!rig_has(rig, "work/cutting.1"));
	rig_down(rig);
	CHECK_TEXT(row(rig, "cutting"), "queued - attempt 1 failures 0");
	rig_up(rig);
	CHECK(rig_wait(rig, "cutting", JOB_DONE));
	CHECK_TEXT(row(rig, "cutting"), "done - attempt 2 failures 0");
	check_clean(rig);
	rig_down(rig);
}

static void test_killed_removing(struct rig *rig)
{
	pid_t pid;

	rig_up(rig);
	rig_job(rig, "removing", "clip 1 1\n");
	CHECK(rig_wait(rig, "removing", JOB_DONE));
	rig_down(rig);
	rig_hook(rig, "remove-midway", "once-kill");
	pid = rig_daemon(rig, NULL, "removing");
	CHECK(rig_reached(rig, "remove-midway"));
	CHECK_INT(rig_reap(pid), SIGKILL);
	CHECK(rig_has(rig, "outputs/removing"));
	CHECK_TEXT(row(rig, "removing"), "");
	rig_up(rig);
	CHECK(!rig_has(rig, "outputs/removing"));
	CHECK(!rig_has(rig, "logs/removing.log"));
	CHECK(rig_wait_ask(rig, "SELECT count(*) FROM removals", "0"));
	check_clean(rig);
	rig_down(rig);
}

/* A clean stop: the job goes back into the queue, its worker within five seconds, whatever it does. */
static void test_stopped(struct rig *rig)
{
	static const char *const scripts[] = {
		"phase 30 x\nclip 1 1\nin 1 hang\nclip 2 1\n",
		"phase 30 x\nclip 1 1\nin 1 deaf\nin 1 hang\nclip 2 1\n",
		"phase 30 x\nclip 1 1\nin 1 signal 19\nclip 2 1\n",
	};
	char id[32];

	for (unsigned int i = 0; i < SC_ARRAY_SIZE(scripts); i++) {
		char want[64];
		int64_t before;

		snprintf(id, sizeof(id), "stopped%u", i);
		rig_up(rig);
		rig_job(rig, id, scripts[i]);
		CHECK(rig_wait_progress(rig, id, 30));
		before = clock_monotonic_ms(&clock_system);
		rig_down(rig);
		CHECK(clock_monotonic_ms(&clock_system) - before < 5000);
		CHECK_TEXT(row(rig, id), "queued - attempt 1 failures 0");
		CHECK_TEXT(rig_list(rig, "work"), "");
		CHECK(rig_has(rig, "uploads/" ENGINE_HOLD_DIR));
		rig_up(rig);
		CHECK(rig_wait(rig, id, JOB_DONE));
		snprintf(want, sizeof(want), "outputs/%s", id);
		CHECK_TEXT(rig_list(rig, want), "clip_001.mp4 clip_002.mp4");
		CHECK_TEXT(row(rig, id), "done - attempt 2 failures 0");
		check_clean(rig);
		rig_down(rig);
	}
}

/* Directories and files that the database does not name are somebody's. */
static void test_foreign(struct rig *rig)
{
	static const char *const dirs[] = {"work/foreign.1",    "work/stopped0.9",  "work/stopped0",
					   "work/stopped0.1.x", "outputs/foreign",  "outputs/.foreign.1.tmp",
					   "work/stopped0.01",  "work/.stopped0.1"};
	static const char *const ours[] = {"work/stopped0.1", "work/stopped0.2", "work/killed7.1"};

	for (size_t i = 0; i < SC_ARRAY_SIZE(dirs); i++)
		REQUIRE(mkdirat(rig->root_fd, dirs[i], 0755) == 0);
	for (size_t i = 0; i < SC_ARRAY_SIZE(ours); i++)
		REQUIRE(mkdirat(rig->root_fd, ours[i], 0755) == 0);
	rig_write(rig, "work/killed7.1/clip", "x");
	rig_write(rig, "uploads/" ENGINE_HOLD_DIR "/stopped0", "left");
	rig_write(rig, "uploads/" ENGINE_HOLD_DIR "/unknown", "left");
	rig_write(rig, "uploads/" ENGINE_HOLD_DIR "/last", "the last name of these bytes");
	CHECK_INT(linkat(rig->root_fd, "uploads/" ENGINE_HOLD_DIR "/unknown", rig->root_fd,
			 "uploads/other-name", 0),
		  0);
	rig_up(rig);
	for (size_t i = 0; i < SC_ARRAY_SIZE(dirs); i++) {
		CHECK(rig_has(rig, dirs[i]));
		unlinkat(rig->root_fd, dirs[i], AT_REMOVEDIR);
	}
	for (size_t i = 0; i < SC_ARRAY_SIZE(ours); i++)
		CHECK(!rig_has(rig, ours[i]));
	CHECK(rig_has(rig, "uploads/" ENGINE_HOLD_DIR "/last"));
	unlinkat(rig->root_fd, "uploads/" ENGINE_HOLD_DIR "/last", 0);
	check_clean(rig);
	rig_down(rig);
}

/* What a person writes while nobody runs. */
static void test_by_hand(struct rig *rig)
{
	struct error e = {0};

	rig_up(rig);
	rig_upload(rig, "hand", "clip 1 1\n");
	CHECK_INT(rig_submit_as(rig, 0, "hand1", "hand", RIG_WAITING, &e, NULL), 0);
	CHECK_INT(rig_submit_as(rig, 0, "hand2", "hand", RIG_WAITING, &e, NULL), 0);
	rig_job(rig, "hand3", "phase 30 x\nclip 1 1\nhang\n");
	CHECK(rig_wait_progress(rig, "hand3", 30));
	rig_down(rig);
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='error' WHERE job_id IN ('hand1','hand3');"
			       "UPDATE jobs SET status='cancelled' WHERE job_id='hand2'"), 1);
	rig_up(rig);
	CHECK_TEXT(row(rig, "hand1"), "failed MANUAL attempt 0 failures 0");
	CHECK_TEXT(row(rig, "hand2"), "cancelled MANUAL attempt 0 failures 0");
	CHECK_TEXT(row(rig, "hand3"), "failed MANUAL attempt 1 failures 0");
	CHECK_TEXT(rig_ask(rig, "SELECT count(*) FROM jobs WHERE finished_at>0 AND "
				"job_id LIKE 'hand%'"), "3");
	check_clean(rig);
	rig_down(rig);
}

/* A back-off outlives the daemon; the job's version never goes back within one. */
static void test_backoff(struct rig *rig)
{
	struct job_brief brief;
	struct error e = {0};

	rig_up(rig);
	rig_upload(rig, "later", "in 1 signal 11\nclip 1 1\n");
	CHECK_INT(rig_submit_as(rig, 0, "later", "later", RIG_MORE_ATTEMPTS, &e, NULL), 0);
	CHECK(rig_wait_ask(rig, "SELECT status||failures FROM jobs WHERE job_id='later'", "queued1"));
	rig_down(rig);
	rig_up(rig);
	REQUIRE(engine_brief(rig->engine, "later", &brief) == 0);
	CHECK_INT(brief.state, JOB_QUEUED);
	CHECK(rig_wait(rig, "later", JOB_DONE));
	CHECK_TEXT(row(rig, "later"), "done - attempt 2 failures 1");
	check_clean(rig);
	rig_down(rig);
}

int main(int argc, char **argv)
{
	struct rig rig;

	rig_main(argc, argv);
	rig_init(&rig);
	test_killed_at(&rig);
	test_killed_cutting(&rig);
	test_killed_removing(&rig);
	test_stopped(&rig);
	test_foreign(&rig);
	test_by_hand(&rig);
	test_backoff(&rig);
	rig_finish(&rig);
	return check_result();
}
