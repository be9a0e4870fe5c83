/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request, from its text to a job in the engine. */
#pragma once

#include "command.h"
#include "storyclip/common/buf.h"

/**
 * Parse it, find its upload, have the engine accept it.
 * @param json  gets the reply of a success
 * @return 0, or the negative errno of *e (INTERFACE.md, the table of errnos)
 * The command thread; blocks on the disk.
 */
int submit_request(const struct command_deps *deps, const char *text, const struct caller *caller,
		   struct error *e, struct buf *json);

/** Have a failed or cancelled job done again, its upload found anew. The same returns and thread.
 */
int submit_retry(const struct command_deps *deps, const char *job_id, const struct caller *caller,
		 struct error *e);
