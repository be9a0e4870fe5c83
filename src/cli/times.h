/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as people write and read them: durations, ranges, time stamps, ages. Pure; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "storyclip/request.h"

/** The longest position or duration that is understood: far beyond any video, safe in µs. */
#define TIMES_MAX_S 1000000000LL

/**
 * Read a duration or position: "5", "2.5", "500ms", "90s", "3m", "1h", "1:30", "0:01:30.25". Digits
 * beyond the microsecond are dropped.
 * @return 0, -EINVAL (not of that form), -ERANGE (over TIMES_MAX_S)
 */
int times_parse_duration(const char *text, int64_t *ret_us);

/**
 * Read "0-5,7-12": start and end, each as above.
 * @param ret_bad  on failure: where in text the range that is wrong begins
 * @return 0 (*ret to free), -EINVAL (form), -ERANGE (an end not behind its start, a time too
 * large), -E2BIG (over REQUEST_MAX_CLIPS), -ENOMEM
 */
int times_parse_ranges(const char *text, struct clip_range **ret, size_t *ret_n,
		       const char **ret_bad);

/** RFC 3339 in UTC, "2026-11-24T00:01:02.345Z" → wall ms. @return 0 or -EINVAL */
int times_parse_utc(const char *text, int64_t *ret_ms);

/** Size for times_format_age(). */
#define TIMES_AGE_SIZE 24
/** "7s", "3m", "2h", "5d": the largest unit, rounded down; below zero (clocks differ) "0s". */
void times_format_age(int64_t age_ms, char out[TIMES_AGE_SIZE]);
