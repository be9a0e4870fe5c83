/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job's life in the engine: done, refused, cancelled, removed, read. Real processes and database. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "engine_rig.h"

static const char two_clips[] = "phase 30 Analyzing video...\n"
				"plan 2\n"
				"progress 10 40 Exporting clips...\n"
				"clip 1 100\n"
				"progress 20 60 Exporting clips...\n"
				"progress 30 20 Exporting clips...\n" /* it never goes down */
				"clip 2 50\n"
				"warn something small\n"
				"log a line of the worker\n"
				"err libav says something\n";

static void check_done(struct rig *rig, const char *id)
{
	auto_snapshot struct job_snapshot job = {0};

	REQUIRE(engine_snapshot(rig->engine, id, &job) == 0);
	CHECK_INT(job.state, JOB_DONE);
	CHECK_INT(job.progress, 100);
	CHECK_STR(job.message, "Job completed - 100%");
	CHECK_INT(job.attempt, 1);
	CHECK_INT(job.failures, 0);
	CHECK_INT(job.total_clips, 2);
	CHECK_INT(job.clips_ready, 2);
	CHECK_INT(job.n_artifacts, 2);
	CHECK_INT(job.error.err, 0);
	CHECK_STR(job.warnings, "[\"something small\"]");
	CHECK(job.finished_at >= job.started_at && job.started_at >= job.created_at &&
	      job.created_at > 0);
	CHECK(job.version > 0);
}

static void test_done(struct rig *rig)
{
	struct clip_info clips[4];
	struct stat st;
	char data[200];
	int fd = -1;

	rig_job(rig, "happy", two_clips);
	CHECK(rig_wait(rig, "happy", JOB_DONE));
	check_done(rig, "happy");
	CHECK(rig_wait_idle(rig));
	CHECK_TEXT(rig_list(rig, "work"), "");
	CHECK_TEXT(rig_list(rig, "outputs"), "happy");
	CHECK_TEXT(rig_list(rig, "outputs/happy"), "clip_001.mp4 clip_002.mp4");
	CHECK_TEXT(rig_list(rig, "uploads/" ENGINE_HOLD_DIR), "");
	CHECK(fstatat(rig->root_fd, "outputs/happy", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 0755);
	CHECK(fstatat(rig->root_fd, "outputs/happy/clip_001.mp4", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 0644);

	CHECK_TEXT(rig_ask(rig, "SELECT output_urls FROM jobs WHERE job_id='happy'"),
		   "[\"https://cdn.example/v/happy/clip_001.mp4\",\"https://cdn.example/v/happy/clip_002.mp4\"]");
	CHECK_TEXT(rig_ask(rig, "SELECT COUNT(*) FROM jobs WHERE status='done' AND progress=100"), "1");
	CHECK_INT(engine_clips_page(rig->engine, "happy", 0, clips, 4), 2);
	CHECK_STR(clips[1].filename, "clip_002.mp4");
	CHECK_INT(clips[1].size_bytes, 50);
	CHECK(clips[1].mtime_ms > 0);
	CHECK_INT(engine_clips_page(rig->engine, "happy", 1, clips, 4), 1);
	CHECK_INT(engine_clip(rig->engine, "happy", 3, clips), -ENOENT);
	CHECK_INT(engine_clip_open(rig->engine, "happy", 1, &fd), 0);
	CHECK_INT(read(fd, data, sizeof(data)), 100);
	close(fd);
	CHECK_INT(engine_clip_open(rig->engine, "nobody", 1, &fd), -ENOENT);

	CHECK_TEXT_HAS(rig_read(rig, "logs/happy.log"), "accepted from uid");
	CHECK_TEXT_HAS(rig_read(rig, "logs/happy.log"), "attempt 1 started");
	CHECK_TEXT_HAS(rig_read(rig, "logs/happy.log"), "a line of the worker");
	CHECK_TEXT_HAS(rig_read(rig, "logs/happy.log"), "libav says something");
	CHECK_TEXT_HAS(rig_read(rig, "logs/happy.log"), "done: 2 clips in ");
	CHECK_INT(engine_log_open(rig->engine, "happy", &fd), 0);
	CHECK(read(fd, data, sizeof(data)) > 100);
	close(fd);
	CHECK_INT(engine_log_open(rig->engine, "nobody", &fd), -ENOENT);
}

/* What a running job shows, step by step; each step waits for the test. */
static void test_steps(struct rig *rig)
{
	auto_snapshot struct job_snapshot job = {0};
	struct clip_info clip;
	struct job_brief brief;
	uint64_t version;
	char data[16];
	int fd = -1;

	rig_job(rig, "steps", "phase 30 Analyzing video...\nplan 1\nawait one\nclip 1 5\n"
			      "progress 7 55 Exporting clips...\nawait two\n");
	CHECK(rig_wait_progress(rig, "steps", 30));
	REQUIRE(engine_snapshot(rig->engine, "steps", &job) == 0);
	CHECK_INT(job.state, JOB_RUNNING);
	CHECK_STR(job.message, "Analyzing video...");
	CHECK_INT(job.clips_ready, 0);
	version = job.version;
	job_snapshot_finish(&job);
	CHECK_INT(engine_clips_page(rig->engine, "steps", 0, &clip, 1), 0);
	rig_write(rig, "one", "");
	CHECK(rig_wait_progress(rig, "steps", 55));
	REQUIRE(engine_snapshot(rig->engine, "steps", &job) == 0);
	CHECK(job.version > version);
	CHECK_INT(job.clips_ready, 1);
	CHECK_INT(job.total_clips, 1);
	CHECK_INT(job.n_artifacts, 0);
	CHECK_INT(engine_clip(rig->engine, "steps", 1, &clip), 0);
	CHECK_INT(clip.attempt, 1);
	CHECK_INT(engine_clip_open(rig->engine, "steps", 1, &fd), 0);
	rig_write(rig, "two", "");
	CHECK(rig_wait(rig, "steps", JOB_DONE));
	CHECK(rig_wait_idle(rig));
	CHECK_INT(read(fd, data, sizeof(data)), 5); /* an open clip stays the same file */
	close(fd);
	REQUIRE(engine_brief(rig->engine, "steps", &brief) == 0);
	CHECK(brief.version > job.version);
}

static void test_refused(struct rig *rig)
{
	struct error e = {0};
	char id[JOB_ID_SIZE];

	CHECK_INT(rig_submit_as(rig, 0, "happy", "happy", 0, &e, NULL), -EEXIST);
	CHECK_INT(e.code, SC_JOB_EXISTS);
	CHECK(mkdirat(rig->root_fd, "outputs/foreign", 0755) == 0);
	CHECK_INT(rig_submit_as(rig, 0, "foreign", "happy", 0, &e, NULL), -EEXIST);
	CHECK_INT(e.code, SC_JOB_EXISTS);
	CHECK(rig_has(rig, "outputs/foreign"));
	CHECK(!rig_has(rig, "logs/foreign.log"));
	CHECK_TEXT(rig_list(rig, "uploads/" ENGINE_HOLD_DIR), "");
	CHECK_INT(rig_submit_as(rig, 0, "../x", "happy", 0, &e, NULL), -EINVAL);
	CHECK_INT(rig_submit_as(rig, 0, NULL, "happy", 0, &e, id), 0);
	CHECK(job_id_is_valid(id) && !strncmp(id, "job_", 4));
	CHECK(rig_wait(rig, id, JOB_DONE));
	CHECK_INT(engine_snapshot(rig->engine, "nobody", &(struct job_snapshot){0}), -ENOENT);
}

static void test_cancel(struct rig *rig)
{
	const struct caller me = {.uid = 1000}, other = {.uid = 1001}, root = {.uid = 0};
	auto_snapshot struct job_snapshot job = {0};
	struct error e = {0};
	char *child;
	pid_t pid;

	/* Running, with a process of its own in the group. */
	rig_upload(rig, "c1", "phase 30 Analyzing video...\nclip 1 1\nchild\nprogress 1 40 x\nhang\n");
	CHECK_INT(rig_submit_as(rig, 1000, "c1", "c1", 0, &e, NULL), 0);
	CHECK(rig_wait_progress(rig, "c1", 40));
	child = rig_read(rig, "child");
	pid = (pid_t)atoi(child);
	free(child);
	CHECK(pid > 1 && rig_is_alive(pid));
	CHECK_INT(engine_cancel(rig->engine, "c1", &other, &e), -EACCES);
	CHECK_INT(engine_cancel(rig->engine, "nobody", &me, &e), -ENOENT);
	CHECK_INT(engine_remove(rig->engine, "c1", &me, &e), -EBUSY);
	CHECK_INT(engine_remove_clip(rig->engine, "c1", 1, &me, &e), -EBUSY);
	CHECK_INT(engine_cancel(rig->engine, "c1", &me, &e), 0);
	CHECK_INT(engine_cancel(rig->engine, "c1", &me, &e), -EALREADY);
	REQUIRE(engine_snapshot(rig->engine, "c1", &job) == 0);
	CHECK_INT(job.state, JOB_CANCELLED);
	CHECK_INT(job.progress, 40);
	CHECK(job.finished_at > 0);
	CHECK_INT(job.clips_ready, 0);
	CHECK(rig_wait_idle(rig));
	CHECK(rig_wait_dead(rig, pid));
	CHECK_TEXT(rig_list(rig, "work"), "");
	CHECK_TEXT(rig_list(rig, "uploads/" ENGINE_HOLD_DIR), "");
	CHECK(!rig_has(rig, "outputs/c1"));
	CHECK(rig_has(rig, "uploads/c1"));

	/* Queued: both slots are taken by others. */
	rig_job(rig, "b1", "await free\nclip 1 1\n");
	rig_job(rig, "b2", "await free\nclip 1 1\n");
	CHECK(rig_wait_progress(rig, "b2", 10));
	rig_job(rig, "c2", two_clips);
	CHECK_INT(engine_cancel(rig->engine, "c2", &root, &e), 0);
	CHECK(!rig_has(rig, "uploads/" ENGINE_HOLD_DIR "/c2"));
	CHECK_TEXT(rig_ask(rig, "SELECT status||attempt FROM jobs WHERE job_id='c2'"), "cancelled0");
	rig_write(rig, "free", "");
	CHECK(rig_wait(rig, "b1", JOB_DONE));
	CHECK(rig_wait(rig, "b2", JOB_DONE));
}

static void test_remove(struct rig *rig)
{
	const struct caller other = {.uid = 1001}, root = {.uid = 0};
	auto_snapshot struct job_snapshot job = {0};
	struct error e = {0};
	struct clip_info clips[4];
	int kept = -1;
	char data[8];

	CHECK_INT(engine_clip_open(rig->engine, "happy", 2, &kept), 0);
	CHECK_INT(engine_remove_clip(rig->engine, "happy", 1, &root, &e), 0);
	CHECK(!rig_has(rig, "outputs/happy/clip_001.mp4"));
	CHECK_INT(engine_remove_clip(rig->engine, "happy", 1, &root, &e), -ENOENT);
	CHECK_INT(engine_clips_page(rig->engine, "happy", 0, clips, 4), 1);
	CHECK_INT(clips[0].number, 2);
	REQUIRE(engine_snapshot(rig->engine, "happy", &job) == 0);
	CHECK(job.artifacts[0].is_deleted && !job.artifacts[1].is_deleted);
	CHECK_TEXT(rig_ask(rig, "SELECT output_urls FROM jobs WHERE job_id='happy'"),
		   "[\"https://cdn.example/v/happy/clip_002.mp4\"]");

	CHECK_INT(engine_remove(rig->engine, "happy", &other, &e), -EACCES);
	CHECK_INT(engine_remove(rig->engine, "nobody", &root, &e), -ENOENT);
	CHECK_INT(engine_remove(rig->engine, "happy", &root, &e), 0);
	CHECK(!rig_has(rig, "outputs/happy"));
	CHECK(!rig_has(rig, "logs/happy.log"));
	CHECK_INT(engine_snapshot(rig->engine, "happy", &(struct job_snapshot){0}), -ENOENT);
	CHECK_INT(engine_remove(rig->engine, "happy", &root, &e), -ENOENT);
	CHECK_INT(pread(kept, data, sizeof(data), 0), 8); /* an open one stays readable */
	close(kept);
	/* The id is free again, at once. */
	rig_job(rig, "happy", two_clips);
	CHECK(rig_wait(rig, "happy", JOB_DONE));
	check_done(rig, "happy");
	CHECK(rig_wait_idle(rig));
	/* One that was just cancelled goes as well, its worker with it. */
	rig_job(rig, "gone", "phase 30 x\nhang\n");
	CHECK(rig_wait_progress(rig, "gone", 30));
	CHECK_INT(engine_cancel(rig->engine, "gone", &root, &e), 0);
	CHECK_INT(engine_remove(rig->engine, "gone", &root, &e), 0);
	CHECK(!rig_has(rig, "work/gone.1"));
	rig_job(rig, "gone", two_clips);
	CHECK(rig_wait(rig, "gone", JOB_DONE));
}

static void test_waiting(struct rig *rig)
{
	auto_snapshot struct job_snapshot job = {0};
	struct error e = {0};
	struct stat st;

	rig_upload(rig, "w1", "clip 1 1\n");
	CHECK_INT(rig_submit_as(rig, 0, "w1", "w1", RIG_WAITING, &e, NULL), 0);
	CHECK_INT(rig_submit_as(rig, 0, "w2", "w1", RIG_WAITING, &e, NULL), 0);
	REQUIRE(fstatat(rig->root_fd, "uploads/w1", &st, 0) == 0);
	CHECK_INT(st.st_nlink, 3);
	CHECK_INT(engine_source_links(rig->engine, st.st_dev, st.st_ino), 2);
	CHECK(engine_source_is_awaited(rig->engine, st.st_dev, st.st_ino));
	/* Others go past it. */
	rig_job(rig, "past", "clip 1 1\n");
	CHECK(rig_wait(rig, "past", JOB_DONE));
	REQUIRE(engine_snapshot(rig->engine, "w1", &job) == 0);
	CHECK_INT(job.state, JOB_QUEUED);
	CHECK_STR(job.message, "Waiting for the upload to be closed");
	/* It grows, is closed, and is what it is then. */
	rig_write(rig, "uploads/w1", "clip 1 3\nlog longer\n");
	REQUIRE(fstatat(rig->root_fd, "uploads/w1", &st, 0) == 0);
	engine_source_ready(rig->engine, st.st_dev, st.st_ino, st.st_size,
			    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	CHECK(!engine_source_is_awaited(rig->engine, st.st_dev, st.st_ino));
	CHECK(rig_wait(rig, "w1", JOB_DONE));
	CHECK(rig_wait(rig, "w2", JOB_DONE));
	CHECK_INT(engine_source_links(rig->engine, st.st_dev, st.st_ino), 0);

	rig_upload(rig, "w3", "clip 1 1\n");
	CHECK_INT(rig_submit_as(rig, 0, "w3", "w3", RIG_WAITING, &e, NULL), 0);
	REQUIRE(fstatat(rig->root_fd, "uploads/w3", &st, 0) == 0);
	engine_source_failed(rig->engine, st.st_dev, st.st_ino, SC_UPLOAD_BUSY, "still being written");
	CHECK(rig_wait(rig, "w3", JOB_FAILED));
	job_snapshot_finish(&job);
	REQUIRE(engine_snapshot(rig->engine, "w3", &job) == 0);
	CHECK_INT(job.error.code, SC_UPLOAD_BUSY);
	CHECK_STR(job.message, "still being written");
	CHECK_INT(job.attempt, 0);
	CHECK(!rig_has(rig, "uploads/" ENGINE_HOLD_DIR "/w3"));

	CHECK_INT(rig_submit_as(rig, 0, "w4", "w3", RIG_INCOMPLETE, &e, NULL), 0);
	CHECK(rig_wait(rig, "w4", JOB_FAILED));
	CHECK_TEXT(rig_ask(rig, "SELECT error_code FROM jobs WHERE job_id='w4'"), "UPLOAD_INCOMPLETE");
	CHECK_TEXT_HAS(rig_ask(rig, "SELECT error_msg FROM jobs WHERE job_id='w4'"), "'w3' was cut off");
}

/* The upload's name may go; its bytes are held. Its bytes may not change. */
static void test_held(struct rig *rig)
{
	const struct timespec times[2] = {{.tv_sec = 12, .tv_nsec = 34}, {.tv_sec = 12, .tv_nsec = 34}};
	struct stat st;

	rig_job(rig, "h1", "touch h1-runs\nawait h1-go\nclip 1 1\n");
	CHECK(rig_wait_path(rig, "h1-runs", true));
	CHECK(unlinkat(rig->root_fd, "uploads/h1", 0) == 0);
	rig_write(rig, "h1-go", "");
	CHECK(rig_wait(rig, "h1", JOB_DONE));

	rig_job(rig, "h2", "touch h2-runs\nawait h2-go\nclip 1 1\n");
	CHECK(rig_wait_path(rig, "h2-runs", true));
	rig_write(rig, "uploads/h2", "another text\n");
	rig_write(rig, "h2-go", "");
	CHECK(rig_wait(rig, "h2", JOB_FAILED));
	CHECK_TEXT(rig_ask(rig, "SELECT error_code||attempt FROM jobs WHERE job_id='h2'"),
		   "UPLOAD_CHANGED1");
	CHECK(!rig_has(rig, "outputs/h2"));

	/* Times set through the mount are no change, also when it is told a little later. */
	rig_job(rig, "h3", "touch h3-runs\nawait h3-go\nclip 1 1\n");
	CHECK(rig_wait_path(rig, "h3-runs", true));
	CHECK(utimensat(rig->root_fd, "uploads/h3", times, 0) == 0);
	REQUIRE(fstatat(rig->root_fd, "uploads/h3", &st, 0) == 0);
	engine_source_touched(rig->engine, st.st_dev, st.st_ino);
	CHECK(rig_wait_ask(rig, "SELECT source_mtime_ns FROM jobs WHERE job_id='h3'", "12000000034"));
	rig_write(rig, "h3-go", "");
	CHECK(rig_wait(rig, "h3", JOB_DONE));
	/* Behind the mount they are one. */
	rig_job(rig, "h4", "touch h4-runs\nawait h4-go\nclip 1 1\n");
	CHECK(rig_wait_path(rig, "h4-runs", true));
	CHECK(utimensat(rig->root_fd, "uploads/h4", times, 0) == 0);
	rig_write(rig, "h4-go", "");
	CHECK(rig_wait(rig, "h4", JOB_FAILED));
	CHECK_TEXT(rig_ask(rig, "SELECT error_code FROM jobs WHERE job_id='h4'"), "UPLOAD_CHANGED");
}

static void test_queue_full(struct rig *rig)
{
	struct error e = {0};

	rig_upload(rig, "q", "clip 1 1\n");
	rig->settings.max_queue = 1;
	CHECK_INT(rig_submit_as(rig, 0, "q1", "q", RIG_WAITING, &e, NULL), 0);
	CHECK_INT(rig_submit_as(rig, 0, "q2", "q", RIG_WAITING, &e, NULL), -EBUSY);
	CHECK_INT(e.code, SC_QUEUE_FULL);
	rig->settings.max_queue = 100;
	CHECK_INT(engine_cancel(rig->engine, "q1", &(struct caller){.uid = 0}, &e), 0);
}

static void test_database_locked(struct rig *rig)
{
	struct error e = {0};
	struct engine_stats stats;
	char *log;

	rig_upload(rig, "l", "clip 1 1\n");
	rig_job(rig, "l0", "touch l0-runs\nawait l0-go\nclip 1 1\n");
	CHECK(rig_wait_path(rig, "l0-runs", true));
	/* Another process holds the database for two seconds. */
	pid_t pid = fork();

	if (pid == 0) {
		char command[512];

		snprintf(command, sizeof(command),
			 "printf 'BEGIN IMMEDIATE;\\n.shell touch %s/locked; sleep 2\\nROLLBACK;\\n' | "
			 "sqlite3 %s >/dev/null",
			 rig->root, rig->database);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	CHECK(rig_wait_path(rig, "locked", true));
	CHECK_INT(rig_submit_as(rig, 0, "l1", "l", 0, &e, NULL), -EIO);
	CHECK_INT(e.code, SC_INTERNAL);
	CHECK(!rig_has(rig, "uploads/" ENGINE_HOLD_DIR "/l1"));
	CHECK(!rig_has(rig, "logs/l1.log"));
	engine_stats(rig->engine, &stats);
	CHECK_CONTAINS(stats.database_error, "locked");
	/* The worker ends meanwhile; its `done` is held until it can be written. */
	rig_write(rig, "l0-go", "");
	CHECK(rig_wait(rig, "l0", JOB_DONE));
	CHECK(rig_wait_idle(rig));
	log = rig_read(rig, "logs/l0.log");
	CHECK_CONTAINS(log, "done: 1 clips");
	free(log);
	CHECK_INT(rig_submit_as(rig, 0, "l1", "l", 0, &e, NULL), 0);
	CHECK(rig_wait(rig, "l1", JOB_DONE));
	engine_stats(rig->engine, &stats);
	CHECK_STR(stats.database_error, "");
}

static void test_many(struct rig *rig)
{
	struct error e = {0};
	int64_t worst = 0, sum = 0;
	struct engine_stats stats;
	char id[32];
	enum { N = 60 };

	rig_upload(rig, "many", "clip 1 1\n");
	for (int i = 0; i < N; i++) {
		struct timespec a, b;
		int64_t us;

		snprintf(id, sizeof(id), "many%d", i);
		clock_gettime(CLOCK_MONOTONIC, &a);
		CHECK_INT(rig_submit_as(rig, 0, id, "many", 0, &e, NULL), 0);
		clock_gettime(CLOCK_MONOTONIC, &b);
		us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
		worst = us > worst ? us : worst;
		sum += us;
	}
	printf("submit: mean %.2f ms, worst %.2f ms, while 2 workers run\n", (double)sum / N / 1000,
	       (double)worst / 1000);
	for (int i = 0; i < N; i++) {
		snprintf(id, sizeof(id), "many%d", i);
		CHECK(rig_wait(rig, id, JOB_DONE));
	}
	CHECK(rig_wait_idle(rig));
	engine_stats(rig->engine, &stats);
	CHECK_INT(stats.queued, 0);
	CHECK_INT(stats.workers_of, 2);
	CHECK(stats.free_work > 0 && stats.free_uploads > 0 && stats.free_outputs > 0);
	CHECK(stats.watchdog_last_run > 0);
}

static void test_stopping(struct rig *rig)
{
	const struct caller root = {.uid = 0};
	struct error e = {0};

	engine_stop(rig->engine);
	CHECK_INT(rig_submit_as(rig, 0, "late", "many", 0, &e, NULL), -ESHUTDOWN);
	CHECK_INT(e.code, SC_STOPPING);
	CHECK_INT(engine_cancel(rig->engine, "happy", &root, &e), -ESHUTDOWN);
	CHECK_INT(engine_remove(rig->engine, "happy", &root, &e), -ESHUTDOWN);
	check_done(rig, "happy"); /* reading goes on */
}

int main(int argc, char **argv)
{
	struct rig rig;

	rig_main(argc, argv);
	rig_init(&rig);
	rig_up(&rig);
	test_done(&rig);
	test_steps(&rig);
	test_refused(&rig);
	test_cancel(&rig);
	test_remove(&rig);
	test_waiting(&rig);
	test_held(&rig);
	test_queue_full(&rig);
	test_database_locked(&rig);
	test_many(&rig);
	CHECK(rig.n_created > 60 && rig.n_ended > 60 && rig.n_removed == 2);
	test_stopping(&rig);
	rig_finish(&rig);
	return check_result();
}
