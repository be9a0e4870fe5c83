/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seconds as people write them, as microseconds, without a detour over binary fractions: 0.0000005
 * is half a microsecond and rounds up on every machine. Any thread.
 */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX         64
#define SECONDS_MAX_DIGITS 9 /* below 10^9 s: 15 digits of microseconds, which a number of JSON keeps */

struct decimal {
	char digits[DIGITS_MAX + 1];
	int n_digits;
	int exponent; /* the value is 0.<digits> * 10^exponent */
	bool is_negative;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Strict: [+-] digits [. digits] [e [+-] digits], at least one digit before or after the point. */
static int decimal_parse(const char *text, struct decimal *d)
{
	bool has_digit = false, seen_point = false;
	const char *p = text;

	memset(d, 0, sizeof(*d));
	if (*p == '+' || *p == '-')
		d->is_negative = *p++ == '-';
	for (; is_digit(*p) || (*p == '.' && !seen_point); p++) {
		if (*p == '.') {
			seen_point = true;
			continue;
		}
		has_digit = true;
		if (d->n_digits == 0 && *p == '0') { /* a leading zero: only its place counts */
			d->exponent -= seen_point;
			continue;
		}
		if (d->n_digits < DIGITS_MAX) /* what is cut off is below any rounding */
			d->digits[d->n_digits++] = *p;
		d->exponent += !seen_point;
	}
	if (!has_digit)
		return -EINVAL;
	if (*p == 'e' || *p == 'E') {
		char *end;
		long e;

		if (!is_digit(p[1]) && !((p[1] == '+' || p[1] == '-') && is_digit(p[2])))
			return -EINVAL;
		e = strtol(p + 1, &end, 10);
		if (e > 10000 || e < -10000)
			e = e > 0 ? 10000 : -10000;
		d->exponent += (int)e;
		p = end;
	}
	return *p ? -EINVAL : 0;
}

int seconds_to_us(const char *text, int64_t *ret)
{
	struct decimal d;
	int64_t us = 0;
	int r, whole;

	r = decimal_parse(text, &d);
	if (r < 0)
		return r;
	if (d.n_digits == 0) {
		*ret = 0;
		return 0;
	}
	if (d.exponent > SECONDS_MAX_DIGITS)
		return -ERANGE;
	whole = d.exponent + 6; /* so many digits stand before the point, in microseconds */
	for (int i = 0; i < whole; i++)
		us = us * 10 + (i < d.n_digits ? d.digits[i] - '0' : 0);
	/* Half up: the first digit left out decides; of a negative number, away from zero. */
	if (whole >= 0 && whole < d.n_digits && d.digits[whole] >= '5')
		us++;
	*ret = d.is_negative ? -us : us;
	return 0;
}
