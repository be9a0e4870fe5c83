/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the value of one setting, by its kind. Private to src/daemon; main thread, at start. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "storyclip/config.h"
#include "storyclip/error.h"

enum kind {
	KIND_PATH,
	KIND_TEXT,
	KIND_COUNT,
	KIND_SECONDS,
	KIND_AGE,
	KIND_SIZE,
	KIND_BYTES,
	KIND_SWITCH,
	KIND_FLAG,
	KIND_OWNER
};

struct setting {
	const char *option;
	const char *env;
	enum kind kind;
	size_t offset;        /* of its field in struct settings */
	int64_t min, max;     /* KIND_COUNT; KIND_SECONDS: milliseconds */
	const char *range;    /* the same for a person */
	const char *fallback; /* a path that begins with ROOT/ is one in it; NULL: see
				 settings_defaults */
	const char *help;
};

/* A value and where it came from, for the messages. */
struct given {
	const char *value; /* NULL: nowhere */
	const char *name;  /* as it was spelled there */
	const char *from;
};

/** The setting's field in these settings. */
void *setting_field(struct settings *settings, const struct setting *setting);
/** Check a value and put it into the settings. @return 0 or the negative errno of *e */
int setting_read(const struct setting *setting, const struct given *given, struct error *e,
		 struct settings *settings);
/** Take a user and a group, names or numbers, for who owns the clips. @return 0, -ENOENT: no such
 */
int settings_find_owner(const char *user, const char *group, struct settings *settings);
