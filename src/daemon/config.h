/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings of one mount: where each comes from, what it may be. Main thread, at start. */
#pragma once

#include <stdio.h>

#include "options.h"
#include "storyclip/config.h"
#include "storyclip/fs.h"

/**
 * Take every setting from the option, else the environment, else the file, else its default, and
 * check it. Paths are made absolute, nothing is created.
 *
 * @param mount  gets what options say to the mount itself (allow_other, ro)
 * @param is_usage  set when the command line names an option that does not exist: exit code 2
 * @return 0, or -EINVAL (or another errno) with one line in *e that names setting, value and why
 */
int settings_load(const struct command_line *line, struct error *e, struct settings *ret,
		  struct fs_mount_options *mount, bool *is_usage);
void settings_finish(struct settings *settings);

#define auto_settings __attribute__((cleanup(settings_finish)))

/** What --help prints, made of the same table. */
void settings_help(FILE *out);
