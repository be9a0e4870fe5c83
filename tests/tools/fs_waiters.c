/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many who wait for the same file, and what that costs.
 *
 *     fs_waiters park FILE N OTHER PID CONTROL
 *         N threads read FILE (a job's wait); OTHER, a name that the kernel asks the daemon for
 * each time, is looked at by stat meanwhile; then CONTROL is told to cancel the job and all must
 *         read its end. Prints: park_ms bytes_each stat_p50_us stat_p99_us wake_ms spread_ms
 *     fs_waiters kill FILE N OTHER
 *         A process with N such threads is killed. Prints: gone_ms (until it is reaped)
 *     fs_waiters poll FILE N ROUNDS
 *         N threads poll FILE, a status whose message ends with the monotonic time of its change in
 *         nanoseconds (test_worker's stamps), open it again when told, and look how old that change
 *         is. Prints: told p50_us p99_us max_us
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storyclip/common/macros.h"
#include "storyclip/job.h"

#define STACK_BYTES (64 * 1024)
#define STATS       2000
#define TEXT_MAX    4096 /* of a job that runs */

struct test {
	const char *file;
	size_t n;
	size_t rounds;
	atomic_size_t about_to, got; /* threads */
	pthread_mutex_t gate; /* those who have read wait behind it: their end is no part of it */
	atomic_bool is_wrong;
	uint64_t *stamps; /* of each thread when it was woken; of poll: latencies, n * rounds */
	atomic_size_t n_stamps;
};

struct waiter {
	struct test *test;
	size_t index;
	pthread_t thread;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of sorted values. */
static double percentile_us(const uint64_t *sorted, size_t n, unsigned int percent)
{
	return n ? (double)sorted[(n - 1) * percent / 100] / 1000 : 0;
}

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- parked readers ---- */

static void *read_once(void *arg)
{
	struct waiter *waiter = arg;
	struct test *test = waiter->test;
	int fd = open(test->file, O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n;

	if (fd < 0)
		die(test->file);
	atomic_fetch_add(&test->about_to, 1);
	n = read(fd, text, sizeof(text) - 1);
	test->stamps[waiter->index] = now_ns();
	if (n <= 0)
		atomic_store(&test->is_wrong, true);
	atomic_fetch_add(&test->got, 1);
	pthread_mutex_lock(&test->gate);
	pthread_mutex_unlock(&test->gate);
	close(fd);
	return NULL;
}

static struct waiter *start(struct test *test, void *(*run)(void *))
{
	struct waiter *waiters = calloc(test->n, sizeof(*waiters));
	pthread_attr_t attr;

	if (!waiters)
		die("waiters");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (size_t i = 0; i < test->n; i++) {
		waiters[i] = (struct waiter){.test = test, .index = i};
		errno = pthread_create(&waiters[i].thread, &attr, run, &waiters[i]);
		if (errno)
			die("a thread");
	}
	return waiters;
}

static void pause_us(long us)
{
	const struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

/* Whether each thread but this one sleeps: it has asked, since it said that it is about to. */
static bool all_asleep(size_t n)
{
	DIR *tasks = opendir("/proc/self/task");
	char path[300], text[64];
	size_t asleep = 0;
	struct dirent *task;

	if (!tasks)
		die("/proc/self/task");
	while ((task = readdir(tasks))) {
		const char *state;
		ssize_t got = -1;
		int fd;

		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
		fd = task->d_name[0] == '.' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			got = read(fd, text, sizeof(text) - 1);
			close(fd);
		}
		text[got > 0 ? got : 0] = '\0';
		state = strchr(text, ')');
		asleep += state && (state[2] == 'S' || state[2] == 'D');
	}
	closedir(tasks);
	return asleep >= n;
}

static void stat_once(const char *other)
{
	struct stat st;

	if (stat(other, &st) < 0)
		die(other);
}

/* Until all have asked: the kernel hands requests over in order, so a stat comes after them. */
static void wait_parked(struct test *test, const char *other)
{
	while (atomic_load(&test->about_to) < test->n || !all_asleep(test->n))
		pause_us(100);
	stat_once(other);
}

static long rss_kib(const char *pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "r");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtol(line + 6, NULL, 10);
	fclose(f);
	return kib;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) < 0)
		die(path);
}

static void measure_stat(const char *other, double *ret_p50, double *ret_p99)
{
	static uint64_t times[STATS];

	for (size_t i = 0; i < STATS; i++) {
		uint64_t from = now_ns();

		stat_once(other);
		times[i] = now_ns() - from;
	}
	qsort(times, STATS, sizeof(times[0]), compare);
	*ret_p50 = percentile_us(times, STATS, 50);
	*ret_p99 = percentile_us(times, STATS, 99);
}

static int park(struct test *test, const char *other, const char *pid, const char *control)
{
	uint64_t from, parked, told, first, last;
	struct waiter *waiters;
	double p50, p99;
	long before;

	test->stamps = calloc(test->n, sizeof(uint64_t));
	if (!test->stamps)
		die("stamps");
	before = rss_kib(pid);
	from = now_ns();
	waiters = start(test, read_once);
	wait_parked(test, other);
	parked = now_ns();
	measure_stat(other, &p50, &p99);
	if (atomic_load(&test->got))
		die("a reader did not wait");
	printf("%.1f %.0f %.1f %.1f", (double)(parked - from) / 1e6,
	       (double)(rss_kib(pid) - before) * 1024 / (double)test->n, p50, p99);
	told = now_ns();
	write_text(control, "cancel\n");
	while (atomic_load(&test->got) < test->n)
		pause_us(1000);
	pthread_mutex_unlock(&test->gate);
	for (size_t i = 0; i < test->n; i++)
		pthread_join(waiters[i].thread, NULL);
	qsort(test->stamps, test->n, sizeof(uint64_t), compare);
	first = test->stamps[0];
	last = test->stamps[test->n - 1];
	printf(" %.1f %.1f\n", (double)(last - told) / 1e6, (double)(last - first) / 1e6);
	free(waiters);
	free(test->stamps);
	return atomic_load(&test->is_wrong) || first < told;
}

static int kill_all(struct test *test, const char *other)
{
	int ready[2], status;
	uint64_t from;
	pid_t pid;
	char c;

	if (pipe(ready) < 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		test->stamps = calloc(test->n, sizeof(uint64_t));
		start(test, read_once);
		wait_parked(test, other);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("the readers");
	from = now_ns();
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		die("waitpid");
	printf("%.1f\n", (double)(now_ns() - from) / 1e6);
	return 0;
}

/* ---- pollers ---- */

/* The stamp in a status' message, or 0. */
static uint64_t stamp_of(int fd)
{
	char text[TEXT_MAX];
	ssize_t n = read(fd, text, sizeof(text) - 1);
	const char *at;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, JOB_MESSAGE_EXPORTING " ");
	return at ? strtoull(at + sizeof(JOB_MESSAGE_EXPORTING), NULL, 10) : 0;
}

static void *poll_on(void *arg)
{
	struct waiter *waiter = arg;
	struct test *test = waiter->test;
	struct pollfd p = {.events = POLLIN | POLLPRI};
	uint64_t last = 0;

	p.fd = open(test->file, O_RDONLY | O_CLOEXEC);
	for (size_t round = 0; round < test->rounds;) {
		uint64_t told, stamp;

		if (p.fd < 0 || poll(&p, 1, 30000) != 1 || !(p.revents & POLLPRI)) {
			atomic_store(&test->is_wrong, true);
			break;
		}
		told = now_ns();
		close(p.fd);
		p.fd = open(test->file, O_RDONLY | O_CLOEXEC);
		stamp = stamp_of(p.fd);
		if (stamp < last)
			atomic_store(&test->is_wrong, true);
		/* Not the first: it was opened at any time. Nor one that changed again since. */
		if (last && stamp && stamp < told)
			test->stamps[atomic_fetch_add(&test->n_stamps, 1)] = told - stamp;
		last = stamp;
		round++;
	}
	close(p.fd);
	return NULL;
}

static int poll_all(struct test *test)
{
	struct waiter *waiters;
	size_t n;

	test->stamps = calloc(test->n * test->rounds, sizeof(uint64_t));
	if (!test->stamps)
		die("stamps");
	waiters = start(test, poll_on);
	for (size_t i = 0; i < test->n; i++)
		pthread_join(waiters[i].thread, NULL);
	n = atomic_load(&test->n_stamps);
	qsort(test->stamps, n, sizeof(uint64_t), compare);
	printf("%zu %.1f %.1f %.1f\n", n, percentile_us(test->stamps, n, 50),
	       percentile_us(test->stamps, n, 99), percentile_us(test->stamps, n, 100));
	free(waiters);
	free(test->stamps);
	return atomic_load(&test->is_wrong);
}

int main(int argc, char **argv)
{
	struct test test = {.gate = PTHREAD_MUTEX_INITIALIZER};

	pthread_mutex_lock(&test.gate);
	if (argc > 3) {
		test.file = argv[2];
		test.n = strtoul(argv[3], NULL, 10);
	}
	if (test.n && argc == 7 && !strcmp(argv[1], "park"))
		return park(&test, argv[4], argv[5], argv[6]);
	if (test.n && argc == 5 && !strcmp(argv[1], "kill"))
		return kill_all(&test, argv[4]);
	if (test.n && argc == 5 && !strcmp(argv[1], "poll")) {
		test.rounds = strtoul(argv[4], NULL, 10);
		return poll_all(&test);
	}
	fputs("usage: fs_waiters park FILE N OTHER PID CONTROL | kill FILE N OTHER | "
	      "poll FILE N ROUNDS\n",
	      stderr);
	return 2;
}
