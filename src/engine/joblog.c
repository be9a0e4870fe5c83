/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of a job's log, each one write(2) to a descriptor that appends. Any thread. */
#include "joblog.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "storyclip/common/file.h"

#define LINE_MAX_BYTES 2048

/* However much a damaged video makes libav say; our own lines, some a try, have as much again. */
#define SAID_MAX_BYTES (1024 * 1024)
#define LOG_MAX_BYTES  (2 * SAID_MAX_BYTES)

void joblog_name(const char *job_id, char *out, size_t size)
{
	snprintf(out, size, "%s.log", job_id);
}

static int open_log(struct engine *engine, const char *job_id, int more_flags)
{
	char name[JOB_ID_SIZE + 8];
	int fd;

	joblog_name(job_id, name, sizeof(name));
	fd = openat(engine->logs_fd, name,
		    O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | more_flags, 0600);
	return fd < 0 ? -errno : fd;
}

int joblog_open(struct engine *engine, const char *job_id)
{
	return open_log(engine, job_id, O_CREAT);
}

/* The line that crosses the limit is the last but one. */
static void say_full(int fd, off_t before, off_t max)
{
	static const char text[] = "the log is full: what is said from here on is left out, but "
				   "for the job's own steps\n";
	struct stat st;

	if (before < max && fstat(fd, &st) == 0 && st.st_size >= max)
		file_write_all(fd, text, sizeof(text) - 1);
}

static SC_PRINTF(4, 0) void write_line(struct engine *engine, int fd, off_t max, const char *fmt,
				       va_list args)
{
	char line[LINE_MAX_BYTES], when[CLOCK_UTC_SIZE];
	struct stat st;
	size_t len;
	int n;

	if (fstat(fd, &st) < 0 || st.st_size >= max)
		return;
	clock_format_utc(engine_wall_ms(engine), when);
	n = snprintf(line, sizeof(line), "%s ", when);
	if (n < 0)
		return;
	len = (size_t)n;
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	if (n < 0)
		return;
	len = strlen(line);
	/* One line stays one line, whatever a file's metadata or a child says. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = ' ';
	line[len++] = '\n';
	file_write_all(fd, line, len);
	say_full(fd, st.st_size, max);
}

void joblog_write_fd(struct engine *engine, int fd, const char *fmt, ...)
{
	va_list args;

	if (fd < 0)
		return;
	va_start(args, fmt);
	write_line(engine, fd, LOG_MAX_BYTES, fmt, args);
	va_end(args);
}

void joblog_write_said(struct engine *engine, int fd, const char *fmt, ...)
{
	va_list args;

	if (fd < 0)
		return;
	va_start(args, fmt);
	write_line(engine, fd, SAID_MAX_BYTES, fmt, args);
	va_end(args);
}

void joblog_pass(int fd, const char *data, size_t len)
{
	struct stat st;
	size_t left;

	if (fd < 0 || len == 0 || fstat(fd, &st) < 0 || st.st_size >= SAID_MAX_BYTES)
		return;
	left = (size_t)(SAID_MAX_BYTES - st.st_size);
	if (len > left)
		len = left;
	file_write_all(fd, data, len);
	if (len == left && data[len - 1] != '\n')
		file_write_all(fd, "\n", 1);
	say_full(fd, st.st_size, SAID_MAX_BYTES);
}

void joblog_write(struct engine *engine, const char *job_id, const char *fmt, ...)
{
	auto_fd int fd = open_log(engine, job_id, 0);
	va_list args;

	if (fd < 0)
		return;
	va_start(args, fmt);
	write_line(engine, fd, LOG_MAX_BYTES, fmt, args);
	va_end(args);
}

void joblog_remove(struct engine *engine, const char *job_id)
{
	char name[JOB_ID_SIZE + 8];

	joblog_name(job_id, name, sizeof(name));
	unlinkat(engine->logs_fd, name, 0);
}
