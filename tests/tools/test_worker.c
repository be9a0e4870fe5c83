/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for storyclip-worker where a test needs a worker that behaves as told: the engine, the
 * pipe and the reports are the real ones. It ends as a proper job with one clip, the source's
 * bytes.
 *
 *     STORYCLIP_TEST_REPORTS=N   send N numbered reports as fast as the pipe takes them
 *     STORYCLIP_TEST_STAMPS=US   a report every so many microseconds for ever, each "numbered" with the
 *                                monotonic time in nanoseconds
 *     STORYCLIP_TEST_MODE=
 *         slow        report work every 200 ms for STORYCLIP_TEST_SECONDS (default 5)
 *         crash       SIGSEGV, each time
 *         crash-once  SIGSEGV unless STORYCLIP_TEST_MARKER exists, which is made first
 *         garbage     send a line that is no report, then go on
 *         silent      say that work begins, then nothing for ever
 *         chatty      write 8 MiB to standard error, then go on
 *         chatter     write to standard error for ever
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storyclip/child.h"
#include "storyclip/common/file.h"

#define CLIP_NAME "clip_001.mp4"

static void send_progress(int progress, uint64_t work, const char *message)
{
	struct report report = {.kind = REPORT_PROGRESS, .progress = progress, .work = work};

	snprintf(report.message, sizeof(report.message), "%s", message);
	child_report(&report);
}

static uint64_t number_from_env(const char *name, uint64_t if_missing)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : if_missing;
}

static void send_numbered(uint64_t n)
{
	for (uint64_t i = 1; i <= n; i++) {
		char message[64];

		snprintf(message, sizeof(message), JOB_MESSAGE_EXPORTING " %" PRIu64, i);
		send_progress((int)(30 + 60 * i / n), i, message);
	}
}

static void send_stamped(uint64_t every_us)
{
	if (!every_us)
		return;
	for (uint64_t i = 1;; i++) {
		const struct timespec pause = {.tv_sec = (time_t)(every_us / 1000000),
					       .tv_nsec = (long)(every_us % 1000000 * 1000)};
		struct timespec now;
		char message[64];

		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		snprintf(message, sizeof(message), JOB_MESSAGE_EXPORTING " %lld%09ld",
			 (long long)now.tv_sec, now.tv_nsec);
		send_progress(30, i, message);
	}
}

static void crash(void)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit of it */
	raise(SIGSEGV);
}

static void be_slow(void)
{
	uint64_t n = number_from_env("STORYCLIP_TEST_SECONDS", 5) * 5;

	for (uint64_t i = 1; i <= n; i++) {
		send_progress((int)(30 + 60 * i / n), i, JOB_MESSAGE_EXPORTING);
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
}

static void crash_once(void)
{
	const char *marker = getenv("STORYCLIP_TEST_MARKER");
	int fd = marker ? open(marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;

	if (fd >= 0)
		crash();
}

static void send_garbage(void)
{
	static const char line[] = "{\"report\":\"progress\",\"work\":\"much\"}\n";

	if (file_write_all(PROTO_REPORT_FD, line, sizeof(line) - 1) < 0)
		_exit(EXIT_FAILURE);
}

static void be_silent(void)
{
	for (;;)
		pause();
}

/* @param bytes  to standard error, without an end of a line */
static void talk(uint64_t bytes)
{
	char text[4096];

	memset(text, 'x', sizeof(text));
	for (uint64_t i = 0; i < bytes; i += sizeof(text))
		if (file_write_all(STDERR_FILENO, text, sizeof(text)) < 0)
			_exit(EXIT_FAILURE);
}

static void be_chatty(void)
{
	talk(UINT64_C(8) << 20);
}

static void talk_for_ever(void)
{
	for (;;)
		talk(UINT64_C(8) << 20);
}

static const struct {
	const char *name;
	void (*behave)(void);
} modes[] = {
	{"slow", be_slow},         {"crash", crash},      {"crash-once", crash_once},
	{"garbage", send_garbage}, {"silent", be_silent}, {"chatty", be_chatty},
	{"chatter", talk_for_ever},
};

static void behave_as_told(void)
{
	const char *mode = getenv("STORYCLIP_TEST_MODE");

	for (size_t i = 0; mode && i < SC_ARRAY_SIZE(modes); i++) {
		if (!strcmp(modes[i].name, mode)) {
			modes[i].behave();
			return;
		}
	}
	if (mode && *mode) {
		fprintf(stderr, "STORYCLIP_TEST_MODE=%s is unknown\n", mode);
		_exit(EXIT_FAILURE);
	}
}

/* The one clip: all of the source, as it is. */
static int make_clip(struct error *e)
{
	struct report report = {
		.kind = REPORT_CLIP,
		.progress = -1,
		.artifact = {.number = 1,
			     .filename = CLIP_NAME,
			     .method = CLIP_COPY,
			     .duration_us = 1000000},
	};
	auto_fd int fd =
		openat(PROTO_CLIPS_FD, CLIP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	char data[65536];
	ssize_t n;
	int r;

	if (fd < 0)
		return error_from_errno(e, -errno, "creating " CLIP_NAME);
	while ((n = file_pread_full(PROTO_SOURCE_FD, data, sizeof(data),
				    report.artifact.size_bytes)) > 0) {
		r = file_write_all(fd, data, (size_t)n);
		if (r < 0)
			return error_from_errno(e, r, "writing " CLIP_NAME);
		report.artifact.size_bytes += n;
	}
	if (n < 0 || fsync(fd) < 0)
		return error_from_errno(e, n < 0 ? (int)n : -errno, "copying the source");
	child_report(&report);
	return 0;
}

int main(void)
{
	struct child_reporter reporter = CHILD_REPORTER;
	struct report plan = {.kind = REPORT_PLAN, .progress = -1, .total_clips = 1};
	auto_work_order struct work_order order = {0};
	auto_free char *text = NULL;
	struct error e = {0};
	size_t len;
	int r;

	r = child_start();
	if (r < 0)
		return EXIT_FAILURE;
	r = child_read_order(&text, &len);
	if (r < 0)
		return EXIT_FAILURE;
	r = work_order_parse(text, len, &e, &order);
	if (r == 0) {
		child_phase(&reporter, 30, JOB_MESSAGE_ANALYZING);
		child_report(&plan);
		behave_as_told();
		send_stamped(number_from_env("STORYCLIP_TEST_STAMPS", 0));
		send_numbered(number_from_env("STORYCLIP_TEST_REPORTS", 0));
		r = make_clip(&e);
	}
	return child_end(&reporter, r, &e);
}
