/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where log lines go. Any thread; each line is one write(2), so lines never mix. */
#include "storyclip/common/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "storyclip/common/clock.h"

#define LOG_LINE_MAX 2048

static struct {
	enum log_target target;
	enum log_level max_level;
	int fd;
} log_sink = {LOG_TARGET_STDERR, LOG_LEVEL_INFO, STDERR_FILENO};

static const struct {
	const char *name;
	int priority;
} log_levels[] = {
	[LOG_LEVEL_ERROR] = {"error", LOG_ERR},
	[LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
	[LOG_LEVEL_INFO] = {"info", LOG_INFO},
	[LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

int log_open(enum log_target target, const char *path, enum log_level max_level)
{
	int fd = STDERR_FILENO;

	if (target == LOG_TARGET_FILE) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
		if (fd < 0)
			return -errno;
	}
	log_close();
	if (target == LOG_TARGET_SYSLOG)
		openlog("storyclipfs", LOG_PID, LOG_DAEMON);
	log_sink.target = target;
	log_sink.max_level = max_level;
	log_sink.fd = fd;
	return 0;
}

int log_reopen(const char *path)
{
	int fd, r = 0;

	if (log_sink.target != LOG_TARGET_FILE)
		return 0;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	/* Under the old number: who writes just now has it. */
	if (dup3(fd, log_sink.fd, O_CLOEXEC) < 0)
		r = -errno;
	close(fd);
	return r;
}

void log_close(void)
{
	if (log_sink.target == LOG_TARGET_FILE)
		close(log_sink.fd);
	if (log_sink.target == LOG_TARGET_SYSLOG)
		closelog();
	log_sink.target = LOG_TARGET_STDERR;
	log_sink.fd = STDERR_FILENO;
}

SC_PRINTF(3, 0)
static void log_write_args(enum log_level level, const char *suffix, const char *fmt, va_list args)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX + 256], when[CLOCK_UTC_SIZE];
	ssize_t written;
	int n;

	if (level > log_sink.max_level)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	if (log_sink.target == LOG_TARGET_SYSLOG) {
		syslog(log_levels[level].priority, "%s%s", text, suffix);
		return;
	}
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	if (log_sink.target == LOG_TARGET_FILE) {
		clock_format_utc(clock_wall_ms(&clock_system), when);
		/* A line of the watchdog must begin with its name, so the text stands first only there. */
		if (strncmp(text, "Watchdog", 8) != 0)
			n = snprintf(line, sizeof(line), "%s [%ld] %s: %s%s\n", when, (long)getpid(),
				     log_levels[level].name, text, suffix);
		else
			n = snprintf(line, sizeof(line), "%s%s (%s)\n", text, suffix, when);
	} else {
		n = snprintf(line, sizeof(line), "%s%s\n", text, suffix);
	}
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = (int)sizeof(line) - 1;
	written = write(log_sink.fd, line, (size_t)n);
	(void)written; /* nobody is left to be told that the log cannot be written */
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_write_args(level, "", fmt, args);
	va_end(args);
}

void log_error_with(int r, const char *fmt, ...)
{
	char suffix[128];
	va_list args;

	snprintf(suffix, sizeof(suffix), ": %s", strerrordesc_np(-r) ? strerrordesc_np(-r) : "?");
	va_start(args, fmt);
	log_write_args(LOG_LEVEL_ERROR, suffix, fmt, args);
	va_end(args);
}
