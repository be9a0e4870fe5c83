/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that lie beside their uploads: incoming/<upload>.process, answered in ….process.error.
 */
#pragma once

#include "command.h"

/**
 * Carry out what one sidecar says, as far as it can be now: start its job, or wait for its upload
 * (which is nothing: it is looked at again when that has come), or say in its .error why not.
 *
 * @param path  of the sidecar, below incoming/
 * @param caller  whose request it is; NULL: its file's owner's
 * @return 0 (started, started before, or it waits), or the negative errno of *e
 * The command thread; blocks on the disk.
 */
int sidecar_run(const struct command_deps *deps, const char *path, const struct caller *caller,
		enum sidecar_cause cause, struct error *e);
