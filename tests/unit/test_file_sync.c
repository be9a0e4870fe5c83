/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many files synced at once: each is told of once, on the caller's thread, and a failure is seen. Names
 * of directories that are made are synced in the directories that hold them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"

#define N_FILES 100

struct heard {
	pthread_t thread;
	uint64_t files;
	unsigned int n_foreign;
};

static void on_worked(void *context, uint64_t files)
{
	struct heard *heard = context;

	CHECK(files > 0);
	heard->files += files;
	heard->n_foreign += !pthread_equal(heard->thread, pthread_self());
}

static void make_files(int fds[N_FILES])
{
	char dir[] = "/tmp/storyclip-sync.XXXXXX";
	auto_fd int dir_fd = -1;

	REQUIRE(mkdtemp(dir) != NULL);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < N_FILES; i++) {
		fds[i] = openat(dir_fd, "one", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		REQUIRE(fds[i] >= 0 && file_write_all(fds[i], "some bytes", 10) == 0);
		REQUIRE(unlinkat(dir_fd, "one", 0) == 0);
	}
	REQUIRE(rmdir(dir) == 0);
}

static void test_counts(void)
{
	static const size_t rows[] = {0, 1, 2, 7, 8, 9, N_FILES};
	int fds[N_FILES];

	make_files(fds);
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		struct heard heard = {.thread = pthread_self()};

		CHECK(file_sync_many(fds, rows[i], on_worked, &heard) == 0);
		CHECK_INT(heard.files, rows[i]);
		CHECK_INT(heard.n_foreign, 0);
		CHECK(file_sync_many(fds, rows[i], NULL, NULL) == 0);
	}
	/* the first, one in the middle, the last */
	for (size_t i = 0; i < N_FILES; i += N_FILES / 2 - 1) {
		int kept = fds[i];

		fds[i] = -1;
		CHECK_INT(file_sync_many(fds, N_FILES, NULL, NULL), -EBADF);
		fds[i] = kept;
	}
	for (int i = 0; i < N_FILES; i++)
		close(fds[i]);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);

static struct stat synced[16];
static size_t n_synced;
static int sync_error;

int __wrap_fsync(int fd)
{
	if (n_synced < SC_ARRAY_SIZE(synced))
		fstat(fd, &synced[n_synced++]);
	if (sync_error) {
		errno = sync_error;
		return -1;
	}
	return __real_fsync(fd);
}

static bool was_synced(const char *path)
{
	struct stat st;

	REQUIRE(stat(path, &st) == 0);
	for (size_t i = 0; i < n_synced; i++) {
		if (synced[i].st_ino == st.st_ino && synced[i].st_dev == st.st_dev)
			return true;
	}
	return false;
}

static void test_directories(void)
{
	char dir[] = "/tmp/storyclip-dirs.XXXXXX";
	struct stat st;

	REQUIRE(mkdtemp(dir) != NULL);
	REQUIRE(chdir(dir) == 0);
	n_synced = 0;
	CHECK_INT(file_make_dirs("a/b/c", 0700), 0);
	CHECK(was_synced(".") && was_synced("a") && was_synced("a/b"));
	REQUIRE(stat("a/b/c", &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	n_synced = 0;
	CHECK_INT(file_make_dirs("a/b/c", 0755), 0);
	CHECK_INT(n_synced, 0);
	REQUIRE(stat("a/b/c", &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	sync_error = EIO;
	CHECK_INT(file_make_dirs("a/d", 0700), -EIO);
	sync_error = 0;
	REQUIRE(rmdir("a/d") == 0 && rmdir("a/b/c") == 0 && rmdir("a/b") == 0 && rmdir("a") == 0);
	REQUIRE(chdir("/") == 0 && rmdir(dir) == 0);
}

int main(void)
{
	test_counts();
	test_directories();
	return check_result();
}
