/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At the start: what an older daemon has left in database and directories. */
#pragma once

#include "state.h"

/**
 * Honour changes made by hand, load the jobs that had not ended (running ones become queued, their
 * failures as they were), remove the leftovers that the database names. What it does not know is
 * never touched. Only a database that cannot be used is an error.
 */
int recover(struct engine *engine, struct error *e);
