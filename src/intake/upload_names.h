/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which upload of the registry's table has a path: several may, for a moment. Under the table's lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct upload;

/** One name of one upload. */
struct upload_name {
	struct upload_name *next; /* in its bucket */
	struct upload *upload;
	char path[];
};

struct upload_names {
	struct upload_name **buckets;
	size_t n_buckets; /* a power of two */
	size_t n;
};

/** @return 0 or -ENOMEM */
int upload_names_init(struct upload_names *names);
/** Every name must have been removed. */
void upload_names_finish(struct upload_names *names);
/** @return the name, or NULL without memory */
struct upload_name *upload_names_add(struct upload_names *names, struct upload *upload,
				     const char *path);
/** Take it out and free it. */
void upload_names_remove(struct upload_names *names, struct upload_name *name);
/** Some name with this path, or NULL. */
struct upload_name *upload_names_find(const struct upload_names *names, const char *path);
