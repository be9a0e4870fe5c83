/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line, taken apart; what its settings mean is config.c's. Main thread, at start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "storyclip/error.h"

/** One mount option as it was given: "workers=3", "nofail". */
struct mount_option {
	char *name;  /* owned */
	char *value; /* owned; NULL without '=' */
};

enum command_mode { MODE_MOUNT, MODE_CHECK, MODE_REPAIR };

struct command_line {
	enum command_mode mode;
	bool is_foreground, is_debug, wants_help, wants_version;
	const char *config_file;       /* of -c or config=; NULL */
	const char *root, *mountpoint; /* of argv; without mount no mountpoint */
	struct mount_option *options;  /* owned, in order */
	size_t n_options;
};

/** @return 0, or -EINVAL: *e says what is wrong with the usage */
int command_line_parse(int argc, char **argv, struct error *e, struct command_line *ret);
void command_line_finish(struct command_line *line);

#define auto_command_line __attribute__((cleanup(command_line_finish)))
