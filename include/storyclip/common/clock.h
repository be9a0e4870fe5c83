/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time, passed in so that stalls and back-off are tested without waiting.
 *
 * Two kinds: wall time (milliseconds since 1970, may jump, only ever shown and stored) and
 * monotonic time (milliseconds, for every wait and every bound).
 */
#pragma once

#include <stdint.h>

struct clock {
	int64_t (*wall_ms)(const struct clock *clock);
	int64_t (*monotonic_ms)(const struct clock *clock);
};

/** The machine's own clocks: CLOCK_REALTIME and CLOCK_MONOTONIC. Any thread. */
extern const struct clock clock_system;

static inline int64_t clock_wall_ms(const struct clock *clock)
{
	return clock->wall_ms(clock);
}

static inline int64_t clock_monotonic_ms(const struct clock *clock)
{
	return clock->monotonic_ms(clock);
}

/**
 * Monotonic microseconds of the machine itself, for measuring what something took. Never for a
 * decision: those go by a struct clock.
 */
int64_t clock_precise_us(void);

/** Size for clock_format_utc(): "2026-11-24T00:01:02.345Z" and the NUL. */
#define CLOCK_UTC_SIZE 25

/** Write wall_ms as RFC 3339 in UTC with milliseconds. Years 1970 to 9999. */
void clock_format_utc(int64_t wall_ms, char out[CLOCK_UTC_SIZE]);

/** Size for clock_boot_id(). */
#define CLOCK_BOOT_ID_SIZE 64

/** What tells one boot of this machine from another (proc_sys_kernel(5)), "" when it is not told. Any thread. */
void clock_boot_id(char out[CLOCK_BOOT_ID_SIZE]);
