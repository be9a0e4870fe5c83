/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of the uploads in the registry's table: see upload_names.h. */
#include "upload_names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

static struct upload_name **bucket_of(const struct upload_names *names, const char *path)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
	return &names->buckets[(size_t)(h >> 24) & (names->n_buckets - 1)];
}

int upload_names_init(struct upload_names *names)
{
	*names = (struct upload_names){.n_buckets = BUCKETS_FIRST};
	names->buckets = calloc(BUCKETS_FIRST, sizeof(struct upload_name *));
	return names->buckets ? 0 : -ENOMEM;
}

void upload_names_finish(struct upload_names *names)
{
	free(names->buckets);
	names->buckets = NULL;
}

static void grow(struct upload_names *names)
{
	struct upload_name **old = names->buckets;
	size_t n_old = names->n_buckets;
	struct upload_name **buckets = calloc(n_old * 4, sizeof(struct upload_name *));

	if (!buckets) /* longer chains, nothing else */
		return;
	names->buckets = buckets;
	names->n_buckets = n_old * 4;
	for (size_t i = 0; i < n_old; i++) {
		while (old[i]) {
			struct upload_name *name = old[i], **bucket = bucket_of(names, name->path);

			old[i] = name->next;
			name->next = *bucket;
			*bucket = name;
		}
	}
	free(old);
}

struct upload_name *upload_names_add(struct upload_names *names, struct upload *upload,
				     const char *path)
{
	size_t size = strlen(path) + 1;
	struct upload_name *name = malloc(sizeof(*name) + size), **bucket;

	if (!name)
		return NULL;
	if (names->n >= names->n_buckets)
		grow(names);
	bucket = bucket_of(names, path);
	name->upload = upload;
	memcpy(name->path, path, size);
	name->next = *bucket;
	*bucket = name;
	names->n++;
	return name;
}

void upload_names_remove(struct upload_names *names, struct upload_name *name)
{
	struct upload_name **at = bucket_of(names, name->path);

	while (*at != name)
		at = &(*at)->next;
	*at = name->next;
	names->n--;
	free(name);
}

struct upload_name *upload_names_find(const struct upload_names *names, const char *path)
{
	struct upload_name *name = *bucket_of(names, path);

	while (name && strcmp(name->path, path) != 0)
		name = name->next;
	return name;
}
