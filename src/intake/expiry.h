/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Uploads that nobody uses go when they are old (upload_retention). The registry thread. */
#pragma once

#include "registry.h"

/** Where a pass over the old uploads stands; all zero before the first. */
struct expiry {
	int64_t next_ms; /* monotonic: when the next pass begins */
	bool is_under_way;
	int64_t after_at; /* of the last one looked at */
	char *after_path; /* owned */
	bool has_told_foreign; /* that some lie where they cannot be removed */
};

void expiry_finish(struct expiry *expiry);
/** Look at a few, when it is time. @return whether there is more to do soon */
bool expiry_turn(struct expiry *expiry, const struct registry_deps *deps);
