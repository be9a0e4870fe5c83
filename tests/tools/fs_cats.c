/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How often per second a small file can be looked at.
 *
 *     fs_cats stat|cat FILE COUNT READERS
 *
 * stat: by name. cat: open, read to the end, close. COUNT times by each of READERS threads; prints
 * how many of all were done per second.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READERS_MAX 64

struct work {
	const char *file;
	void (*once)(const char *file);
	unsigned long count;
};

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void stat_once(const char *file)
{
	struct stat st;

	if (stat(file, &st) < 0 || !st.st_size)
		die(file);
}

static void cat_once(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char text[65536];
	size_t all = 0;
	ssize_t n;

	if (fd < 0)
		die(file);
	while ((n = read(fd, text, sizeof(text))) > 0)
		all += (size_t)n;
	if (n < 0 || !all)
		die(file);
	close(fd);
}

static void *repeat(void *arg)
{
	const struct work *work = arg;

	for (unsigned long i = 0; i < work->count; i++)
		work->once(work->file);
	return NULL;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	pthread_t threads[READERS_MAX];
	struct work work = {0};
	unsigned long readers = 0;
	double from;

	if (argc == 5) {
		work.file = argv[2];
		work.once = !strcmp(argv[1], "stat")  ? stat_once
			    : !strcmp(argv[1], "cat") ? cat_once
						      : NULL;
		work.count = strtoul(argv[3], NULL, 10);
		readers = strtoul(argv[4], NULL, 10);
	}
	if (!work.once || !work.count || !readers || readers > READERS_MAX) {
		fputs("usage: fs_cats stat|cat FILE COUNT READERS\n", stderr);
		return 2;
	}
	from = now_s();
	for (unsigned long i = 0; i < readers; i++) {
		errno = pthread_create(&threads[i], NULL, repeat, &work);
		if (errno)
			die("a thread");
	}
	for (unsigned long i = 0; i < readers; i++)
		pthread_join(threads[i], NULL);
	printf("%.0f\n", (double)(work.count * readers) / (now_s() - from));
	return 0;
}
