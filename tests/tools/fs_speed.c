/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one call on a file system takes, for tests/bench. Prints microseconds.
 *
 *     fs_speed meta DIR N          create, open+close, stat, rename, unlink, mkdir, rmdir: each N times
 *     fs_speed files DIR N BYTES   make N files of that size: for all of them
 *     fs_speed read FILE           read it from begin to end
 *     fs_speed random FILE N       N reads of 4 KiB at places that are the same in each run
 *     fs_speed drop FILE…          forget what is cached of it; prints nothing
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (128 * 1024)

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(int64_t result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "fs_speed: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- names ---- */

static void name_of(char name[32], const char *kind, int i)
{
	snprintf(name, 32, "%s%06d", kind, i);
}

static void do_create(int i)
{
	char name[32];
	int fd;

	name_of(name, "f", i);
	fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
	must(fd, "create");
	close(fd);
}

static void do_open(int i)
{
	char name[32];
	int fd;

	name_of(name, "f", i);
	fd = open(name, O_RDONLY);
	must(fd, "open");
	close(fd);
}

static void do_stat(int i)
{
	char name[32];
	struct stat st;

	name_of(name, "f", i);
	must(stat(name, &st), "stat");
}

static void do_rename(int i)
{
	char name[32], new_name[32];

	name_of(name, "f", i);
	name_of(new_name, "g", i);
	must(rename(name, new_name), "rename");
}

static void do_unlink(int i)
{
	char name[32];

	name_of(name, "g", i);
	must(unlink(name), "unlink");
}

static void do_mkdir(int i)
{
	char name[32];

	name_of(name, "d", i);
	must(mkdir(name, 0755), "mkdir");
}

static void do_rmdir(int i)
{
	char name[32];

	name_of(name, "d", i);
	must(rmdir(name), "rmdir");
}

static void run_meta(const char *dir, int n)
{
	static const struct {
		const char *name;
		void (*run)(int i);
	} steps[] = {
		{"create", do_create}, {"open", do_open},     {"stat", do_stat},   {"rename", do_rename},
		{"unlink", do_unlink}, {"mkdir", do_mkdir}, {"rmdir", do_rmdir},
	};

	must(chdir(dir), dir);
	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
		double from = now_us();

		for (int i = 0; i < n; i++)
			steps[s].run(i);
		printf("%s %.3f\n", steps[s].name, (now_us() - from) / n);
	}
}

/* ---- bytes ---- */

static void run_files(const char *dir, int n, size_t size)
{
	char *data = malloc(size), name[32];
	double from;

	must(data ? 0 : -1, "memory");
	memset(data, 'x', size);
	must(chdir(dir), dir);
	from = now_us();
	for (int i = 0; i < n; i++) {
		int fd;

		name_of(name, "f", i);
		fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
		must(fd, "create");
		must(write(fd, data, size) == (ssize_t)size ? 0 : -1, "write");
		must(close(fd), "close");
	}
	printf("%.3f\n", now_us() - from);
	free(data);
}

static void run_read(const char *file)
{
	static char data[READ_BYTES];
	double from = now_us();
	int fd = open(file, O_RDONLY);
	ssize_t n;

	must(fd, file);
	do {
		n = read(fd, data, sizeof(data));
		must(n, "read");
	} while (n);
	close(fd);
	printf("%.3f\n", now_us() - from);
}

static void run_random(const char *file, int n)
{
	static char data[4096];
	uint64_t seed = 7;
	double from;
	struct stat st;
	int fd = open(file, O_RDONLY);

	must(fd, file);
	must(fstat(fd, &st), "fstat");
	from = now_us();
	for (int i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		must(pread(fd, data, sizeof(data),
			   (off_t)((seed >> 33) % (uint64_t)(st.st_size / 4096)) * 4096),
		     "read");
	}
	printf("%.3f\n", now_us() - from);
	close(fd);
}

static void run_drop(const char *file)
{
	int fd = open(file, O_RDONLY);

	must(fd, file);
	must(fsync(fd), "fsync");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (!strcmp(what, "meta") && argc == 4)
		run_meta(argv[2], (int)strtol(argv[3], NULL, 10));
	else if (!strcmp(what, "files") && argc == 5)
		run_files(argv[2], (int)strtol(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	else if (!strcmp(what, "read") && argc == 3)
		run_read(argv[2]);
	else if (!strcmp(what, "random") && argc == 4)
		run_random(argv[2], (int)strtol(argv[3], NULL, 10));
	else if (!strcmp(what, "drop"))
		for (int i = 2; i < argc; i++)
			run_drop(argv[i]);
	else
		return 2;
	return 0;
}
