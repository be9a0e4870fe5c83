/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start, the order and the reports of the engine's child processes. Their main thread. */
#include "storyclip/child.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "storyclip/common/clock.h"
#include "storyclip/common/log.h"

/* Ten thousand ranges of two long numbers, and some. */
#define ORDER_MAX (1024u * 1024u)

int child_start(void)
{
	static const struct rlimit no_core = {0, 0};
	struct pollfd reader = {.fd = PROTO_REPORT_FD};
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		struct sigaction inherited;

		if (sigaction(sig, NULL, &inherited) == 0 && inherited.sa_handler == SIG_IGN)
			signal(sig, SIG_DFL);
	}
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return -errno;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* The parent may have died before the line above. A dying process closes its files before
	 * its children are told, so either the signal comes or the pipe has no reader any more. */
	if (poll(&reader, 1, 0) < 0)
		return -errno;
	if (reader.revents & POLLNVAL)
		return -EBADF;
	return reader.revents & POLLERR ? -EPIPE : 0;
}

int child_read_order(char **ret, size_t *ret_len)
{
	auto_buf struct buf text = BUF_EMPTY;
	char chunk[4096];

	for (;;) {
		ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		buf_add(&text, chunk, (size_t)n);
		if (text.len > ORDER_MAX)
			return -EFBIG;
	}
	*ret = buf_take(&text, ret_len);
	return *ret ? 0 : -ENOMEM;
}

void child_report(const struct report *report)
{
	int r = report_write(report);

	if (r < 0) {
		log_error_with(r, "cannot report");
		_exit(EXIT_FAILURE);
	}
}

static void reporter_send(struct child_reporter *reporter, enum report_kind kind)
{
	struct report report = {.kind = kind, .progress = reporter->progress};

	report.work = reporter->work;
	if (reporter->message)
		snprintf(report.message, sizeof(report.message), "%s", reporter->message);
	child_report(&report);
	reporter->reported_at_ms = clock_monotonic_ms(&clock_system);
	reporter->reported_work = reporter->work;
	reporter->reported_progress = reporter->progress;
}

void child_phase(struct child_reporter *reporter, int progress, const char *message)
{
	if (progress > reporter->progress)
		reporter->progress = progress;
	reporter->message = message;
	reporter_send(reporter, REPORT_PHASE);
}

void child_worked(struct child_reporter *reporter, uint64_t units, int progress)
{
	if (__builtin_add_overflow(reporter->work, units, &reporter->work))
		reporter->work = UINT64_MAX;
	if (progress > reporter->progress)
		reporter->progress = progress;
	if (clock_monotonic_ms(&clock_system) - reporter->reported_at_ms >= CHILD_REPORT_MS)
		reporter_send(reporter, REPORT_PROGRESS);
}

void child_flush(struct child_reporter *reporter)
{
	if (reporter->work != reporter->reported_work ||
	    reporter->progress != reporter->reported_progress)
		reporter_send(reporter, REPORT_PROGRESS);
}

void child_say(enum report_kind kind, const char *fmt, ...)
{
	struct report report = {.kind = kind, .progress = -1};
	va_list args;

	va_start(args, fmt);
	vsnprintf(report.message, sizeof(report.message), fmt, args);
	va_end(args);
	if (!report.message[0])
		return; /* an empty line would be no report */
	child_report(&report);
}

int child_end(struct child_reporter *reporter, int r, const struct error *e)
{
	struct report report = {.kind = REPORT_DONE, .progress = -1,
				.synced_us = reporter->synced_us,
				.copied_bytes = reporter->copied_bytes};

	child_flush(reporter);
	if (r < 0) {
		report.kind = REPORT_FAILED;
		report.code = e->code == SC_OK ? SC_INTERNAL : e->code;
		snprintf(report.message, sizeof(report.message), "%s",
			 e->message[0] ? e->message : strerrordesc_np(-r));
	}
	child_report(&report);
	return EXIT_SUCCESS;
}
