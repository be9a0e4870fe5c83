/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wait for a change of a snapshot by libuv, then print its newest text.
 *
 *     fs_uv poll|fs_poll FILE
 *
 * poll: uv_poll_t on an open descriptor, as event loops watch sockets. fs_poll: uv_fs_poll_t, which
 * is stat at intervals, what node's fs.watchFile uses.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define INTERVAL_MS 50

static const char *path;

static void show(void)
{
	char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n < 0) {
		perror(path);
		exit(1);
	}
	fwrite(text, 1, (size_t)n, stdout);
	close(fd);
}

static void polled(uv_poll_t *handle, int status, int events)
{
	if (status < 0 || !(events & UV_READABLE) || !(events & UV_PRIORITIZED)) {
		fprintf(stderr, "status %d, events %#x\n", status, (unsigned int)events);
		exit(1);
	}
	uv_poll_stop(handle);
	show();
}

static void stat_changed(uv_fs_poll_t *handle, int status, const uv_stat_t *before,
			 const uv_stat_t *now)
{
	if (status < 0) {
		fprintf(stderr, "%s\n", uv_strerror(status));
		exit(1);
	}
	uv_fs_poll_stop(handle);
	show();
}

static int start_poll(uv_loop_t *loop, uv_poll_t *handle)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? UV_ENOENT : uv_poll_init(loop, handle, fd);

	return r < 0 ? r : uv_poll_start(handle, UV_READABLE | UV_PRIORITIZED, polled);
}

static int start_fs_poll(uv_loop_t *loop, uv_fs_poll_t *handle)
{
	int r = uv_fs_poll_init(loop, handle);

	return r < 0 ? r : uv_fs_poll_start(handle, stat_changed, path, INTERVAL_MS);
}

static void say_waiting(uv_fs_t *stat)
{
	uv_fs_req_cleanup(stat);
	puts("waiting");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_fs_poll_t fs_poll;
	uv_poll_t poll;
	uv_fs_t stat;
	int r;

	if (argc != 3 || (strcmp(argv[1], "poll") != 0 && strcmp(argv[1], "fs_poll") != 0)) {
		fputs("usage: fs_uv poll|fs_poll FILE\n", stderr);
		return 2;
	}
	path = argv[2];
	setenv("UV_THREADPOOL_SIZE", "1", 1); /* so that what is asked first is answered first */
	r = !strcmp(argv[1], "poll") ? start_poll(loop, &poll) : start_fs_poll(loop, &fs_poll);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, uv_strerror(r));
		return 1;
	}
	/* Answered after the first stat of fs_poll, to which later ones are compared. */
	r = uv_fs_stat(loop, &stat, path, say_waiting);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, uv_strerror(r));
		return 1;
	}
	uv_run(loop, UV_RUN_DEFAULT);
	return 0;
}
