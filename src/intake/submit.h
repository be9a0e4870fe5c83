/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request, from its text to a job in the engine. */
#pragma once

#include "command.h"
#include "resolve.h"
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

/** What the registry and the database know about an upload; one put there behind the mount is noted. */
enum upload_stage submit_stage(const struct command_deps *deps, const struct resolved *upload);
/** An id as they are generated, job_<ms since 1970>_<8 of 0-9a-z>. @return 0 or a negative errno */
int submit_generate_id(const struct clock *clock, char out[JOB_ID_SIZE]);
/**
 * Have the engine accept a request for its upload.
 * @param request  without a jobId it gets one
 * @param input_json  the request as accepted
 * Returns and thread as submit_request().
 */
int submit_accept(const struct command_deps *deps, struct request *request,
		  struct resolved *upload, const struct caller *caller, const char *input_json,
		  struct error *e, char job_id[JOB_ID_SIZE]);
