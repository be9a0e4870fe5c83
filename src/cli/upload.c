/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A person's video → an upload of the mount. */
#include "upload.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bar.h"
#include "copy.h"
#include "mounts.h"
#include "storyclip/common/clock.h"
#include "text.h"

#define INCOMING   "incoming"
#define NUMBER_MAX 10000u

void upload_numbered_name(const char *name, unsigned int number, char out[256])
{
	const char *dot = strrchr(name, '.');
	size_t extension, stem, suffix_len;
	char suffix[16] = "";

	/* A leading dot begins no extension, nor does one with a whole name behind it. */
	if (!dot || dot == name || strlen(dot) > 16)
		dot = name + strlen(name);
	if (number > 1)
		snprintf(suffix, sizeof(suffix), "-%u", number);
	extension = strlen(dot);
	suffix_len = strlen(suffix);
	stem = (size_t)(dot - name);
	if (stem + suffix_len + extension > NAME_MAX) {
		stem = NAME_MAX - suffix_len - extension;
		while (stem && ((unsigned char)name[stem] & 0xc0) == 0x80)
			stem--; /* not within a character */
	}
	snprintf(out, 256, "%.*s%s%s", (int)stem, name, suffix, dot);
}

struct copy_view {
	struct cli *cli;
	const char *name;
	int64_t begun_ms;
};

static void show_copy(void *context, int64_t done_bytes, int64_t total_bytes)
{
	struct copy_view *view = context;
	int64_t ms = clock_monotonic_ms(&clock_system) - view->begun_ms;
	char done[TEXT_BYTES_SIZE], total[TEXT_BYTES_SIZE], rate[TEXT_BYTES_SIZE], detail[80];
	auto_buf struct buf out = BUF_EMPTY;
	struct bar_line line = {.name = view->name, .detail = detail};

	if (!view->cli->term.is_live)
		return;
	text_format_bytes(done_bytes, done);
	text_format_bytes(total_bytes, total);
	text_format_bytes(done_bytes * 1000 / (ms > 0 ? ms : 1), rate);
	snprintf(detail, sizeof(detail), "copying, %s of %s, %s/s", done, total, rate);
	line.percent = total_bytes > 0 ? (int)(done_bytes * 100 / total_bytes) : 100;
	term_measure(&view->cli->term);
	bar_line_add(&out, &line, view->cli->term.width);
	buf_add(&out, "\n", 1);
	term_live_draw(&view->cli->term, &out);
}

/* Whether the name is there with the same bytes. @return 1 same, 0 other bytes or not ours to read,
 * -ENOENT free */
static int compare_with(int incoming_fd, const char *name, int video_fd)
{
	auto_fd int fd = openat(incoming_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		return copy_is_same(video_fd, fd);
	return errno == EACCES || errno == ELOOP ? 0 : -errno;
}

/* The first name from *number on that is free (-ENOENT) or holds these bytes (1). */
static int find_name(int incoming_fd, const char *base, int video_fd, unsigned int *number,
		     char out[256])
{
	int r;

	for (; *number <= NUMBER_MAX; (*number)++) {
		upload_numbered_name(base, *number, out);
		r = compare_with(incoming_fd, out, video_fd);
		if (r != 0)
			return r;
	}
	return -EEXIST;
}

static int copy_in(struct cli *cli, int incoming_fd, const char *base, int video_fd, char out[256])
{
	struct copy_view view = {cli, base, clock_monotonic_ms(&clock_system)};
	struct copy_watch watch = {show_copy, &view};
	auto_copy struct copy copy = {0};
	unsigned int number = 1;
	int r;

	r = find_name(incoming_fd, base, video_fd, &number, out);
	if (r != -ENOENT)
		return r < 0 ? r : 0;
	r = copy_begin(video_fd, incoming_fd, &watch, &copy);
	term_live_clear(&cli->term);
	if (r < 0)
		return r;
	/* Somebody may have taken the name meanwhile. */
	while ((r = copy_name(&copy, out, false)) == -EEXIST) {
		r = find_name(incoming_fd, base, video_fd, &number, out);
		if (r != -ENOENT)
			return r < 0 ? r : 0;
	}
	return r;
}

/* The path below incoming/ if the video lies there. */
static const char *path_in_mount(const struct cli *cli, const char *resolved)
{
	size_t root = strcmp(cli->mount, "/") ? strlen(cli->mount) : 0;

	if (!mounts_contains(cli->mount, resolved) ||
	    strncmp(resolved + root, "/" INCOMING "/", sizeof(INCOMING) + 1) != 0)
		return NULL;
	return resolved + root + sizeof(INCOMING) + 1;
}

int upload_place(struct cli *cli, int dir_fd, const char *video, char **ret)
{
	auto_free char *resolved = realpath(video, NULL);
	auto_fd int video_fd = -1, incoming_fd = -1;
	const char *inside, *base;
	char name[256];
	struct stat st;
	int r;

	/* Not blocking, so that a pipe is refused below instead of waited for. */
	video_fd = open(video, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (!resolved || video_fd < 0 || fstat(video_fd, &st) < 0)
		return cli_fail(cli, -errno, "%s", video);
	if (!S_ISREG(st.st_mode)) {
		cli_error(cli, "%s: not a regular file: a video is one", video);
		return CLI_FAILED;
	}
	inside = path_in_mount(cli, resolved);
	if (inside) {
		*ret = strdup(inside);
		return *ret ? CLI_DONE : cli_fail(cli, -ENOMEM, "%s", video);
	}
	incoming_fd = openat(dir_fd, INCOMING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (incoming_fd < 0)
		return cli_fail(cli, -errno, "%s/" INCOMING, cli->mount);
	/* The name that was given, not the one that a symlink leads to. */
	base = strrchr(video, '/');
	r = copy_in(cli, incoming_fd, base ? base + 1 : video, video_fd, name);
	if (r < 0)
		return cli_fail(cli, r, "copying %s to %s/" INCOMING, video, cli->mount);
	*ret = strdup(name);
	return *ret ? CLI_DONE : cli_fail(cli, -ENOMEM, "%s", video);
}
