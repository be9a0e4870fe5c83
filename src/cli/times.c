/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as people write and read them. Integers throughout: no locale, no rounding. */
#include "times.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S 1000000LL

static const struct {
	const char *name;
	int64_t us;
} units[] = {
	/* "ms" stands before "m": the first that fits is taken. */
	{"ms", 1000},
	{"s", US_PER_S},
	{"m", 60 * US_PER_S},
	{"h", 3600 * US_PER_S},
};

/* Digits at *p → *ret; no digit is -EINVAL. */
static int read_digits(const char **p, int64_t *ret)
{
	int64_t value = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		value = value * 10 + (**p - '0');
		if (value > TIMES_MAX_S)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

/* ".25" at *p → millionths; nothing there is 0. */
static int read_fraction(const char **p, int64_t *ret)
{
	int64_t value = 0, place = US_PER_S / 10;

	*ret = 0;
	if (**p != '.')
		return 0;
	(*p)++;
	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		value += (**p - '0') * place;
		place /= 10;
	}
	*ret = value;
	return 0;
}

static int64_t read_unit(const char **p)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].name);

		if (!strncmp(*p, units[i].name, len)) {
			*p += len;
			return units[i].us;
		}
	}
	return US_PER_S;
}

/* One time at *p, which then stands behind it. */
static int read_time(const char **p, int64_t *ret_us)
{
	int64_t whole, field, millionths, unit = US_PER_S;
	int colons = 0;
	int r;

	r = read_digits(p, &whole);
	if (r < 0)
		return r;
	for (; **p == ':'; colons++) {
		(*p)++;
		r = read_digits(p, &field);
		if (r < 0)
			return r;
		if (colons == 2 || field >= 60)
			return -EINVAL;
		whole = whole * 60 + field;
	}
	r = read_fraction(p, &millionths);
	if (r < 0)
		return r;
	if (!colons)
		unit = read_unit(p);
	if (whole > TIMES_MAX_S * US_PER_S / unit)
		return -ERANGE;
	/* A millionth of a unit is unit / 1e6 microseconds: exact for all units but ms, cut there.
	 */
	*ret_us = whole * unit + millionths * unit / US_PER_S;
	return *ret_us > TIMES_MAX_S * US_PER_S ? -ERANGE : 0;
}

int times_parse_duration(const char *text, int64_t *ret_us)
{
	int64_t us;
	int r;

	r = read_time(&text, &us);
	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret_us = us;
	return 0;
}

static int read_range(const char **p, struct clip_range *ret)
{
	int r;

	r = read_time(p, &ret->start_us);
	if (r < 0)
		return r;
	if (**p != '-')
		return -EINVAL;
	(*p)++;
	r = read_time(p, &ret->end_us);
	if (r < 0)
		return r;
	if (**p != '\0' && **p != ',')
		return -EINVAL;
	return ret->end_us > ret->start_us ? 0 : -ERANGE;
}

int times_parse_ranges(const char *text, struct clip_range **ret, size_t *ret_n,
		       const char **ret_bad)
{
	auto_free struct clip_range *ranges = NULL;
	const char *p = text;
	size_t n = 1, i = 0;
	int r;

	for (const char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ','))
		n++;
	*ret_bad = text;
	if (n > REQUEST_MAX_CLIPS)
		return -E2BIG;
	ranges = calloc(n, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (;;) {
		*ret_bad = p;
		r = read_range(&p, &ranges[i++]);
		if (r < 0)
			return r;
		if (!*p)
			break;
		p++;
	}
	*ret = take_ptr(ranges);
	*ret_n = i;
	return 0;
}

int times_parse_utc(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	unsigned int ms = 0;
	int end = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
	    !end)
		return -EINVAL;
	text += end;
	end = 0;
	if (*text == '.') {
		if (sscanf(text, ".%3u%n", &ms, &end) != 1 || end != 4)
			return -EINVAL;
		text += end;
	}
	if (strcmp(text, "Z") != 0 || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return 0;
}

void times_format_age(int64_t age_ms, char out[TIMES_AGE_SIZE])
{
	static const struct {
		int64_t s;
		char unit;
	} steps[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t s = age_ms > 0 ? age_ms / 1000 : 0;
	size_t i = 0;

	while (i + 1 < SC_ARRAY_SIZE(steps) && s < steps[i].s)
		i++;
	snprintf(out, TIMES_AGE_SIZE, "%" PRId64 "%c", s / steps[i].s, steps[i].unit);
}
