/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a fuzz target has: one function that takes any bytes and ends the process (abort, a
 * sanitizer's report) when something is wrong. Linked with libFuzzer (meson -Dfuzz=true) or with
 * driver.c, which runs it once over each file of a corpus.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Unlike assert(3) it stays in every build. */
#define FUZZ_REQUIRE(what)                                                              \
	do {                                                                            \
		if (!(what)) {                                                          \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                        \
		}                                                                       \
	} while (0)
