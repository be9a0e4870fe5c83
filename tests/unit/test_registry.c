/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry of uploads over a real directory, database and engine (which is not started: its
 * jobs stay queued). Each life of the daemon is a process of its own, so that it can end uncleanly.
 */
#include "check.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storyclip/common/file.h"
#include "storyclip/engine.h"
#include "storyclip/intake.h"
#include "storyclip/store.h"

#define WAIT_MS        20000
#define UPLOAD_WAIT_MS 1500

static char top[] = "/tmp/test_registry.XXXXXX";

struct world {
	struct settings settings;
	struct store *store;
	struct engine *engine;
	struct intake *intake;
	int uploads_fd;
};

static char *below(const char *name)
{
	char *path;

	REQUIRE(asprintf(&path, "%s/%s", top, name) > 0);
	return path;
}

static void job_changed(void *context, const char *job_id, uint64_t version, unsigned int what)
{
}

static void world_begin(struct world *w, int64_t upload_wait_ms)
{
	struct error e = {0};

	*w = (struct world){.settings = {.root = below(""),
					 .mountpoint = below("mnt"),
					 .upload_tmp_dir = below("uploads"),
					 .process_work_dir = below("work"),
					 .output_root = below("outputs"),
					 .cdn_base = below(""),
					 .database = below("storyclip.db"),
					 .workers = 1,
					 .stall_timeout_ms = 60000,
					 .watchdog_interval_ms = 60000,
					 .max_attempts = 2,
					 .upload_wait_ms = upload_wait_ms,
					 .max_queue = 100}};
	if (store_open(w->settings.database, 5000, &e, &w->store) < 0 ||
	    engine_create(&(struct engine_deps){.settings = &w->settings,
						.store = w->store,
						.clock = &clock_system,
						.listener = {NULL, job_changed},
						.helper_dir = "/nonexistent"},
			  &e, &w->engine) < 0 ||
	    intake_create(&(struct intake_deps){&w->settings, w->store, w->engine, &clock_system},
			  &e, &w->intake) < 0 ||
	    intake_start(w->intake, &e) < 0)
		fprintf(stderr, "%s\n", e.message);
	REQUIRE(!e.err);
	w->uploads_fd = open(w->settings.upload_tmp_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(w->uploads_fd >= 0);
}

static void world_end(struct world *w)
{
	intake_stop(w->intake);
	intake_destroy(w->intake);
	engine_destroy(w->engine);
	store_close(w->store);
	close(w->uploads_fd);
	free(w->settings.root);
	free(w->settings.mountpoint);
	free(w->settings.upload_tmp_dir);
	free(w->settings.process_work_dir);
	free(w->settings.output_root);
	free(w->settings.cdn_base);
	free(w->settings.database);
}

/* ---- what the mount does: the file, then the news ---- */

static struct stat stat_of(struct world *w, const char *path)
{
	struct stat st;

	REQUIRE(fstatat(w->uploads_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st;
}

static int file_begin(struct world *w, const char *path)
{
	int fd = openat(w->uploads_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;

	REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
	intake_writer_opened(w->intake, st.st_dev, st.st_ino, path);
	return fd;
}

static void file_end(struct world *w, const char *path, int fd)
{
	struct stat st;

	REQUIRE(fstat(fd, &st) == 0);
	intake_writer_closed(w->intake, st.st_dev, st.st_ino, path, fd);
	close(fd);
}

static void file_put(struct world *w, const char *path, const char *text)
{
	int fd = file_begin(w, path);

	REQUIRE(file_write_all(fd, text, strlen(text)) == 0);
	file_end(w, path, fd);
}

static void file_move(struct world *w, const char *from, const char *to)
{
	struct stat st = stat_of(w, from);

	REQUIRE(renameat(w->uploads_fd, from, w->uploads_fd, to) == 0);
	intake_renamed(w->intake, from, to, S_ISDIR(st.st_mode), st.st_dev, st.st_ino);
}

static void file_remove(struct world *w, const char *path)
{
	REQUIRE(unlinkat(w->uploads_fd, path, 0) == 0);
	intake_unlinked(w->intake, path);
}

/* Behind the mount's back. */
static void file_plant(struct world *w, const char *path, const char *text, int64_t mtime_s)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = mtime_s}};
	int fd = openat(w->uploads_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	REQUIRE(fd >= 0 && file_write_all(fd, text, strlen(text)) == 0);
	REQUIRE(!mtime_s || futimens(fd, times) == 0);
	close(fd);
}

/* ---- what the database says ---- */

/* "open", "complete", "incomplete", "none" */
static const char *state_now(struct world *w, const char *path)
{
	static const char *const names[] = {"open", "complete", "incomplete"};
	struct upload_row row;
	int r = store_upload_get(w->store, path, &row);

	REQUIRE(r == 0 || r == -ENOENT);
	return r < 0 ? "none" : names[row.state];
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void wait_state(struct world *w, const char *path, const char *state)
{
	for (int ms = 0; ms < WAIT_MS && strcmp(state_now(w, path), state) != 0; ms += 2)
		nap();
	if (strcmp(state_now(w, path), state) != 0)
		fprintf(stderr, "%s:\n", path);
	CHECK_STR(state_now(w, path), state);
}

/* The row of a complete upload says what the file is. */
static void check_row(struct world *w, const char *path)
{
	struct stat st = stat_of(w, path);
	struct upload_row row = {0};

	CHECK_INT(store_upload_get(w->store, path, &row), 0);
	CHECK_INT(row.size, st.st_size);
	CHECK_INT(row.mtime_ns, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
}

/* ---- jobs ---- */

struct answer {
	atomic_bool is_there;
	int err;
	char *json;
};

static void take_answer(void *context, int err, const char *json)
{
	struct answer *answer = context;

	answer->err = err;
	answer->json = strdup(json);
	atomic_store(&answer->is_there, true);
}

static void wait_answer(struct answer *answer, int err, const char *part)
{
	for (int ms = 0; ms < WAIT_MS && !atomic_load(&answer->is_there); ms += 2)
		nap();
	REQUIRE(atomic_load(&answer->is_there));
	CHECK_INT(answer->err, err);
	CHECK_CONTAINS(answer->json, part);
	free(answer->json);
}

static void submit(struct world *w, const char *text, int err, const char *part)
{
	const struct caller caller = {.uid = geteuid(), .gid = getegid()};
	struct answer answer = {0};

	intake_submit(w->intake, &caller, text, take_answer, &answer);
	wait_answer(&answer, err, part);
}

static void cancel(struct world *w, const char *job_id)
{
	const struct caller caller = {.uid = geteuid(), .gid = getegid()};
	struct answer answer = {0};

	intake_job_command(w->intake, &caller, job_id, " cancel\n", take_answer, &answer);
	wait_answer(&answer, 0, "\"status\":\"cancelled\"");
}

static void wait_job(struct world *w, const char *job_id, enum job_state state, const char *message)
{
	char last[ERROR_MESSAGE_SIZE] = "";
	enum job_state last_state = JOB_DONE;

	for (int ms = 0; ms < WAIT_MS; ms += 2) {
		auto_snapshot struct job_snapshot s = {0};

		REQUIRE(engine_snapshot(w->engine, job_id, &s) == 0);
		last_state = s.state;
		snprintf(last, sizeof(last), "%s", s.message);
		if (last_state == state && strstr(last, message))
			break;
		nap();
	}
	CHECK_INT(last_state, state);
	CHECK_CONTAINS(last, message);
}

static void wait_ready(struct world *w, const char *job_id, const char *path)
{
	struct stat st = stat_of(w, path);

	for (int ms = 0; ms < WAIT_MS && engine_source_is_awaited(w->engine, st.st_dev, st.st_ino);
	     ms += 2)
		nap();
	CHECK(!engine_source_is_awaited(w->engine, st.st_dev, st.st_ino));
	wait_job(w, job_id, JOB_QUEUED, JOB_MESSAGE_QUEUED);
}

static void check_source(struct world *w, const char *job_id, enum source_state state)
{
	auto_snapshot struct job_snapshot s = {0};

	REQUIRE(engine_snapshot(w->engine, job_id, &s) == 0);
	CHECK_INT(s.source_state, state);
}

/* ---- lives ---- */

static void life_names(struct world *w)
{
	struct stat st;
	int fd, other;

	fd = file_begin(w, "a.mp4");
	wait_state(w, "a.mp4", "open");
	CHECK_INT(intake_open_uploads(w->intake), 1);
	other = file_begin(w, "a.mp4"); /* a second writer: the last one counts */
	file_end(w, "a.mp4", fd);
	CHECK_INT(intake_open_uploads(w->intake), 1);
	REQUIRE(file_write_all(other, "12345", 5) == 0);
	CHECK_STR(state_now(w, "a.mp4"), "open");
	file_end(w, "a.mp4", other);
	wait_state(w, "a.mp4", "complete");
	CHECK_INT(intake_open_uploads(w->intake), 0);
	check_row(w, "a.mp4");

	/* rename while it is written, then complete under the new name */
	fd = file_begin(w, ".b.tmp");
	file_move(w, ".b.tmp", "b.mp4");
	wait_state(w, "b.mp4", "open");
	wait_state(w, ".b.tmp", "none");
	file_end(w, "b.mp4", fd);
	wait_state(w, "b.mp4", "complete");

	/* rename over another */
	file_put(w, ".c", "new content");
	file_move(w, ".c", "b.mp4");
	wait_state(w, ".c", "none");
	wait_state(w, "b.mp4", "complete");
	for (int ms = 0; ms < WAIT_MS; ms += 2) {
		struct upload_row row;

		if (store_upload_get(w->store, "b.mp4", &row) == 0 && row.size == 11)
			break;
		nap();
	}
	check_row(w, "b.mp4");

	/* a second name, and a directory that moves */
	st = stat_of(w, "b.mp4");
	REQUIRE(linkat(w->uploads_fd, "b.mp4", w->uploads_fd, "c.mp4", 0) == 0);
	intake_linked(w->intake, "c.mp4", st.st_dev, st.st_ino);
	wait_state(w, "c.mp4", "complete");
	REQUIRE(mkdirat(w->uploads_fd, "dir", 0755) == 0);
	fd = file_begin(w, "dir/d.mp4");
	wait_state(w, "dir/d.mp4", "open");
	file_move(w, "dir", "moved");
	wait_state(w, "moved/d.mp4", "open");
	file_end(w, "moved/d.mp4", fd);
	wait_state(w, "moved/d.mp4", "complete");
	CHECK_STR(state_now(w, "dir/d.mp4"), "none");

	/* times that are set afterwards stay known */
	st = stat_of(w, "a.mp4");
	intake_times_setting(w->intake, &st);
	REQUIRE(utimensat(w->uploads_fd, "a.mp4",
			  (struct timespec[2]){{.tv_sec = 5}, {.tv_sec = 7}}, 0) == 0);
	intake_times_set(w->intake, st.st_dev, st.st_ino, "a.mp4", true);
	for (int ms = 0; ms < WAIT_MS; ms += 2) {
		struct upload_row row;

		if (store_upload_get(w->store, "a.mp4", &row) == 0 && row.mtime_ns == 7000000000)
			break;
		nap();
	}
	check_row(w, "a.mp4");

	/* removed, while open and after */
	fd = file_begin(w, "e.mp4");
	file_remove(w, "e.mp4");
	file_end(w, "e.mp4", fd);
	file_remove(w, "c.mp4");
	wait_state(w, "c.mp4", "none");
	wait_state(w, "e.mp4", "none");
}

static void life_jobs(struct world *w)
{
	struct stat st;
	int fd;

	/* frozen from the last close to the end of its last job */
	file_put(w, "f.mp4", "f");
	st = stat_of(w, "f.mp4");
	CHECK(!intake_is_frozen(w->intake, st.st_dev, st.st_ino));
	submit(w, "uploadId=f jobId=f", 0, "\"jobId\":\"f\"");
	wait_ready(w, "f", "f.mp4");
	CHECK(intake_is_frozen(w->intake, st.st_dev, st.st_ino));
	CHECK_INT(intake_hidden_links(w->intake, st.st_dev, st.st_ino), 1);
	cancel(w, "f");
	CHECK(!intake_is_frozen(w->intake, st.st_dev, st.st_ino));

	/* a request in the middle of an upload waits for its end */
	fd = file_begin(w, "g.mp4");
	submit(w, "{\"uploadId\":\"g\",\"jobId\":\"g\"}", 0, "\"status\":\"queued\"");
	wait_job(w, "g", JOB_QUEUED, JOB_MESSAGE_WAITING);
	st = stat_of(w, "g.mp4");
	CHECK(!intake_is_frozen(w->intake, st.st_dev, st.st_ino));
	/* longer than upload_wait, but it grows; often, as a busy machine pauses us too */
	for (int ms = 0; ms < UPLOAD_WAIT_MS * 3 / 2; ms += 20) {
		REQUIRE(file_write_all(fd, "x", 1) == 0);
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	wait_job(w, "g", JOB_QUEUED, JOB_MESSAGE_WAITING);
	file_end(w, "g.mp4", fd);
	wait_ready(w, "g", "g.mp4");
	cancel(w, "g");

	/* and fails when no byte comes */
	fd = file_begin(w, "h.mp4");
	submit(w, "uploadId=h jobId=h", 0, "\"jobId\":\"h\"");
	wait_job(w, "h", JOB_FAILED, "still open for writing");
	file_end(w, "h.mp4", fd);

	/* requests right behind the close, and the name gone at once */
	for (int i = 0; i < 50; i++) {
		char path[32], text[64], id[16];

		snprintf(path, sizeof(path), "q%d.mp4", i);
		snprintf(id, sizeof(id), "q%d", i);
		snprintf(text, sizeof(text), "uploadId=q%d jobId=q%d", i, i);
		file_put(w, path, "q");
		st = stat_of(w, path);
		submit(w, text, 0, "\"success\":true");
		if (i % 2)
			file_remove(w, path);
		for (int ms = 0;
		     ms < WAIT_MS && engine_source_is_awaited(w->engine, st.st_dev, st.st_ino);
		     ms += 2)
			nap();
		CHECK(!engine_source_is_awaited(w->engine, st.st_dev, st.st_ino));
		cancel(w, id);
	}

	/* put there behind the mount */
	file_plant(w, "p.mp4", "planted", 0);
	submit(w, "uploadId=p jobId=p", 0, "\"success\":true");
	wait_ready(w, "p", "p.mp4");
	CHECK_STR(state_now(w, "p.mp4"), "complete");
	cancel(w, "p");

	submit(w, "uploadId=none", -ENOENT, "\"code\":\"UPLOAD_NOT_FOUND\"");
	submit(w, "uploadId=p jobId=p", -EEXIST, "\"code\":\"JOB_EXISTS\"");
	submit(w, "colour=red", -EINVAL, "colour");
	submit(w, "uploadId=p", 0, "\"jobId\":\"job_1");
}

/* Ends as by kill -9, with one file open, one closed, one that only the disk knows. */
static void life_cut_off(struct world *w)
{
	file_put(w, "whole.mp4", "whole");
	wait_state(w, "whole.mp4", "complete");
	REQUIRE(file_write_all(file_begin(w, "half.mp4"), "half", 4) == 0);
	submit(w, "uploadId=half jobId=half", 0, "\"success\":true");
	wait_state(w, "half.mp4", "open");
	REQUIRE(file_write_all(file_begin(w, "half2.mp4"), "half", 4) == 0);
	wait_state(w, "half2.mp4", "open");
	REQUIRE(file_write_all(file_begin(w, "half3.mp4"), "half", 4) == 0);
	wait_state(w, "half3.mp4", "open");
	file_plant(w, "unknown.mp4", "unknown", time(NULL) - 10);
	file_plant(w, "since.mp4", "since", time(NULL) + 10);
	file_plant(w, "half3.mp4", "finished since", time(NULL) + 10);
	_exit(check_failures ? 1 : 0);
}

static void life_after_cut_off(struct world *w)
{
	struct stat st;
	int fd;

	CHECK_STR(state_now(w, "whole.mp4"), "complete");
	CHECK_STR(state_now(w, "half.mp4"), "incomplete");
	CHECK_STR(state_now(w, "half2.mp4"), "incomplete");
	CHECK_STR(state_now(w, "unknown.mp4"), "incomplete");
	wait_state(w, "since.mp4", "complete");
	wait_state(w, "half3.mp4", "complete");
	wait_job(w, "half", JOB_FAILED, "still being written");
	submit(w, "uploadId=half jobId=half-2", 0, "\"success\":true");
	check_source(w, "half-2", SOURCE_INCOMPLETE); /* its slot fails it, once there are slots */
	/* a rename does not make it whole, nor does a change of its times */
	file_move(w, "half.mp4", "other.mp4");
	wait_state(w, "other.mp4", "incomplete");
	st = stat_of(w, "other.mp4");
	intake_times_setting(w->intake, &st);
	REQUIRE(utimensat(w->uploads_fd, "other.mp4",
			  (struct timespec[2]){{.tv_sec = 5}, {.tv_sec = 7}}, 0) == 0);
	intake_times_set(w->intake, st.st_dev, st.st_ino, "other.mp4", true);
	for (int ms = 0; ms < WAIT_MS; ms += 2) {
		struct upload_row row;

		if (store_upload_get(w->store, "other.mp4", &row) == 0 &&
		    row.mtime_ns == 7000000000)
			break;
		nap();
	}
	CHECK_STR(state_now(w, "other.mp4"), "incomplete");
	submit(w, "uploadId=other jobId=other", 0, "\"success\":true");
	check_source(w, "other", SOURCE_INCOMPLETE);
	/* written and closed again it is, and so is what replaces it */
	fd = file_begin(w, "other.mp4");
	REQUIRE(lseek(fd, 0, SEEK_END) == 4 && file_write_all(fd, "the rest", 8) == 0);
	file_end(w, "other.mp4", fd);
	wait_state(w, "other.mp4", "complete");
	file_put(w, ".new", "anew");
	file_move(w, ".new", "half2.mp4");
	wait_state(w, "half2.mp4", "complete");
	submit(w, "uploadId=half2 jobId=half2", 0, "\"success\":true");
	wait_ready(w, "half2", "half2.mp4");
	/* the stop comes while this one is written */
	REQUIRE(file_write_all(file_begin(w, "late.mp4"), "half", 4) == 0);
	submit(w, "uploadId=late jobId=late", 0, "\"success\":true");
}

static void life_after_stop(struct world *w)
{
	CHECK_STR(state_now(w, "late.mp4"), "incomplete");
	wait_job(w, "late", JOB_FAILED, "still being written");
	CHECK_STR(state_now(w, "unknown.mp4"), "incomplete"); /* it stays so */
	CHECK_STR(state_now(w, "other.mp4"), "complete");
	wait_job(w, "half2", JOB_QUEUED, JOB_MESSAGE_QUEUED);
	REQUIRE(unlinkat(w->uploads_fd, "whole.mp4", 0) == 0); /* behind the mount */
	file_plant(w, "quiet.mp4", "put there between two clean lives", time(NULL) - 1000);
}

/* ---- a disk that refuses one sync ---- */

static struct {
	struct world *world;
	atomic_ullong ino; /* of the file whose next sync is refused; 0: none */
	const char *from, *to; /* renamed while it is */
} refusal;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	unsigned long long ino = atomic_load(&refusal.ino);
	struct stat st;

	if (!ino || fstat(fd, &st) < 0 || st.st_ino != ino)
		return __real_fsync(fd);
	atomic_store(&refusal.ino, 0);
	file_move(refusal.world, refusal.from, refusal.to);
	errno = EIO;
	return -1;
}

/* It is told once; what happens to the upload meanwhile does not make it whole. */
static void life_refused(struct world *w)
{
	int fd = file_begin(w, "z1.mp4");

	submit(w, "uploadId=z1 jobId=z", 0, "\"jobId\":\"z\"");
	wait_job(w, "z", JOB_QUEUED, JOB_MESSAGE_WAITING);
	refusal.world = w;
	refusal.from = "z1.mp4";
	refusal.to = "z2.mp4";
	atomic_store(&refusal.ino, stat_of(w, "z1.mp4").st_ino);
	REQUIRE(file_write_all(fd, "lost", 4) == 0);
	file_end(w, "z1.mp4", fd);
	wait_job(w, "z", JOB_FAILED, "cannot be synced");
	wait_state(w, "z2.mp4", "incomplete");
	submit(w, "uploadId=z2 jobId=y", 0, "\"jobId\":\"y\"");
	check_source(w, "y", SOURCE_INCOMPLETE); /* it will fail when a slot takes it */
	cancel(w, "y");
	/* written anew it is an upload like any other */
	file_put(w, "z2.mp4", "whole");
	wait_state(w, "z2.mp4", "complete");
}

static void life_last(struct world *w)
{
	CHECK_STR(state_now(w, "whole.mp4"), "none");
	wait_state(w, "quiet.mp4", "complete");
}

static void live(void (*life)(struct world *w), int64_t upload_wait_ms)
{
	pid_t pid = fork();
	int status;

	REQUIRE(pid >= 0);
	if (pid == 0) {
		struct world w;

		check_count = check_failures = 0;
		world_begin(&w, upload_wait_ms);
		life(&w);
		world_end(&w);
		_exit(check_result());
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

int main(void)
{
	static const char *const dirs[] = {"uploads", "work", "outputs", "mnt"};
	int tmp_fd;

	REQUIRE(mkdtemp(top));
	for (size_t i = 0; i < SC_ARRAY_SIZE(dirs); i++) {
		char *path = below(dirs[i]);

		REQUIRE(mkdir(path, 0755) == 0);
		free(path);
	}
	live(life_names, 60000);
	live(life_jobs, UPLOAD_WAIT_MS);
	live(life_refused, 60000);
	live(life_cut_off, 60000);
	live(life_after_cut_off, 60000);
	live(life_after_stop, 60000);
	live(life_last, 60000);
	tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(tmp_fd >= 0 && file_remove_tree(tmp_fd, top + strlen("/tmp/")) == 0);
	close(tmp_fd);
	return check_result();
}
