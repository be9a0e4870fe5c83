/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads jobs' status as fast as it can while the jobs change, in four ways, and checks each text:
 * as long as fstat says, whole JSON, all of one version, the same when read again, and never older
 * than what any reader has had before this one opened the file.
 *
 *     fs_reader --reads N --versions N [--reports TOTAL] [--readers N] [--seconds N] STATUS-FILE...
 *
 * A version's number stands in its message, "Exporting clips... N" (test_worker's numbered reports,
 * of which TOTAL were ordered: its progress is then 30 + 60 N / TOTAL). It ends well when so many
 * reads were made and so many versions seen; when all jobs have ended or the time is up before, it
 * fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storyclip/common/macros.h"
#include "storyclip/job.h"

#define TEXT_MAX    (1 << 20)
#define READERS_MAX 64
#define ENDED       UINT64_MAX /* a job's rank once it has ended */

struct watched {
	const char *path;
	atomic_ullong newest; /* the highest rank that somebody has read whole */
};

struct test {
	unsigned long long reads_wanted, versions_wanted, reports;
	struct watched *files;
	size_t n_files;
	time_t end;
	atomic_ullong reads, versions, wrong;
	atomic_bool is_over;
};

struct reader {
	struct test *test;
	unsigned int kind, seed;
	pthread_t thread;
	char *text;
};

static void wrong(struct test *test, const char *path, const char *what, const char *text)
{
	atomic_fetch_add(&test->wrong, 1);
	atomic_store(&test->is_over, true);
	fprintf(stderr, "%s: %s\n%.2000s\n", path, what, text);
}

/* ---- four ways to read; each returns how many bytes there were, or a negative errno ---- */

static ssize_t read_on(int fd, char *text, size_t step)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, text + n, step < TEXT_MAX - n ? step : TEXT_MAX - n);

		if (got < 0)
			return -errno;
		if (got == 0)
			return (ssize_t)n;
		n += (size_t)got;
	}
}

static ssize_t read_whole(int fd, size_t size, char *text)
{
	return read_on(fd, text, TEXT_MAX);
}

static ssize_t read_bytes(int fd, size_t size, char *text)
{
	return read_on(fd, text, 1);
}

/* As nginx does: so many as fstat said, then it must be over. */
static ssize_t read_exactly(int fd, size_t size, char *text)
{
	size_t n = 0;
	char more;

	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0)
			return -errno;
		if (got == 0)
			return (ssize_t)n;
		n += (size_t)got;
	}
	return (ssize_t)n + (read(fd, &more, 1) > 0);
}

static ssize_t read_mapped(int fd, size_t size, char *text)
{
	const char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t n = size;

	if (map == MAP_FAILED)
		return -errno;
	memcpy(text, map, size);
	/* Behind the end of the file a page is zero: anything else is text that fstat hid. */
	while (n % page && map[n] == '\0')
		n++;
	munmap((void *)map, size);
	return n % page ? (ssize_t)n + 1 : (ssize_t)size;
}

static const struct {
	const char *name;
	ssize_t (*read)(int fd, size_t size, char *text);
} kinds[] = {
	{"whole", read_whole},
	{"bytes", read_bytes},
	{"exact", read_exactly},
	{"mmap", read_mapped},
};

/* ---- what a text must be ---- */

/* The rank of a version among the versions of its job; 0: its number does not show. */
static uint64_t rank_of(const json_t *json)
{
	const char *message = json_string_value(json_object_get(json, "message"));
	const char *state = json_string_value(json_object_get(json, "status"));
	enum job_state s;

	if (!message || !state || job_state_from_name(state, &s) < 0)
		return 0;
	if (job_state_is_final(s))
		return ENDED;
	if (strncmp(message, JOB_MESSAGE_EXPORTING " ", sizeof(JOB_MESSAGE_EXPORTING)) != 0)
		return 0;
	return strtoull(message + sizeof(JOB_MESSAGE_EXPORTING), NULL, 10);
}

static bool progress_fits(const struct test *test, const json_t *json, uint64_t rank)
{
	int64_t progress = json_integer_value(json_object_get(json, "progress"));

	if (!test->reports || !rank || rank == ENDED)
		return true;
	return progress == 30 + (int64_t)(60 * rank / test->reports);
}

/* Note that this rank has been read. @return whether it is newer than all before */
static bool note_rank(struct watched *file, uint64_t rank)
{
	unsigned long long newest = atomic_load(&file->newest);

	while (rank > newest)
		if (atomic_compare_exchange_weak(&file->newest, &newest, rank))
			return true;
	return false;
}

static void check_text(struct test *test, struct watched *file, const char *text, size_t size,
		       uint64_t newest_before)
{
	json_t *json;
	uint64_t rank;

	if (size < 2 || strcmp(text + size - 2, "}\n") != 0) {
		wrong(test, file->path, "cut short, or with a NUL in it", text);
		return;
	}
	json = json_loadb(text, size, 0, NULL);
	if (!json) {
		wrong(test, file->path, "no JSON", text);
		return;
	}
	rank = rank_of(json);
	if (!progress_fits(test, json, rank))
		wrong(test, file->path, "number and progress are of different versions", text);
	if (rank && rank < newest_before)
		wrong(test, file->path, "older than what was read before", text);
	json_decref(json);
	if (rank && note_rank(file, rank))
		atomic_fetch_add(&test->versions, 1);
}

static int read_once(struct reader *reader, struct watched *file)
{
	struct test *test = reader->test;
	uint64_t newest_before = atomic_load(&file->newest);
	auto_fd int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	auto_free char *again = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	n = kinds[reader->kind].read(fd, (size_t)st.st_size, reader->text);
	if (n < 0)
		return (int)n;
	reader->text[n] = '\0';
	if (n != st.st_size) {
		fprintf(stderr, "%zd bytes by %s, %jd by fstat\n", n, kinds[reader->kind].name,
			(intmax_t)st.st_size);
		wrong(test, file->path, "another length than fstat says", reader->text);
		return 0;
	}
	check_text(test, file, reader->text, (size_t)n, newest_before);
	if (rand_r(&reader->seed) % 16)
		return 0;
	/* An open file never changes. */
	again = malloc((size_t)n + 1);
	if (!again || pread(fd, again, (size_t)n + 1, 0) != n ||
	    memcmp(again, reader->text, (size_t)n) != 0)
		wrong(test, file->path, "another text when read again", reader->text);
	return 0;
}

static bool all_have_ended(struct test *test)
{
	for (size_t i = 0; i < test->n_files; i++)
		if (atomic_load(&test->files[i].newest) != ENDED)
			return false;
	return true;
}

static bool is_enough(struct test *test)
{
	return atomic_load(&test->reads) >= test->reads_wanted &&
	       atomic_load(&test->versions) >= test->versions_wanted;
}

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	struct test *test = reader->test;

	while (!atomic_load(&test->is_over)) {
		struct watched *file =
			&test->files[(unsigned int)rand_r(&reader->seed) % test->n_files];
		int r = read_once(reader, file);

		if (r < 0)
			wrong(test, file->path, strerror(-r), "");
		if (atomic_fetch_add(&test->reads, 1) % 256 == 0 &&
		    (is_enough(test) || all_have_ended(test) || time(NULL) > test->end))
			atomic_store(&test->is_over, true);
	}
	return NULL;
}

static unsigned long long number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "'%s' is no number\n", text);
		exit(2);
	}
	return value;
}

static int run(struct test *test, unsigned int n_readers)
{
	struct reader readers[READERS_MAX] = {0};

	for (unsigned int i = 0; i < n_readers; i++) {
		readers[i] = (struct reader){.test = test,
					     .kind = i % SC_ARRAY_SIZE(kinds),
					     .seed = i + 1,
					     .text = malloc(TEXT_MAX + 1)};
		if (!readers[i].text ||
		    pthread_create(&readers[i].thread, NULL, read_all, &readers[i])) {
			perror("a reader");
			return 2;
		}
	}
	for (unsigned int i = 0; i < n_readers; i++) {
		pthread_join(readers[i].thread, NULL);
		free(readers[i].text);
	}
	printf("%llu reads, %llu versions seen, %llu wrong\n", atomic_load(&test->reads),
	       atomic_load(&test->versions), atomic_load(&test->wrong));
	return atomic_load(&test->wrong) == 0 && is_enough(test) ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"reads", required_argument, NULL, 'r'},
		{"versions", required_argument, NULL, 'v'},
		{"reports", required_argument, NULL, 't'},
		{"readers", required_argument, NULL, 'k'},
		{"seconds", required_argument, NULL, 's'},
		{0},
	};
	struct test test = {.reads_wanted = 1, .versions_wanted = 1};
	unsigned long long n_readers = 4, seconds = 600;
	auto_free struct watched *files = NULL;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long long value = o == '?' ? 0 : number(optarg);

		if (o == 'r')
			test.reads_wanted = value;
		else if (o == 'v')
			test.versions_wanted = value;
		else if (o == 't')
			test.reports = value;
		else if (o == 's')
			seconds = value;
		else if (o == 'k')
			n_readers = value;
		else
			return 2;
	}
	if (optind == argc || n_readers < 1 || n_readers > READERS_MAX) {
		fprintf(stderr,
			"usage: fs_reader --reads N --versions N [--reports TOTAL] "
			"[--readers 1-%d] [--seconds N] STATUS-FILE...\n",
			READERS_MAX);
		return 2;
	}
	test.n_files = (size_t)(argc - optind);
	files = calloc(test.n_files, sizeof(*files));
	if (!files)
		return 2;
	for (size_t i = 0; i < test.n_files; i++)
		files[i].path = argv[optind + (int)i];
	test.files = files;
	test.end = time(NULL) + (time_t)seconds;
	return run(&test, (unsigned int)n_readers);
}
