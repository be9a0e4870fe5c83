/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes wrong while a job runs: children that crash, lie, fall silent; somebody who cancels or
 * writes SQL at each step. Whatever it is, the job ends, once, and nothing is left of it.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../src/engine/sweeper.h"
#include "check.h"
#include "engine_rig.h"

/* Nothing of the job is left but its row, its log and its upload. */
static void check_nothing_left(struct rig *rig, const char *id)
{
	char path[128];

	CHECK(rig_wait_idle(rig));
	CHECK_TEXT(rig_list(rig, "work"), "");
	CHECK_TEXT(rig_list(rig, "uploads/" ENGINE_HOLD_DIR), "");
	snprintf(path, sizeof(path), "outputs/%s", id);
	CHECK(!rig_has(rig, path));
	snprintf(path, sizeof(path), "uploads/%s", id);
	CHECK(rig_has(rig, path));
}

static char *row(struct rig *rig, const char *id)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "SELECT status||' '||coalesce(error_code,'-')||' attempt '||attempt||' failures '||"
		 "failures FROM jobs WHERE job_id='%s'",
		 id);
	return rig_ask(rig, sql);
}

static void check_message(struct rig *rig, const char *id, const char *message)
{
	auto_snapshot struct job_snapshot job = {0};
	char sql[256];

	REQUIRE(engine_snapshot(rig->engine, id, &job) == 0);
	CHECK_STR(job.message, message);
	CHECK_STR(job.error.message, message);
	snprintf(sql, sizeof(sql), "SELECT error_msg FROM jobs WHERE job_id='%s'", id);
	CHECK_TEXT(rig_ask(rig, sql), message);
	CHECK(job.finished_at > 0);
	CHECK_INT(job.clips_ready, 0);
}

static void test_failures(struct rig *rig)
{
	static const struct {
		const char *id, *script, *row, *message;
	} cases[] = {
		{"crash", "phase 30 x\nclip 1 1\nsignal 11\n",
		 "failed WORKER_CRASHED attempt 2 failures 2",
		 "worker crashed: signal 11 (Segmentation fault)"},
		{"killed", "signal 9\n", "failed WORKER_CRASHED attempt 2 failures 2",
		 "worker crashed: signal 9 (Killed)"},
		{"busy", "signal 24\n", "failed LIMIT_EXCEEDED attempt 1 failures 0",
		 "worker has used all the processor time that a video of this size gets, 0 s"},
		{"exits", "exit 3\n", "failed WORKER_CRASHED attempt 2 failures 2",
		 "worker crashed: exit status 3"},
		{"leaves", "exit 0\n", "failed WORKER_CRASHED attempt 2 failures 2",
		 "worker ended without having reported its end"},
		{"media", "phase 30 x\nfail INVALID_MEDIA it is a poem\n",
		 "failed INVALID_MEDIA attempt 1 failures 0", "it is a poem"},
		{"codec", "fail UNSUPPORTED_CODEC rare\n",
		 "failed UNSUPPORTED_CODEC attempt 1 failures 0", "rare"},
		{"check", "clip 1 1\nfail VERIFY_FAILED clip_002.mp4: not as planned\n",
		 "failed VERIFY_FAILED attempt 1 failures 0", "clip_002.mp4: not as planned"},
		{"limit", "fail LIMIT_EXCEEDED too many tracks\n",
		 "failed LIMIT_EXCEEDED attempt 1 failures 0", "too many tracks"},
		{"disk", "fail IO_ERROR reading: broken\n", "failed IO_ERROR attempt 2 failures 2",
		 "reading: broken"},
		{"space", "clip 1 1\nfail NO_SPACE full\n", "failed NO_SPACE attempt 2 failures 2", "full"},
		{"memory", "fail OUT_OF_MEMORY none\n", "failed OUT_OF_MEMORY attempt 2 failures 2", "none"},
		{"internal", "fail INTERNAL odd\n", "failed INTERNAL attempt 2 failures 2", "odd"},
		{"reported", "fail WORKER_CRASHED so it says\n", "failed WORKER_CRASHED attempt 2 failures 2",
		 "so it says"},
		{"garbage", "garbage\nhang\n", "failed INTERNAL attempt 2 failures 2",
		 "the worker sent a report that makes no sense (cannot be read)"},
		{"endless", "endless\n", "failed INTERNAL attempt 2 failures 2",
		 "the worker sent a report that makes no sense (a line without end)"},
		{"lies", "lie 1\nhang\n", "failed INTERNAL attempt 2 failures 2",
		 "the worker sent a report that makes no sense (a clip that is not there)"},
		{"twice", "clip 1 1\nclip 1 1\nhang\n", "failed INTERNAL attempt 2 failures 2",
		 "the worker sent a report that makes no sense (a clip twice)"},
		{"empty", "log nothing to do\n", "failed INTERNAL attempt 2 failures 2",
		 "the worker says done, but has made no clip"},
	};

	/* All at once: they back off together. */
	for (size_t i = 0; i < SC_ARRAY_SIZE(cases); i++)
		rig_job(rig, cases[i].id, cases[i].script);
	for (size_t i = 0; i < SC_ARRAY_SIZE(cases); i++) {
		CHECK(rig_wait(rig, cases[i].id, JOB_FAILED));
		CHECK_TEXT(row(rig, cases[i].id), cases[i].row);
		check_message(rig, cases[i].id, cases[i].message);
	}
	for (size_t i = 0; i < SC_ARRAY_SIZE(cases); i++)
		check_nothing_left(rig, cases[i].id);
}

static void test_retry(struct rig *rig)
{
	auto_snapshot struct job_snapshot job = {0};
	struct error e = {0};

	rig_upload(rig, "retry", "phase 30 x\nclip 1 1\nin 1 warn old\nin 1 signal 11\nclip 2 1\n");
	CHECK_INT(rig_submit_as(rig, 0, "retry", "retry", RIG_MORE_ATTEMPTS, &e, NULL), 0);
	CHECK(rig_wait_ask(rig, "SELECT status||failures||(not_before-updated_at) FROM jobs "
				"WHERE job_id='retry'", "queued11000"));
	CHECK(rig_wait(rig, "retry", JOB_QUEUED)); /* memory follows the row */
	REQUIRE(engine_snapshot(rig->engine, "retry", &job) == 0);
	CHECK_INT(job.state, JOB_QUEUED);
	CHECK_INT(job.progress, 0);
	CHECK_STR(job.message, "Queued");
	CHECK_INT(job.clips_ready, 0);
	CHECK(!rig_has(rig, "work/retry.1"));
	CHECK(rig_wait(rig, "retry", JOB_DONE));
	CHECK_TEXT(row(rig, "retry"), "done - attempt 2 failures 1");
	CHECK_TEXT(rig_ask(rig, "SELECT warnings FROM jobs WHERE job_id='retry'"), "[]");
	CHECK_TEXT(rig_list(rig, "outputs/retry"), "clip_001.mp4 clip_002.mp4");
	CHECK_TEXT_HAS(rig_read(rig, "logs/retry.log"), "queued again in 1000 ms: worker crashed");
}

/* Whatever may pass and has passed: done, after one failure. */
static void test_passing(struct rig *rig)
{
	static const char *const codes[] = {"NO_SPACE", "IO_ERROR", "WORKER_CRASHED", "OUT_OF_MEMORY",
					    "INTERNAL"};

	for (size_t i = 0; i < SC_ARRAY_SIZE(codes); i++) {
		char script[80];

		CHECK(sc_code_is_transient(sc_code_from_name(codes[i])));
		snprintf(script, sizeof(script), "in 1 clip 1 1\nin 1 fail %s x\nclip 1 2\n", codes[i]);
		rig_job(rig, codes[i], script);
	}
	for (size_t i = 0; i < SC_ARRAY_SIZE(codes); i++) {
		char path[64];

		CHECK(rig_wait(rig, codes[i], JOB_DONE));
		CHECK_TEXT(row(rig, codes[i]), "done - attempt 2 failures 1");
		snprintf(path, sizeof(path), "outputs/%s", codes[i]);
		CHECK_TEXT(rig_list(rig, path), "clip_001.mp4");
		snprintf(path, sizeof(path), "work/%s.1", codes[i]);
		CHECK(!rig_has(rig, path));
	}
}

static void test_no_helper(struct rig *rig)
{
	CHECK(renameat(rig->root_fd, "bin/storyclip-worker", rig->root_fd, "bin/away") == 0);
	rig_job(rig, "nohelper", "clip 1 1\n");
	CHECK(rig_wait(rig, "nohelper", JOB_FAILED));
	CHECK_TEXT_HAS(rig_ask(rig, "SELECT error_msg FROM jobs WHERE job_id='nohelper'"),
		       "bin/storyclip-worker: No such file");
	check_nothing_left(rig, "nohelper");
	CHECK(renameat(rig->root_fd, "bin/away", rig->root_fd, "bin/storyclip-worker") == 0);
}

/* Each kind of silence, in the worker at 30 % and in the publisher at 95 %. */
static void test_stalls(struct rig *rig)
{
	static const struct {
		const char *id, *script, *hook;
		int percent;
	} cases[] = {
		{"s-hang", "phase 30 Analyzing video...\nhang\n", NULL, 30},
		{"s-beat", "beat\n", NULL, 30}, /* says that it lives, and does nothing */
		{"s-spin", "phase 30 x\nspin\n", NULL, 30},
		{"s-stop", "phase 30 x\nclip 1 1\nsignal 19\n", NULL, 30},
		{"s-child", "phase 30 x\nchild\nhang\n", NULL, 30},
		{"p-stop", "clip 1 1\n", "once-stop", 95},
		{"p-spin", "clip 1 1\n", "once-spin", 95},
		{"p-block", "clip 1 1\n", "once-block", 95},
	};

	rig_down(rig);
	rig->settings.stall_timeout_ms = 1000; /* longer than a busy machine needs to start a child */
	rig_up(rig);
	/* A slow one that still moves, for longer than the time of a stall, is left alone. */
	rig_job(rig, "slow", "phase 30 x\nwork 25 100\nclip 1 1\n");
	for (size_t i = 0; i < SC_ARRAY_SIZE(cases); i++) {
		struct engine_stats stats;
		char message[64];

		if (cases[i].hook)
			rig_hook(rig, "publish-start", cases[i].hook);
		rig_job(rig, cases[i].id, cases[i].script);
		if (cases[i].hook)
			CHECK(rig_reached(rig, "publish-start"));
		CHECK(rig_wait(rig, cases[i].id, JOB_FAILED));
		snprintf(message, sizeof(message), "Stalled at %d%%", cases[i].percent);
		check_message(rig, cases[i].id, message);
		CHECK_TEXT(row(rig, cases[i].id), "failed STALLED attempt 1 failures 0");
		engine_stats(rig->engine, &stats);
		CHECK_INT(stats.watchdog_stalled, i + 1);
	}
	CHECK(rig_wait(rig, "slow", JOB_DONE));
	for (size_t i = 0; i < SC_ARRAY_SIZE(cases); i++)
		check_nothing_left(rig, cases[i].id);
	char *child = rig_read(rig, "child");

	CHECK(atoi(child) > 1 && rig_wait_dead(rig, (pid_t)atoi(child)));
	free(child);
	CHECK_TEXT_HAS(rig_read(rig, "daemon.log"), "Watchdog: job s-hang: Stalled at 30%");
	rig_job(rig, "next", "clip 1 1\n");
	CHECK(rig_wait(rig, "next", JOB_DONE));
	rig_down(rig);
	rig->settings.stall_timeout_ms = 60000;
	rig_up(rig);
}

/* The attempt number fences: what comes late changes nothing, and its clips go. */
static void test_late_done(struct rig *rig)
{
	rig_down(rig);
	rig->settings.stall_timeout_ms = 1000;
	rig_hook(rig, "engine-published", "once-wait");
	rig_up(rig);
	rig_job(rig, "late", "clip 1 1\n");
	CHECK(rig_reached(rig, "engine-published"));
	CHECK(rig_has(rig, "outputs/late/clip_001.mp4"));
	CHECK(rig_wait(rig, "late", JOB_FAILED));
	rig_go(rig, "engine-published");
	CHECK(rig_wait_idle(rig));
	CHECK_TEXT(row(rig, "late"), "failed STALLED attempt 1 failures 0");
	check_message(rig, "late", "Stalled at 95%");
	check_nothing_left(rig, "late");
	rig_down(rig);
	rig->settings.stall_timeout_ms = 60000;
	rig_up(rig);
}

static void test_cancel_at(struct rig *rig)
{
	static const char *const steps[] = {"engine-claimed", "engine-before-publish", "publish-start",
					    "publish-before-rename", "publish-after-rename",
					    "engine-published"};
	const struct caller root = {.uid = 0};
	struct error e = {0};
	char id[32];

	for (unsigned int i = 0; i < SC_ARRAY_SIZE(steps); i++) {
		snprintf(id, sizeof(id), "cancel%u", i);
		rig_hook(rig, steps[i], "once-wait");
		rig_job(rig, id, "clip 1 1\n");
		CHECK(rig_reached(rig, steps[i]));
		CHECK_INT(engine_cancel(rig->engine, id, &root, &e), 0);
		rig_go(rig, steps[i]);
		check_nothing_left(rig, id);
		CHECK_TEXT(row(rig, id), "cancelled - attempt 1 failures 0");
	}
	/* After the commit it loses. */
	rig_hook(rig, "engine-done", "once-wait");
	rig_job(rig, "toolate", "clip 1 1\n");
	CHECK(rig_reached(rig, "engine-done"));
	CHECK_INT(engine_cancel(rig->engine, "toolate", &root, &e), -EALREADY);
	rig_go(rig, "engine-done");
	CHECK(rig_wait_idle(rig));
	CHECK(rig_has(rig, "outputs/toolate/clip_001.mp4"));
	CHECK_TEXT(row(rig, "toolate"), "done - attempt 1 failures 0");
}

static void test_by_hand(struct rig *rig)
{
	struct error e = {0};
	auto_snapshot struct job_snapshot job = {0};
	int64_t before;

	/* Running: 'error' becomes failed, with what we know to say. */
	rig_job(rig, "m1", "phase 30 x\nclip 1 1\nprogress 1 42 Exporting clips...\nhang\n");
	CHECK(rig_wait_progress(rig, "m1", 42));
	CHECK(rig_wait_ask(rig, "SELECT progress FROM jobs WHERE job_id='m1'", "42"));
	before = clock_monotonic_ms(&clock_system);
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='error' WHERE job_id='m1'"), 1);
	CHECK(rig_wait(rig, "m1", JOB_FAILED));
	CHECK(rig_wait_ask(rig, "SELECT status FROM jobs WHERE job_id='m1'", "failed"));
	CHECK(clock_monotonic_ms(&clock_system) - before < 2000);
	check_message(rig, "m1", "set to 'error' by hand");
	CHECK_TEXT(row(rig, "m1"), "failed MANUAL attempt 1 failures 0");
	REQUIRE(engine_snapshot(rig->engine, "m1", &job) == 0);
	CHECK_INT(job.progress, 42);
	check_nothing_left(rig, "m1");

	/* Queued, with a reason of their own. */
	rig_upload(rig, "m2", "clip 1 1\n");
	CHECK_INT(rig_submit_as(rig, 0, "m2", "m2", RIG_WAITING, &e, NULL), 0);
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='failed', error_msg='not wanted' "
			       "WHERE job_id='m2'"), 1);
	CHECK(rig_wait_ask(rig, "SELECT finished_at>0 FROM jobs WHERE job_id='m2'", "1"));
	CHECK(rig_wait(rig, "m2", JOB_FAILED));
	check_message(rig, "m2", "not wanted");
	CHECK_TEXT(row(rig, "m2"), "failed MANUAL attempt 0 failures 0");
	check_nothing_left(rig, "m2");

	/* Cancelled, a word that is none, and a row that goes away. */
	rig_job(rig, "m3", "phase 30 x\nhang\n");
	rig_job(rig, "m4", "phase 30 x\nhang\n");
	CHECK(rig_wait_progress(rig, "m3", 30));
	CHECK(rig_wait_progress(rig, "m4", 30));
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='cancelled' WHERE job_id='m3';"
			       "UPDATE jobs SET status='nonsense' WHERE job_id='m4'"), 1);
	CHECK(rig_wait(rig, "m3", JOB_CANCELLED));
	CHECK(rig_wait_ask(rig, "SELECT status FROM jobs WHERE job_id='m4'", "failed"));
	CHECK(rig_wait(rig, "m4", JOB_FAILED));
	check_nothing_left(rig, "m3");
	check_nothing_left(rig, "m4");
	rig_job(rig, "m5", "phase 30 x\nhang\n");
	CHECK(rig_wait_progress(rig, "m5", 30));
	CHECK_INT(rig_sql(rig, "DELETE FROM jobs WHERE job_id='m5'"), 1);
	CHECK(rig_wait_path(rig, "work/m5.1", false));
	check_nothing_left(rig, "m5");
	CHECK_INT(engine_snapshot(rig->engine, "m5", &(struct job_snapshot){0}), -ENOENT);
	CHECK(!rig_has(rig, "logs/m5.log"));
}

static void test_by_hand_oddly(struct rig *rig)
{
	struct error e = {0};

	/* Set back to queued: it runs again, as a new attempt. */
	rig_job(rig, "o1", "phase 30 x\nin 1 hang\nclip 1 1\n");
	CHECK(rig_wait_progress(rig, "o1", 30));
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='queued' WHERE job_id='o1'"), 1);
	CHECK(rig_wait(rig, "o1", JOB_DONE));
	CHECK_TEXT(row(rig, "o1"), "done - attempt 2 failures 0");

	/* Nobody runs what a person only calls running. */
	rig_upload(rig, "o2", "clip 1 1\n");
	CHECK_INT(rig_submit_as(rig, 0, "o2", "o2", RIG_WAITING, &e, NULL), 0);
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='running', attempt=7 WHERE job_id='o2'"), 1);
	CHECK(rig_wait_ask(rig, "SELECT status||attempt||message FROM jobs WHERE job_id='o2'",
			   "queued7Waiting for the upload to be closed"));
	CHECK(rig_wait(rig, "o2", JOB_QUEUED));
	CHECK_INT(engine_cancel(rig->engine, "o2", &(struct caller){.uid = 0}, &e), 0);

	/* Done, and failed by hand: its clips are not shown any more, nor kept. */
	rig_job(rig, "o3", "clip 1 1\n");
	CHECK(rig_wait(rig, "o3", JOB_DONE));
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='failed' WHERE job_id='o3'"), 1);
	CHECK(rig_wait_path(rig, "outputs/o3", false));
	CHECK(rig_wait(rig, "o3", JOB_FAILED));
	CHECK_TEXT(row(rig, "o3"), "failed MANUAL attempt 1 failures 0");

	/* Written while the engine was about to say done: a person's word stays. */
	rig_hook(rig, "engine-published", "once-wait");
	rig_job(rig, "o4", "clip 1 1\n");
	CHECK(rig_reached(rig, "engine-published"));
	CHECK_INT(rig_sql(rig, "UPDATE jobs SET status='error' WHERE job_id='o4'"), 1);
	rig_go(rig, "engine-published");
	CHECK(rig_wait(rig, "o4", JOB_FAILED));
	CHECK(rig_wait_idle(rig));
	CHECK_TEXT(row(rig, "o4"), "failed MANUAL attempt 1 failures 0");
	check_nothing_left(rig, "o4");
}

/* Somebody makes OUTPUT_ROOT/<id> after the job was accepted: theirs is not touched. */
static void test_output_taken(struct rig *rig)
{
	rig_job(rig, "taken", "touch taken-runs\nawait taken-go\nclip 1 1\n");
	CHECK(rig_wait_path(rig, "taken-runs", true));
	CHECK(mkdirat(rig->root_fd, "outputs/taken", 0755) == 0);
	rig_write(rig, "outputs/taken/theirs", "");
	rig_write(rig, "taken-go", "");
	CHECK(rig_wait(rig, "taken", JOB_FAILED));
	CHECK_TEXT_HAS(rig_ask(rig, "SELECT error_msg FROM jobs WHERE job_id='taken'"), "not ours");
	CHECK(rig_has(rig, "outputs/taken/theirs"));
	CHECK_INT(engine_remove(rig->engine, "taken", &(struct caller){.uid = 0}, &(struct error){0}), 0);
	CHECK(rig_has(rig, "outputs/taken/theirs"));
}

/* What the kernel cannot end is told, and cleared away when it goes. */
static void test_stuck(struct rig *rig)
{
	struct engine_stats stats;
	pid_t pid = fork();
	int pidfd;

	if (pid == 0)
		for (;;)
			pause();
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	REQUIRE(pidfd >= 0);
	CHECK(mkdirat(rig->root_fd, "work/stuck.1", 0755) == 0);
	sweeper_add_stuck(rig->engine, pid, pidfd, "stuck", 1);
	engine_stats(rig->engine, &stats);
	CHECK_INT(stats.stuck_processes, 1);
	CHECK_INT(stats.stuck_pid, pid);
	CHECK(rig_has(rig, "work/stuck.1"));
	kill(pid, SIGKILL);
	CHECK(rig_wait_path(rig, "work/stuck.1", false));
	for (int i = 0; i < 100 && stats.stuck_processes; i++) {
		usleep(10000);
		engine_stats(rig->engine, &stats);
	}
	CHECK_INT(stats.stuck_processes, 0);
}

/* As fast as it can: each version is another text, none comes twice or runs back. */
static void test_fast(struct rig *rig)
{
	unsigned int seen = 0, last_number = 0;
	uint64_t last = 0;
	bool is_over = false;

	rig_job(rig, "fast", "phase 30 x\nnumbered 20000\nclip 1 1\n");
	while (!is_over) {
		auto_snapshot struct job_snapshot job = {0};
		unsigned int number = 0;

		REQUIRE(engine_snapshot(rig->engine, "fast", &job) == 0);
		is_over = job_state_is_final(job.state);
		CHECK(job.version >= last);
		if (job.version == last)
			continue;
		last = job.version;
		if (sscanf(job.message, "number %u", &number) == 1) {
			CHECK(number >= last_number); /* the clip at the end makes a version too */
			seen += number > last_number;
			last_number = number;
		}
	}
	CHECK(rig_wait(rig, "fast", JOB_DONE));
	CHECK(seen > 1); /* how many is a matter of who runs when: a loaded machine has shown 10 */
	printf("%u of 20000 versions seen\n", seen);
}

int main(int argc, char **argv)
{
	struct rig rig;

	rig_main(argc, argv);
	rig_init(&rig);
	rig_up(&rig);
	test_failures(&rig);
	test_retry(&rig);
	test_passing(&rig);
	test_no_helper(&rig);
	test_stalls(&rig);
	test_late_done(&rig);
	test_cancel_at(&rig);
	test_by_hand(&rig);
	test_by_hand_oddly(&rig);
	test_output_taken(&rig);
	test_stuck(&rig);
	test_fast(&rig);
	rig_finish(&rig);
	return check_result();
}
