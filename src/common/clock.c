/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's clocks, and one way to write a time stamp. Any thread. */
#include "storyclip/common/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"

static int64_t clock_read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_wall_ms(const struct clock *clock)
{
	(void)clock;
	return clock_read_ms(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(const struct clock *clock)
{
	(void)clock;
	return clock_read_ms(CLOCK_MONOTONIC);
}

int64_t clock_precise_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

const struct clock clock_system = {
	.wall_ms = system_wall_ms,
	.monotonic_ms = system_monotonic_ms,
};

void clock_format_utc(int64_t wall_ms, char out[CLOCK_UTC_SIZE])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	unsigned int ms = (unsigned int)(wall_ms % 1000) % 1000u;
	struct tm tm;
	char date[32];

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, CLOCK_UTC_SIZE, "%.19s.%03uZ", date, ms);
}

void clock_boot_id(char out[CLOCK_BOOT_ID_SIZE])
{
	auto_free char *text = NULL;

	out[0] = '\0';
	if (file_read_text(AT_FDCWD, "/proc/sys/kernel/random/boot_id", CLOCK_BOOT_ID_SIZE - 1, &text,
			   NULL) < 0)
		return;
	snprintf(out, CLOCK_BOOT_ID_SIZE, "%s", text);
	out[strcspn(out, " \n")] = '\0';
}
