/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table per message: each row pairs a JSON field with a member of a struct, so that writing
 * and reading walk the same list. Private to src/proto. Plain functions on memory, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "storyclip/common/buf.h"
#include "storyclip/common/macros.h"
#include "storyclip/error.h"

enum field_type { FIELD_I32, FIELD_U32, FIELD_I64, FIELD_U64, FIELD_BOOL, FIELD_NAME, FIELD_TEXT };

/** An enum that travels as its name. */
struct field_names {
	const char *(*name_of)(unsigned int value);
	/** @return 0 or a negative errno for an unknown name */
	int (*from_name)(const char *name, unsigned int *ret);
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	size_t size;      /* FIELD_TEXT: of the member, with the NUL */
	int64_t min, max; /* numbers; also of what is sent */
	const struct field_names *names; /* FIELD_NAME */
	bool is_optional; /* numbers: left out while the value is `absent`; text: while empty */
	int64_t absent;
	uint32_t kinds;   /* for which kinds of message (bits) the row is meant; 0: for all */
};

/** Name and place of a member; type, range and the rest follow in the row. */
#define FIELD_OF(json_name, type_, struct_, member)                                                \
	.name = (json_name), .type = (type_), .offset = offsetof(struct_, member),                 \
	.size = sizeof(((struct_ *)NULL)->member)


/**
 * Add the rows that are meant for `kind` (a bit, or 0) to a JSON object.
 * @return 0, -ENOMEM
 */
int fields_encode(const struct field *fields, size_t n, uint32_t kind, const void *from,
		  json_t *object);

/**
 * Fill the members from a JSON object whose own fields are exactly these rows, but for those that
 * `others` (NULL-terminated names) lists, which the caller looks at. Optional members that are not
 * given become `absent` or empty.
 * @return 0, or -EINVAL with a sentence that names the field
 */
int fields_parse(const struct field *fields, size_t n, uint32_t kind, const char *const *others,
		 json_t *object, struct error *e, void *to);

/** A JSON string of any bytes: what is no UTF-8 or a control character becomes '?' or a space. */
json_t *text_to_json(const char *text, size_t max_bytes);
/** Whether text is shorter than max_bytes and free of control characters. */
bool text_is_clean(const char *text, size_t max_bytes);

/** Parse one object: no doubled keys, no NULs, nothing behind it. @return NULL with *e filled */
json_t *object_load(const char *text, size_t len, struct error *e);
/** Add compact JSON. Consumes nothing. @return 0, -ENOMEM */
int object_dump(const json_t *object, struct buf *out);

static inline void auto_json_decref(json_t **p)
{
	json_decref(*p);
}
#define auto_json __attribute__((cleanup(auto_json_decref)))
