/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many files synced at once: each is told of once, on the caller's thread, and a failure is seen. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
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

int main(void)
{
	test_counts();
	return check_result();
}
