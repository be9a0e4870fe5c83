/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* KEY=VALUE lines as in a systemd EnvironmentFile. Pure but for the reading; main thread. */
#pragma once

#include <stddef.h>

#include "storyclip/error.h"

struct env_line {
	char *name;  /* owned */
	char *value; /* owned, unquoted */
	unsigned int line_no; /* where it begins, from 1 */
};

struct env_file {
	struct env_line *lines; /* owned; the later of two wins */
	size_t n_lines;
};

/** @return 0, or a negative errno: *e names the file, the line and what is wrong */
int env_file_read(const char *path, struct error *e, struct env_file *ret);
/** The same of a text that was read. */
int env_file_parse(const char *path, const char *text, struct error *e, struct env_file *ret);
void env_file_finish(struct env_file *file);
/** The value of a name, or NULL. */
const char *env_file_get(const struct env_file *file, const char *name);

#define auto_env_file __attribute__((cleanup(env_file_finish)))
