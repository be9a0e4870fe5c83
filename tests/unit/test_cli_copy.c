/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies appear whole or not at all; the names that uploads get. */
#include "../../src/cli/copy.h"
#include "../../src/cli/upload.h"
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#define SIZE (3u << 20)

struct world {
	char dir[32];
	int dir_fd;
	int src_fd; /* SIZE bytes */
};

static void make_file(int dir_fd, const char *name, size_t len, char fill)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char *data = malloc(len + 1);

	REQUIRE(fd >= 0 && data);
	memset(data, fill, len + 1);
	for (size_t i = 0; i < len; i += 4096)
		data[i] = (char)(i >> 12);
	REQUIRE(write(fd, data, len) == (ssize_t)len && close(fd) == 0);
	free(data);
}

static void world_init(struct world *w)
{
	strcpy(w->dir, "/tmp/storyclip-test-XXXXXX");
	REQUIRE(mkdtemp(w->dir));
	w->dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY);
	REQUIRE(w->dir_fd >= 0);
	make_file(w->dir_fd, "src", SIZE, 'x');
	w->src_fd = openat(w->dir_fd, "src", O_RDONLY);
	REQUIRE(w->src_fd >= 0);
}

static void world_finish(struct world *w)
{
	char command[64];

	close(w->src_fd);
	close(w->dir_fd);
	snprintf(command, sizeof(command), "rm -r %s", w->dir);
	CHECK_INT(system(command), 0);
}

static int count_names(const struct world *w)
{
	DIR *dir = opendir(w->dir);
	int n = 0;

	REQUIRE(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static int same_as(const struct world *w, const char *name)
{
	auto_fd int fd = openat(w->dir_fd, name, O_RDONLY);

	REQUIRE(fd >= 0);
	return copy_is_same(w->src_fd, fd);
}

static void note_report(void *context, int64_t done_bytes, int64_t total_bytes)
{
	*(int64_t *)context = done_bytes;
	CHECK_INT(total_bytes, SIZE);
}

static void test_copy(const struct world *w)
{
	int64_t told = 0;
	struct copy_watch watch = {note_report, &told};
	auto_copy struct copy copy = {0};

	REQUIRE(copy_begin(w->src_fd, w->dir_fd, &watch, &copy) == 0);
	CHECK_INT(told, SIZE);
	CHECK_INT(copy.name[0], '.'); /* hidden until it is whole */
	CHECK_INT(count_names(w), 2);
	REQUIRE(copy_name(&copy, "a", false) == 0);
	CHECK_INT(count_names(w), 2);
	CHECK_INT(same_as(w, "a"), 1);
}

static void test_taken_name(const struct world *w)
{
	auto_copy struct copy copy = {0};

	make_file(w->dir_fd, "taken", 5, 'y');
	REQUIRE(copy_begin(w->src_fd, w->dir_fd, NULL, &copy) == 0);
	CHECK_INT(copy_name(&copy, "taken", false), -EEXIST);
	CHECK_INT(same_as(w, "taken"), 0);
	/* still there to be tried under another name */
	CHECK_INT(copy_name(&copy, "b", false), 0);
	CHECK_INT(same_as(w, "b"), 1);
	REQUIRE(copy_begin(w->src_fd, w->dir_fd, NULL, &copy) == 0);
	CHECK_INT(copy_name(&copy, "taken", true), 0);
	CHECK_INT(same_as(w, "taken"), 1);
}

/* The limit on file sizes plays the full disk. */
static void test_failure_leaves_nothing(const struct world *w)
{
	struct rlimit before, small = {SIZE / 2, SIZE / 2};
	auto_copy struct copy copy = {0};
	int names = count_names(w);

	REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
	CHECK_INT(copy_begin(w->src_fd, w->dir_fd, NULL, &copy), -EFBIG);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
	CHECK_INT(count_names(w), names);
	/* a copy that is given up is removed with its variable */
	{
		auto_copy struct copy given_up = {0};

		REQUIRE(copy_begin(w->src_fd, w->dir_fd, NULL, &given_up) == 0);
		CHECK_INT(count_names(w), names + 1);
	}
	CHECK_INT(count_names(w), names);
}

static void test_same(const struct world *w)
{
	make_file(w->dir_fd, "other", SIZE, 'z');
	CHECK_INT(same_as(w, "other"), 0);
	make_file(w->dir_fd, "shorter", SIZE - 1, 'x');
	CHECK_INT(same_as(w, "shorter"), 0);
	CHECK_INT(same_as(w, "src"), 1);
	make_file(w->dir_fd, "twin", SIZE, 'x');
	CHECK_INT(same_as(w, "twin"), 1);
}

static void test_names(void)
{
	static const struct {
		const char *name;
		unsigned int number;
		const char *want;
	} rows[] = {
		{"v.mp4", 1, "v.mp4"},
		{"v.mp4", 2, "v-2.mp4"},
		{"v.mp4", 10000, "v-10000.mp4"},
		{"v", 2, "v-2"},
		{".mp4", 2, ".mp4-2"},
		{"a.b.mkv", 3, "a.b-3.mkv"},
		{"v.", 2, "v-2."},
		{"Dr. Strange and his long title", 2, "Dr. Strange and his long title-2"},
	};
	char out[256], name[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		upload_numbered_name(rows[i].name, rows[i].number, out);
		CHECK_STR(out, rows[i].want);
	}
	/* 255 bytes remain 255, and no character is cut in two */
	memset(name, 'a', 255);
	name[255] = '\0';
	memcpy(name + 248,
	       "\xc3\xbc"
	       "a.mp4",
	       7);
	upload_numbered_name(name, 2, out);
	CHECK_INT(strlen(out), 254);
	CHECK_STR(out + 247, "a-2.mp4");
	upload_numbered_name(name, 1, out);
	CHECK_STR(out, name);
}

int main(void)
{
	struct world w;

	world_init(&w);
	test_copy(&w);
	test_taken_name(&w);
	test_failure_leaves_nothing(&w);
	test_same(&w);
	world_finish(&w);
	test_names();
	return check_result();
}
