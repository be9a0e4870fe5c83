/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What commands are refused with. Any thread. */
#include "refusals.h"

#include <string.h>

int refuse_stopping(struct error *e)
{
	return error_set(e, SC_STOPPING,
			 "the mount is being stopped; ask again after the next start");
}

int refuse_stranger(const char *job_id, uid_t owner, const struct caller *caller, struct error *e)
{
	if (caller->uid == 0 || caller->uid == owner)
		return 0;
	return error_set(e, SC_FORBIDDEN, "job '%s' belongs to uid %u", job_id,
			 (unsigned int)owner);
}

int refuse_unknown(const char *job_id, struct error *e)
{
	return error_set(e, SC_JOB_NOT_FOUND, "there is no job '%.80s'", job_id);
}

int refuse_held(const char *job_id, struct error *e)
{
	return error_set(e, SC_JOB_ACTIVE,
			 "job '%s' has ended, and is still being put away; ask again", job_id);
}

int refuse_database(struct engine *engine, int r, struct error *e)
{
	char why[ERROR_MESSAGE_SIZE];

	store_status(engine->deps.store, why);
	return error_set_errno(e, -EIO, SC_INTERNAL, "the database cannot be used: %.300s",
			       why[0] ? why : strerrordesc_np(-r));
}
