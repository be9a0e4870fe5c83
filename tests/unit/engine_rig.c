/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See engine_rig.h. */
#include "engine_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../src/publish/publish.h"
#include "check.h"
#include "storyclip/child.h"
#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

#define PATIENCE_MS 20000

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- the worker ---- */

struct worker {
	struct child_reporter reporter;
	struct work_order order;
	bool is_over;
};

static const char *root_of_worker(void)
{
	const char *root = getenv("STORYCLIP_TEST_ROOT");

	return root ? root : "/nonexistent";
}

static void path_of(const char *name, char out[256])
{
	snprintf(out, 256, "%s/%s", root_of_worker(), name);
}

static void send(struct report *report)
{
	child_report(report);
}

static void make_clip(const char *args)
{
	struct report report = {.kind = REPORT_CLIP};
	struct artifact *clip = &report.artifact;
	char dropped[] = "[]";
	int bytes = 1, fd;

	if (sscanf(args, "%u %d", &clip->number, &bytes) < 1)
		abort();
	clip_filename(clip->number, false, clip->filename);
	clip->size_bytes = bytes;
	clip->duration_us = 5000000;
	clip->start_us = (int64_t)(clip->number - 1) * 5000000;
	clip->dropped = dropped;
	fd = openat(PROTO_CLIPS_FD, clip->filename, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < bytes; i++)
		if (write(fd, "x", 1) != 1)
			abort();
	close(fd);
	send(&report);
}

static void touch(const char *name)
{
	char path[256];

	path_of(name, path);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static void start_child(void)
{
	char path[256];
	pid_t pid = fork();
	FILE *f;

	if (pid == 0) {
		for (;;)
			pause();
	}
	path_of("child.tmp", path);
	f = fopen(path, "we");
	fprintf(f, "%ld", (long)pid);
	fclose(f);
	rename(path, strcat(strcpy((char[256]){0}, root_of_worker()), "/child"));
}

static void line_run(struct worker *w, char *line);

static void do_phase(struct worker *w, const char *args)
{
	struct report report = {.kind = REPORT_PHASE};
	int n = 0;

	sscanf(args, "%d %n", &report.progress, &n);
	snprintf(report.message, sizeof(report.message), "%s", args + n);
	send(&report);
}

static void do_progress(struct worker *w, const char *args)
{
	struct report report = {.kind = REPORT_PROGRESS};
	unsigned long long work = 0;
	int n = 0;

	sscanf(args, "%llu %d %n", &work, &report.progress, &n);
	report.work = work;
	snprintf(report.message, sizeof(report.message), "%s", args + n);
	send(&report);
}

static void do_plan(struct worker *w, const char *args)
{
	struct report report = {.kind = REPORT_PLAN, .total_clips = (unsigned int)atoi(args)};

	send(&report);
}

static void do_clip(struct worker *w, const char *args)
{
	make_clip(args);
}

static void do_warn(struct worker *w, const char *args)
{
	child_say(REPORT_WARNING, "%s", args);
}

static void do_log(struct worker *w, const char *args)
{
	child_say(REPORT_LOG, "%s", args);
}

static void do_err(struct worker *w, const char *args)
{
	fprintf(stderr, "%s\n", args);
	fflush(stderr);
}

static void do_fail(struct worker *w, const char *args)
{
	struct error e = {0};
	char code[64] = "";
	int n = 0;

	sscanf(args, "%63s %n", code, &n);
	error_set(&e, sc_code_from_name(code), "%s", args + n);
	_exit(child_end(&w->reporter, -EIO, &e));
}

static void do_signal(struct worker *w, const char *args)
{
	int number = atoi(args);

	signal(number, SIG_DFL); /* a sanitizer would make an exit of it */
	raise(number);
}

static void do_exit(struct worker *w, const char *args)
{
	_exit(atoi(args));
}

static void do_garbage(struct worker *w, const char *args)
{
	if (write(PROTO_REPORT_FD, "{\"report\":\"nonsense\"}\n", 22) < 0)
		_exit(1);
}

static void do_endless(struct worker *w, const char *args)
{
	char data[4096];

	memset(data, 'x', sizeof(data));
	while (write(PROTO_REPORT_FD, data, sizeof(data)) > 0)
		;
	_exit(1);
}

static void do_hang(struct worker *w, const char *args)
{
	for (;;)
		pause();
}

static void do_spin(struct worker *w, const char *args)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

static void do_beat(struct worker *w, const char *args)
{
	for (;;) {
		struct report report = {.kind = REPORT_PHASE, .progress = 30,
					.message = JOB_MESSAGE_ANALYZING};

		send(&report);
		sleep_ms(20);
	}
}

static void do_work(struct worker *w, const char *args)
{
	int steps = 0, ms = 0;

	sscanf(args, "%d %d", &steps, &ms);
	for (int i = 1; i <= steps; i++) {
		struct report report = {.kind = REPORT_PROGRESS, .work = (uint64_t)i,
					.progress = 30 + 60 * i / steps,
					.message = JOB_MESSAGE_EXPORTING};

		send(&report);
		sleep_ms(ms);
	}
}

static void do_numbered(struct worker *w, const char *args)
{
	int n = atoi(args);

	for (int i = 1; i <= n; i++) {
		struct report report = {.kind = REPORT_PROGRESS, .work = (uint64_t)i, .progress = 50};

		snprintf(report.message, sizeof(report.message), "number %d", i);
		send(&report);
	}
}

static void do_await(struct worker *w, const char *args)
{
	char path[256];

	path_of(args, path);
	while (access(path, F_OK) < 0)
		sleep_ms(5);
}

static void do_touch(struct worker *w, const char *args)
{
	touch(args);
}

static void do_lie(struct worker *w, const char *args)
{
	struct report report = {.kind = REPORT_CLIP};
	char dropped[] = "[]";

	report.artifact.number = (unsigned int)atoi(args);
	report.artifact.size_bytes = 7;
	report.artifact.dropped = dropped;
	clip_filename(report.artifact.number, false, report.artifact.filename);
	send(&report);
}

static void do_deaf(struct worker *w, const char *args)
{
	signal(SIGTERM, SIG_IGN);
}

static void do_child(struct worker *w, const char *args)
{
	start_child();
}

static void do_in(struct worker *w, const char *args)
{
	unsigned int attempt = 0;
	char line[512];
	int n = 0;

	sscanf(args, "%u %n", &attempt, &n);
	snprintf(line, sizeof(line), "%s", args + n);
	if (attempt == w->order.attempt)
		line_run(w, line);
}

static const struct {
	const char *word;
	void (*run)(struct worker *w, const char *args);
} words[] = {
	{"phase", do_phase}, {"progress", do_progress}, {"plan", do_plan},     {"clip", do_clip},
	{"warn", do_warn},   {"log", do_log},	        {"err", do_err},       {"fail", do_fail},
	{"exit", do_exit},   {"signal", do_signal},     {"hang", do_hang},     {"spin", do_spin},
	{"beat", do_beat},   {"garbage", do_garbage},   {"work", do_work},     {"endless", do_endless},
	{"await", do_await}, {"numbered", do_numbered}, {"touch", do_touch},   {"child", do_child},
	{"in", do_in},       {"lie", do_lie},           {"deaf", do_deaf},
};

static void line_run(struct worker *w, char *line)
{
	char *args = strchr(line, ' ');

	if (args)
		*args++ = '\0';
	for (size_t i = 0; i < SC_ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i].word, line)) {
			words[i].run(w, args ? args : "");
			return;
		}
	}
	fprintf(stderr, "no such word: '%s'\n", line);
	abort();
}

static int worker_main(void)
{
	struct worker w = {.reporter = CHILD_REPORTER};
	struct error e = {0};
	char script[16384], *order = NULL, *rest = script, *line;
	size_t len;
	ssize_t n;

	if (child_start() < 0 || child_read_order(&order, &len) < 0 ||
	    work_order_parse(order, len, &e, &w.order) < 0)
		return 1;
	free(order);
	n = file_pread_full(PROTO_SOURCE_FD, script, sizeof(script) - 1, 0);
	if (n < 0)
		return 1;
	script[n] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (*line)
			line_run(&w, line);
	work_order_finish(&w.order);
	return child_end(&w.reporter, 0, NULL);
}

/* ---- the engine ---- */

static void on_change(void *context, const char *job_id, uint64_t version, unsigned int what)
{
	struct rig *rig = context;

	lock_acquire(&rig->lock);
	rig->changes++;
	if (version > rig->last_version)
		rig->last_version = version;
	rig->n_created += (what & JOB_CHANGED_CREATED) != 0;
	rig->n_ended += (what & JOB_CHANGED_ENDED) != 0;
	rig->n_removed += (what & JOB_CHANGED_REMOVED) != 0;
	cond_broadcast(&rig->changed);
	lock_release(&rig->lock);
}

static char *below(const struct rig *rig, const char *name)
{
	char *path = NULL;

	REQUIRE(asprintf(&path, "%s/%s", rig->root, name) > 0);
	return path;
}

static void link_helper(struct rig *rig, const char *name)
{
	char self[256], path[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	REQUIRE(n > 0);
	self[n] = '\0';
	snprintf(path, sizeof(path), "bin/%s", name);
	REQUIRE(symlinkat(self, rig->root_fd, path) == 0);
}

void rig_init_at(struct rig *rig, const char *root)
{
	memset(rig, 0, sizeof(*rig));
	snprintf(rig->root, sizeof(rig->root), "%s", root);
	snprintf(rig->database, sizeof(rig->database), "%s/storyclip.db", rig->root);
	rig->root_fd = open(rig->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(rig->root_fd >= 0);
	setenv("STORYCLIP_TEST_ROOT", rig->root, 1);
	rig->settings = (struct settings){
		.upload_tmp_dir = below(rig, "uploads"),
		.process_work_dir = below(rig, "work"),
		.output_root = below(rig, "outputs"),
		.cdn_base = strdup("https://cdn.example/v"),
		.database = strdup(rig->database),
		.workers = 2,
		.stall_timeout_ms = 60000,
		.watchdog_interval_ms = 50,
		.max_attempts = 2,
		.max_queue = 100,
	};
	lock_init(&rig->lock);
	cond_init(&rig->changed);
	char *log = below(rig, "daemon.log");

	log_open(LOG_TARGET_FILE, log, LOG_LEVEL_DEBUG);
	free(log);
}

void rig_init(struct rig *rig)
{
	static const char *const dirs[] = {"uploads", "work", "outputs", "bin", "hooks"};
	char root[] = "/tmp/storyclip-engine-XXXXXX";

	REQUIRE(mkdtemp(root));
	rig_init_at(rig, root);
	for (size_t i = 0; i < SC_ARRAY_SIZE(dirs); i++)
		REQUIRE(mkdirat(rig->root_fd, dirs[i], 0755) == 0);
	link_helper(rig, "storyclip-worker");
	link_helper(rig, "storyclip-publish");
}

void rig_create(struct rig *rig)
{
	char *helper_dir = below(rig, "bin");
	const struct engine_deps deps = {
		.settings = &rig->settings,
		.clock = rig->clock ? rig->clock : &clock_system,
		.listener = {rig, on_change},
		.helper_dir = helper_dir,
	};
	struct engine_deps with_store = deps;
	struct error e = {0};

	if (store_open(rig->database, 300, &e, &rig->store) == 0) {
		with_store.store = rig->store;
		engine_create(&with_store, &e, &rig->engine);
	}
	if (!rig->engine)
		fprintf(stderr, "%s\n", e.message);
	REQUIRE(rig->engine);
	rig->settings.root = helper_dir; /* kept as long as the engine */
}

void rig_up(struct rig *rig)
{
	struct error e = {0};

	rig_create(rig);
	REQUIRE(engine_start(rig->engine, &e) == 0);
}

void rig_down(struct rig *rig)
{
	engine_stop(rig->engine);
	engine_destroy(take_ptr(rig->engine));
	store_close(take_ptr(rig->store));
	free(take_ptr(rig->settings.root));
}

void rig_finish(struct rig *rig)
{
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (rig->engine)
		rig_down(rig);
	close(rig->root_fd);
	CHECK_INT(file_remove_tree(tmp_fd, strrchr(rig->root, '/') + 1), 0);
	close(tmp_fd);
	free(rig->settings.upload_tmp_dir);
	free(rig->settings.process_work_dir);
	free(rig->settings.output_root);
	free(rig->settings.cdn_base);
	free(rig->settings.database);
	lock_finish(&rig->lock);
	cond_finish(&rig->changed);
	log_close();
	unsetenv("STORYCLIP_HOOKS");
}

void rig_write(struct rig *rig, const char *path, const char *text)
{
	int fd = openat(rig->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	REQUIRE(fd >= 0);
	REQUIRE(file_write_all(fd, text, strlen(text)) == 0);
	close(fd);
}

void rig_upload(struct rig *rig, const char *name, const char *script)
{
	char path[256];

	snprintf(path, sizeof(path), "uploads/%s", name);
	unlinkat(rig->root_fd, path, 0);
	rig_write(rig, path, script);
}

int rig_submit_as(struct rig *rig, uid_t uid, const char *id, const char *upload, unsigned int flags,
		  struct error *e, char ret_id[JOB_ID_SIZE])
{
	const struct caller caller = {.uid = uid, .gid = uid};
	char path[256], made[JOB_ID_SIZE];
	struct request request = {
		.upload_id = (char *)upload,
		.cut = CUT_EXACT,
		.clip_duration_us = 5000000,
		.max_clips = 50,
		.max_attempts = flags & RIG_MORE_ATTEMPTS ? 5 : 0,
	};
	struct job_source source = {.path = upload,
				    .is_ready = !(flags & RIG_WAITING),
				    .is_incomplete = (flags & RIG_INCOMPLETE) != 0};
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "uploads/%s", upload);
	source.fd = openat(rig->root_fd, path, O_RDONLY | O_CLOEXEC);
	REQUIRE(source.fd >= 0 && fstat(source.fd, &st) == 0);
	source.dev = st.st_dev;
	source.ino = st.st_ino;
	source.size = st.st_size;
	source.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if (id)
		snprintf(request.job_id, sizeof(request.job_id), "%s", id);
	r = engine_submit(rig->engine, &request, "{\"uploadId\":\"x\"}", &source, &caller, e,
			  ret_id ? ret_id : made);
	close(source.fd);
	return r;
}

void rig_job(struct rig *rig, const char *id, const char *script)
{
	struct error e = {0};

	rig_upload(rig, id, script);
	if (rig_submit_as(rig, getuid(), id, id, 0, &e, NULL) < 0) {
		fprintf(stderr, "%s: %s\n", id, e.message);
		REQUIRE(e.err == 0);
	}
}

/* ---- a daemon that can be killed ---- */

static int daemon_main(const char *root, const char *id, const char *remove)
{
	const struct caller caller = {.uid = getuid()};
	struct rig rig;
	struct error e = {0};

	rig_init_at(&rig, root);
	rig_up(&rig);
	rig_write(&rig, "daemon-up", "");
	if (*remove && engine_remove(rig.engine, remove, &caller, &e) < 0)
		return 1;
	if (*id && rig_submit_as(&rig, getuid(), id, id, 0, &e, NULL) < 0)
		return 1;
	for (;;)
		pause();
}

void rig_main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	if (!strcmp(name, "storyclip-worker"))
		exit(worker_main());
	if (!strcmp(name, "storyclip-publish"))
		exit(publish_main());
	if (argc == 5 && !strcmp(argv[1], "daemon"))
		exit(daemon_main(argv[2], argv[3], argv[4]));
}

pid_t rig_daemon(struct rig *rig, const char *id, const char *remove)
{
	pid_t pid;

	unlinkat(rig->root_fd, "daemon-up", 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/proc/self/exe", "daemon", "daemon", rig->root, id ? id : "",
		      remove ? remove : "", (char *)NULL);
		_exit(127);
	}
	return pid;
}

int rig_reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void rig_hook(struct rig *rig, const char *step, const char *action)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/hooks", rig->root);
	setenv("STORYCLIP_HOOKS", path, 1);
	snprintf(path, sizeof(path), "hooks/%s.go", step);
	unlinkat(rig->root_fd, path, 0);
	snprintf(path, sizeof(path), "hooks/%s.reached", step);
	unlinkat(rig->root_fd, path, 0);
	snprintf(path, sizeof(path), "hooks/.%s.new", step);
	rig_write(rig, path, action);
	char final[128];

	snprintf(final, sizeof(final), "hooks/%s", step);
	REQUIRE(renameat(rig->root_fd, path, rig->root_fd, final) == 0);
}

bool rig_reached(struct rig *rig, const char *step)
{
	char path[128];

	snprintf(path, sizeof(path), "hooks/%s.reached", step);
	if (!rig_wait_path(rig, path, true))
		return false;
	unlinkat(rig->root_fd, path, 0);
	return true;
}

void rig_go(struct rig *rig, const char *step)
{
	char path[128];

	snprintf(path, sizeof(path), "hooks/%s.go", step);
	rig_write(rig, path, "");
}

/* ---- waiting and looking ---- */

typedef bool (*condition)(struct rig *rig, const char *name, int value);

/* Looked at after each change, and from time to time for what no change tells. */
static bool wait_for(struct rig *rig, condition is_so, const char *name, int value)
{
	int64_t until = clock_monotonic_ms(&clock_system) + PATIENCE_MS;

	while (!is_so(rig, name, value)) {
		if (clock_monotonic_ms(&clock_system) > until)
			return false;
		lock_acquire(&rig->lock);
		cond_wait_for(&rig->changed, &rig->lock, 5);
		lock_release(&rig->lock);
	}
	return true;
}

static bool is_in_state(struct rig *rig, const char *id, int state)
{
	struct job_brief brief;

	return engine_brief(rig->engine, id, &brief) == 0 && (int)brief.state == state;
}

bool rig_wait(struct rig *rig, const char *id, enum job_state state)
{
	return wait_for(rig, is_in_state, id, (int)state);
}

static bool has_progress(struct rig *rig, const char *id, int progress)
{
	auto_snapshot struct job_snapshot job = {0};

	return engine_snapshot(rig->engine, id, &job) == 0 && job.progress >= progress;
}

bool rig_wait_progress(struct rig *rig, const char *id, int progress)
{
	return wait_for(rig, has_progress, id, progress);
}

static bool is_idle(struct rig *rig, const char *name, int value)
{
	struct engine_stats stats;

	engine_stats(rig->engine, &stats);
	return stats.workers_busy == 0 && stats.workers_leaving == 0;
}

bool rig_wait_idle(struct rig *rig)
{
	return wait_for(rig, is_idle, NULL, 0);
}

bool rig_has(struct rig *rig, const char *path)
{
	struct stat st;

	return fstatat(rig->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_path(struct rig *rig, const char *path, int is_there)
{
	return rig_has(rig, path) == (bool)is_there;
}

bool rig_wait_path(struct rig *rig, const char *path, bool is_there)
{
	return wait_for(rig, is_path, path, is_there);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *rig_list(struct rig *rig, const char *path)
{
	char *names[64], *text = calloc(1, 16384);
	int fd = openat(rig->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	REQUIRE(fd >= 0 && text && (dir = fdopendir(fd)));
	while ((entry = readdir(dir)) && n < SC_ARRAY_SIZE(names))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			names[n++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++) {
		strcat(strcat(text, i ? " " : ""), names[i]);
		free(names[i]);
	}
	return text;
}

char *rig_read(struct rig *rig, const char *path)
{
	char *text = NULL;

	return file_read_text(rig->root_fd, path, 1 << 20, &text, NULL) == 0 ? text : strdup("");
}

static sqlite3 *open_database(struct rig *rig)
{
	sqlite3 *db = NULL;

	REQUIRE(sqlite3_open(rig->database, &db) == SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	return db;
}

int rig_sql(struct rig *rig, const char *sql)
{
	sqlite3 *db = open_database(rig);
	char *message = NULL;
	int n;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fprintf(stderr, "%s: %s\n", sql, message);
	n = sqlite3_changes(db);
	sqlite3_free(message);
	sqlite3_close(db);
	return n;
}

char *rig_ask(struct rig *rig, const char *sql)
{
	sqlite3 *db = open_database(rig);
	sqlite3_stmt *stmt = NULL;
	char *text = NULL;

	REQUIRE(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
		text = strdup((const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text ? text : strdup("");
}

bool rig_wait_ask(struct rig *rig, const char *sql, const char *want)
{
	int64_t until = clock_monotonic_ms(&clock_system) + PATIENCE_MS;
	bool is_so = false;

	while (!is_so && clock_monotonic_ms(&clock_system) < until) {
		char *text = rig_ask(rig, sql);

		is_so = !strcmp(text, want);
		free(text);
		if (!is_so)
			sleep_ms(5);
	}
	return is_so;
}

bool rig_is_alive(pid_t pid)
{
	char path[64], state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d %*[^)]) %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state != 'Z' && state != 'X';
}

static bool is_dead(struct rig *rig, const char *name, int pid)
{
	return !rig_is_alive((pid_t)pid);
}

bool rig_wait_dead(struct rig *rig, pid_t pid)
{
	return wait_for(rig, is_dead, NULL, (int)pid);
}
