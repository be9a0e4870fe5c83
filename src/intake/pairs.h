/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* key=value pairs in a line, values quoted as in sh. Pure; any thread. */
#pragma once

#include "storyclip/error.h"

struct pair {
	char *key;   /* owned */
	char *value; /* owned */
};

void pair_finish(struct pair *pair);
#define auto_pair __attribute__((cleanup(pair_finish)))

/**
 * Take the next pair of a line. Single quotes keep all, double quotes keep all but \" \\ \$ \`,
 * a backslash outside keeps the next byte; nothing is expanded.
 * @param rest  where to go on; moved behind the pair
 * @return 1, 0 at the end of the line, or a negative errno with *e: INVALID_REQUEST, -ENOMEM
 */
int pair_next(const char **rest, struct error *e, struct pair *ret);
