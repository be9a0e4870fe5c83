/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of the database in backup/ beside it. Private to src/store. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "storyclip/error.h"

struct backup;

struct backup_wants {
	const char *database; /* borrowed for the call */
	bool is_checking;     /* look for damage first: nobody has */
	void *context;
	/** The database is damaged: what a person should know and do. On the thread. */
	void (*damaged)(void *context, const char *message);
};

/**
 * Start the thread that looks for damage if that is wanted, copies now, unless a copy is younger than
 * an hour, and then once a day.
 */
int backup_start(const struct backup_wants *wants, struct backup **ret);
/** Ends a check or a copy that is being made; waits for no disk longer than that takes. Accepts NULL. */
void backup_stop(struct backup *backup);

/**
 * Make one copy, checked and synced, in backup/ beside the database.
 * @param what  stands in its name ("schema2-"); "": one of those of which the last three stay
 * @param cancel  gives up with -EINTR when it becomes true; may be NULL
 * @param ret  its path, to free(); may be NULL
 * @return 0, -EUCLEAN (the database is damaged), -ENOSPC, … Blocks on the disk.
 */
int backup_make(const char *database, const char *what, const atomic_bool *cancel, struct error *e,
		char **ret);

/** What to do about a damaged database, as the end of a sentence. */
void backup_hint(const char *database, char out[ERROR_MESSAGE_SIZE]);
