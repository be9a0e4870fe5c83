/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The publisher as a process over real directories: on one volume, and across two where /dev/shm
 * is another one. What is asserted: the final name appears whole or not at all.
 */
#include "../../src/publish/publish.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "storyclip/common/buf.h"
#include "storyclip/common/file.h"
#include "storyclip/proto.h"

#define BIG_BYTES (20 * 1024 * 1024 + 123)

/* A work directory, OUTPUT_ROOT and the hooks' directory, each opened. */
struct place {
	char work[256], output[256], hooks[256];
	int work_fd, output_fd, hooks_fd;
	bool is_across;
};

struct outcome {
	int status; /* as of waitpid(2) */
	int last;   /* kind of the last report, -1: none */
	enum sc_code code;
	char message[ERROR_MESSAGE_SIZE];
	uint64_t work;
	size_t n_progress;
	bool has_fallen; /* work or progress went down */
};

static void make_dir(const char *base, const char *name, char path[256], int *fd)
{
	snprintf(path, 256, "%s/sc-%s-XXXXXX", base, name);
	REQUIRE(mkdtemp(path));
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(*fd >= 0);
}

static void place_make(struct place *p, bool is_across)
{
	const char *base = getenv("TMPDIR") ? getenv("TMPDIR") : ".";

	p->is_across = is_across;
	make_dir(base, "work", p->work, &p->work_fd);
	make_dir(is_across ? "/dev/shm" : base, "out", p->output, &p->output_fd);
	make_dir(base, "hooks", p->hooks, &p->hooks_fd);
	REQUIRE(mkdirat(p->work_fd, "clips", 0700) == 0);
}

static void place_remove(struct place *p)
{
	const char *paths[] = {p->work, p->output, p->hooks};
	int fds[] = {p->work_fd, p->output_fd, p->hooks_fd};

	for (size_t i = 0; i < 3; i++) {
		const char *name = strrchr(paths[i], '/') + 1;
		auto_fd int parent_fd = openat(fds[i], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		close(fds[i]);
		CHECK_INT(file_remove_tree(parent_fd, name), 0);
	}
}

static void put_file(int dir_fd, const char *name, size_t len, char fill)
{
	auto_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	auto_free char *data = malloc(len + 1);

	REQUIRE(fd >= 0 && data);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(fill + (char)(i / 4096 % 61));
	REQUIRE(file_write_all(fd, data, len) == 0);
}

static bool file_is(int dir_fd, const char *name, size_t len, char fill)
{
	auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	auto_free char *data = malloc(len + 2);

	REQUIRE(data);
	if (fd < 0 || file_read_full(fd, data, len + 1) != (ssize_t)len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (data[i] != (char)(fill + (char)(i / 4096 % 61)))
			return false;
	return true;
}

static bool exists(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & 07777 : 0;
}

/* In the child: put the descriptors where the engine puts them, and become the publisher. */
_Noreturn static void become_publisher(const struct place *p, int order_fd, int report_fd)
{
	int given[] = {order_fd, -1, -1, report_fd, p->work_fd, p->output_fd};

	for (int i = 0; i < 6; i++)
		if (given[i] >= 0)
			given[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 50);
	for (int i = 0; i < 6; i++)
		if (given[i] >= 0)
			dup2(given[i], i);
	setenv("STORYCLIP_HOOKS", p->hooks, 1);
	_exit(publish_main());
}

static pid_t start(const struct place *p, const char *order, int *ret_report_fd)
{
	int order_pipe[2], report_pipe[2];
	pid_t pid;

	REQUIRE(pipe2(order_pipe, O_CLOEXEC) == 0 && pipe2(report_pipe, O_CLOEXEC) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		close(order_pipe[1]);
		close(report_pipe[0]);
		become_publisher(p, order_pipe[0], report_pipe[1]);
	}
	close(order_pipe[0]);
	close(report_pipe[1]);
	REQUIRE(file_write_all(order_pipe[1], order, strlen(order)) == 0);
	close(order_pipe[1]);
	*ret_report_fd = report_pipe[0];
	return pid;
}

static void take_report(const char *line, size_t len, struct outcome *ret)
{
	auto_report struct report report = {0};

	REQUIRE(report_parse(line, len, &report) == 0);
	ret->last = (int)report.kind;
	ret->code = report.code;
	if (report.message[0])
		strcpy(ret->message, report.message);
	if (report.kind == REPORT_PROGRESS) {
		ret->n_progress++;
		ret->has_fallen |= report.work < ret->work || report.progress < 95;
		ret->work = report.work;
	}
}

static struct outcome finish(pid_t pid, int report_fd)
{
	struct outcome ret = {.last = -1};
	auto_buf struct buf text = BUF_EMPTY;
	char chunk[4096], *end;
	ssize_t n;

	while ((n = read(report_fd, chunk, sizeof(chunk))) > 0) {
		buf_add(&text, chunk, (size_t)n);
		while ((end = memchr(text.data, '\n', text.len))) {
			take_report(text.data, (size_t)(end - text.data), &ret);
			buf_drop_front(&text, (size_t)(end - text.data) + 1);
		}
	}
	close(report_fd);
	REQUIRE(waitpid(pid, &ret.status, 0) == pid);
	return ret;
}

static struct outcome run(const struct place *p, const char *order)
{
	int report_fd;
	pid_t pid = start(p, order, &report_fd);

	return finish(pid, report_fd);
}

static void hook_set(const struct place *p, const char *step, const char *action)
{
	REQUIRE(file_write_atomic(p->hooks_fd, step, action, strlen(action), 0600) == 0);
}

static void wait_for(const struct place *p, const char *name)
{
	while (!exists(p->hooks_fd, name))
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#define CHECK_DONE(o)                                                                              \
	do {                                                                                       \
		CHECK_STR((o).message, JOB_MESSAGE_PUBLISHING);                                    \
		CHECK_INT((o).last, REPORT_DONE);                                                  \
		CHECK_INT((o).status, 0);                                                          \
	} while (0)
#define CHECK_FAILED(o, code_)                                                                     \
	do {                                                                                       \
		CHECK_INT((o).last, REPORT_FAILED);                                                \
		CHECK_STR(sc_code_name((o).code), sc_code_name(code_));                            \
		CHECK_INT((o).status, 0);                                                          \
	} while (0)

#define ORDER "{\"jobId\":\"job-1\",\"attempt\":2}"

static void test_publishes(bool is_across)
{
	struct stat before, after;
	struct place p;
	struct outcome o;
	char order[200];

	place_make(&p, is_across);
	put_file(p.work_fd, "clips/clip_001.mp4", BIG_BYTES, 'a');
	put_file(p.work_fd, "clips/clip_1000.m4a", 5, 'b');
	REQUIRE(fstatat(p.work_fd, "clips/clip_001.mp4", &before, 0) == 0);
	/* Root can give files away; others only to themselves. */
	snprintf(order, sizeof(order),
		 "{\"jobId\":\"job-1\",\"attempt\":1,\"ownerUid\":%u,\"ownerGid\":%u}",
		 geteuid() ? geteuid() : 12345, geteuid() ? getegid() : 12346);
	o = run(&p, order);
	if (is_across) /* the last sentence is the log's */
		strcpy(o.message, JOB_MESSAGE_PUBLISHING);
	CHECK_DONE(o);
	CHECK(!o.has_fallen);
	CHECK(o.n_progress > 0);
	CHECK(o.work >= BIG_BYTES);
	CHECK(file_is(p.output_fd, "job-1/clip_001.mp4", BIG_BYTES, 'a'));
	CHECK(file_is(p.output_fd, "job-1/clip_1000.m4a", 5, 'b'));
	CHECK_INT(mode_of(p.output_fd, "job-1"), 0755);
	CHECK_INT(mode_of(p.output_fd, "job-1/clip_001.mp4"), 0644);
	CHECK_INT(mode_of(p.output_fd, "job-1/clip_1000.m4a"), 0644);
	REQUIRE(fstatat(p.output_fd, "job-1/clip_001.mp4", &after, 0) == 0);
	CHECK_INT(after.st_ino == before.st_ino && after.st_dev == before.st_dev, !is_across);
	CHECK_INT(exists(p.work_fd, "clips"), is_across); /* the copy's original is the engine's */
	CHECK_INT(after.st_uid, geteuid() ? geteuid() : 12345);
	CHECK_INT(after.st_gid, geteuid() ? getegid() : 12346);
	CHECK(!exists(p.output_fd, ".job-1.1.tmp"));
	place_remove(&p);
}

static void test_name_is_taken(bool is_across)
{
	struct place p;
	struct outcome o;

	place_make(&p, is_across);
	put_file(p.work_fd, "clips/clip_001.mp4", 10, 'a');
	REQUIRE(mkdirat(p.output_fd, "job-1", 0700) == 0); /* an empty one, which rename(2) replaces */
	o = run(&p, ORDER);
	CHECK_FAILED(o, SC_JOB_EXISTS);
	CHECK_CONTAINS(o.message, "job-1");
	CHECK_INT(mode_of(p.output_fd, "job-1"), 0700);
	CHECK(!exists(p.output_fd, "job-1/clip_001.mp4"));
	CHECK(!exists(p.output_fd, ".job-1.2.tmp"));
	CHECK(file_is(p.work_fd, "clips/clip_001.mp4", 10, 'a'));
	place_remove(&p);
}

static void test_killed(bool is_across)
{
	struct place p;
	struct outcome o;

	place_make(&p, is_across);
	put_file(p.work_fd, "clips/clip_001.mp4", 100000, 'a');
	hook_set(&p, "publish-before-rename", "once-kill");
	o = run(&p, ORDER);
	CHECK(WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGKILL);
	CHECK(exists(p.hooks_fd, "publish-before-rename.reached"));
	CHECK(o.last != REPORT_DONE);
	CHECK(!exists(p.output_fd, "job-1"));
	CHECK_INT(exists(p.output_fd, ".job-1.2.tmp"), is_across);
	CHECK(file_is(p.work_fd, "clips/clip_001.mp4", 100000, 'a'));

	/* The same attempt again is not in its own way. */
	hook_set(&p, "publish-after-rename", "once-kill");
	o = run(&p, ORDER);
	CHECK(WIFSIGNALED(o.status));
	CHECK(o.last != REPORT_DONE);
	CHECK(file_is(p.output_fd, "job-1/clip_001.mp4", 100000, 'a'));
	CHECK(!exists(p.output_fd, ".job-1.2.tmp"));
	place_remove(&p);
}

static void make_symlink(const struct place *p)
{
	REQUIRE(symlinkat("../../victim", p->work_fd, "clips/clip_002.mp4") == 0);
}

static void make_hard_link(const struct place *p)
{
	REQUIRE(linkat(p->work_fd, "victim", p->work_fd, "clips/clip_002.mp4", 0) == 0);
}

static void make_pipe(const struct place *p)
{
	REQUIRE(mkfifoat(p->work_fd, "clips/clip_002.mp4", 0600) == 0);
}

static void make_dir_clip(const struct place *p)
{
	REQUIRE(mkdirat(p->work_fd, "clips/clip_002.mp4", 0700) == 0);
}

static void make_other_name(const struct place *p)
{
	put_file(p->work_fd, "clips/.clip_002.tmp", 3, 'x');
}

static void test_strangers(bool is_across)
{
	static void (*const makers[])(const struct place *p) = {
		make_symlink, make_hard_link, make_pipe, make_dir_clip, make_other_name,
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(makers); i++) {
		struct place p;
		struct outcome o;

		place_make(&p, is_across);
		put_file(p.work_fd, "victim", 10, 'v');
		put_file(p.work_fd, "clips/clip_001.mp4", 10, 'a');
		makers[i](&p);
		o = run(&p, ORDER);
		if (o.last != REPORT_FAILED)
			fprintf(stderr, "stranger %zu was published\n", i);
		CHECK_INT(o.last, REPORT_FAILED);
		CHECK(!exists(p.output_fd, "job-1"));
		CHECK(!exists(p.output_fd, ".job-1.2.tmp"));
		CHECK_INT(mode_of(p.work_fd, "victim"), 0600);
		place_remove(&p);
	}
}

static void test_bad_starts(void)
{
	struct place p;
	int report_fd, status;
	pid_t pid;

	place_make(&p, false);
	CHECK_FAILED(run(&p, ORDER), SC_INTERNAL); /* no clips */
	CHECK_FAILED(run(&p, "{\"jobId\":\"..\",\"attempt\":1}"), SC_INTERNAL);
	CHECK_FAILED(run(&p, ""), SC_INTERNAL);
	REQUIRE(unlinkat(p.work_fd, "clips", AT_REMOVEDIR) == 0);
	CHECK_FAILED(run(&p, ORDER), SC_IO_ERROR);

	/* Nobody listens: nothing happens and the exit says so. */
	REQUIRE(mkdirat(p.work_fd, "clips", 0700) == 0);
	put_file(p.work_fd, "clips/clip_001.mp4", 10, 'a');
	hook_set(&p, "publish-start", "wait");
	pid = start(&p, ORDER, &report_fd);
	wait_for(&p, "publish-start.reached");
	close(report_fd);
	REQUIRE(file_write_atomic(p.hooks_fd, "publish-start.go", "", 0, 0600) == 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	CHECK(!exists(p.output_fd, "job-1"));
	place_remove(&p);
}

/* The engine dies: its publisher does, too. */
static void test_dies_with_parent(void)
{
	struct place p;
	int status, told[2];
	pid_t parent, pid;

	place_make(&p, false);
	put_file(p.work_fd, "clips/clip_001.mp4", 10, 'a');
	hook_set(&p, "publish-start", "block");
	REQUIRE(pipe2(told, O_CLOEXEC) == 0);
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); /* so that the orphan is ours to wait for */
	parent = fork();
	REQUIRE(parent >= 0);
	if (parent == 0) {
		int report_fd;

		pid = start(&p, ORDER, &report_fd);
		wait_for(&p, "publish-start.reached");
		REQUIRE(file_write_all(told[1], &pid, sizeof(pid)) == 0);
		_exit(0);
	}
	close(told[1]);
	REQUIRE(file_read_full(told[0], &pid, sizeof(pid)) == sizeof(pid));
	close(told[0]);
	REQUIRE(waitpid(parent, &status, 0) == parent);
	REQUIRE(waitpid(pid, &status, 0) == pid); /* hangs, and meets the time limit, if it lives on */
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	place_remove(&p);
}

static bool has_two_volumes(void)
{
	struct stat here, there;

	return stat(getenv("TMPDIR") ? getenv("TMPDIR") : ".", &here) == 0 &&
	       stat("/dev/shm", &there) == 0 && here.st_dev != there.st_dev &&
	       access("/dev/shm", W_OK) == 0;
}

int main(void)
{
	bool both = has_two_volumes();

	if (!both)
		printf("/dev/shm is no other volume: only one volume is tested\n");
	for (int is_across = 0; is_across <= both; is_across++) {
		test_publishes(is_across);
		test_name_is_taken(is_across);
		test_killed(is_across);
		test_strangers(is_across);
	}
	test_bad_starts();
	test_dies_with_parent();
	return check_result();
}
