/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets written by another thread: each byte comes to its place, in the order in which they were
 * given, and what the disk has said is told, once and for all. */
#include "../../src/media/clip/write_behind.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "storyclip/common/file.h"

#define N_FILES 3

static int open_unnamed(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0);
	return fd;
}

static void put(struct write_behind *w, int fd, int64_t offset, size_t len, uint8_t first)
{
	AVPacket *packet = av_packet_alloc();

	REQUIRE(packet && av_new_packet(packet, (int)len) == 0);
	for (size_t i = 0; i < len; i++)
		packet->data[i] = (uint8_t)(first + i);
	CHECK_INT(write_behind_put(w, fd, offset, packet), 0);
	av_packet_free(&packet); /* its bytes are kept */
}

static void check_bytes(int fd, int64_t offset, size_t len, uint8_t first)
{
	uint8_t *got = malloc(len);
	size_t n_wrong = 0;

	REQUIRE(got && file_pread_full(fd, got, len, offset) == (ssize_t)len);
	for (size_t i = 0; i < len; i++)
		n_wrong += got[i] != (uint8_t)(first + i);
	CHECK_INT(n_wrong, 0);
	free(got);
}

/* Small and large, in a row and not, many more than the queue holds. */
static void test_places(void)
{
	static const size_t sizes[] = {1, 700, 40000, 3, 600000, 0, 12345, 5000000};
	struct write_behind *w = NULL;
	int fds[N_FILES];
	int64_t ends[N_FILES] = {0};

	REQUIRE(write_behind_start(&w) == 0);
	for (size_t i = 0; i < N_FILES; i++)
		fds[i] = open_unnamed();
	for (size_t i = 0; i < 3000; i++) {
		size_t k = i / 7 % N_FILES, len = sizes[i % 3];

		put(w, fds[k], ends[k], len, (uint8_t)(ends[k] * 3));
		ends[k] += (int64_t)len + (i % 11 == 0);
	}
	CHECK_INT(write_behind_wait(w), 0);
	ends[0] = ends[1] = ends[2] = 0;
	for (size_t i = 0; i < 3000; i++) {
		size_t k = i / 7 % N_FILES, len = sizes[i % 3];

		check_bytes(fds[k], ends[k], len, (uint8_t)(ends[k] * 3));
		ends[k] += (int64_t)len + (i % 11 == 0);
	}
	for (size_t i = 0; i < SC_ARRAY_SIZE(sizes); i++) {
		put(w, fds[0], 77, sizes[i], (uint8_t)i);
		CHECK_INT(write_behind_wait(w), 0);
		if (sizes[i])
			check_bytes(fds[0], 77, sizes[i], (uint8_t)i);
	}
	/* the later one stays */
	for (size_t i = 0; i < 200; i++)
		put(w, fds[1], 5, 1000, (uint8_t)i);
	CHECK_INT(write_behind_wait(w), 0);
	check_bytes(fds[1], 5, 1000, 199);
	/* nobody waits: the end does */
	put(w, fds[2], 0, 900, 9);
	write_behind_stop(w);
	check_bytes(fds[2], 0, 900, 9);
	for (size_t i = 0; i < N_FILES; i++)
		close(fds[i]);
	write_behind_stop(NULL);
}

static void test_full_disk(void)
{
	struct write_behind *w = NULL;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd = open_unnamed();

	REQUIRE(full >= 0 && write_behind_start(&w) == 0);
	put(w, fd, 0, 10, 1);
	CHECK_INT(write_behind_wait(w), 0);
	for (size_t i = 0; i < 2000; i++)
		put(w, full, (int64_t)i * 4000, 4000, 0);
	CHECK_INT(write_behind_wait(w), -ENOSPC);
	put(w, fd, 0, 10, 50);
	CHECK_INT(write_behind_wait(w), -ENOSPC);
	check_bytes(fd, 0, 10, 1); /* nothing is written after an error */
	write_behind_stop(w);
	close(full);
	close(fd);
}

int main(void)
{
	test_places();
	test_full_disk();
	return check_result();
}
