/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Check macros of the unit tests: print place and both values, count, go on. A test is a program:
 * `return check_result();` from main.
 */
#pragma once

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;
static int check_count;

static inline int check_result(void)
{
	printf("%d checks, %d failed\n", check_count, check_failures);
	if (!check_count) {
		fprintf(stderr, "nothing was checked\n");
		return 1;
	}
	return check_failures ? 1 : 0;
}

#define CHECK_AT_(ok, ...)                                                                         \
	do {                                                                                       \
		check_count++;                                                                     \
		if (!(ok)) {                                                                       \
			check_failures++;                                                          \
			fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                            \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
		}                                                                                  \
	} while (0)

#define CHECK(cond) CHECK_AT_(cond, "not true: %s", #cond)
#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		intmax_t got_ = (intmax_t)(got), want_ = (intmax_t)(want);                         \
		CHECK_AT_(got_ == want_, "%s is %jd, not %jd", #got, got_, want_);                 \
	} while (0)
#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		CHECK_AT_(got_ && want_ && !strcmp(got_, want_), "%s is \"%s\", not \"%s\"", #got, \
			  got_ ? got_ : "(null)", want_ ? want_ : "(null)");                       \
	} while (0)
#define CHECK_CONTAINS(got, part)                                                                  \
	do {                                                                                       \
		const char *got_ = (got), *part_ = (part);                                         \
		CHECK_AT_(got_ && strstr(got_, part_), "%s is \"%s\", without \"%s\"", #got,       \
			  got_ ? got_ : "(null)", part_);                                          \
	} while (0)
/** Give up when the rest makes no sense. */
#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		check_count++;                                                                     \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: required: %s\n", __FILE__, __LINE__, #cond);       \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)
