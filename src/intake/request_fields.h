/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fields that a request may have, and a request while it is read. Private to src/intake. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parse.h"
#include "request_value.h"

struct field {
	const char *name;
	enum kind kind;
	int64_t min, max;  /* of number, and of the count of ranges */
	const char *range; /* the same for a person */
	unsigned int cuts; /* those that it has a use in, as bits; 0: all */
	int (*set)(struct request *request, struct value *v, struct error *e);
};

/** A request while it is read. */
struct request_draft {
	struct request request;
	uint64_t given; /* fields, as bits */
};

/** @return static, NULL: there is none of that name */
const struct field *request_field_find(const char *name);
/** Refuse a name that no field has. @return the errno of *e */
int request_field_unknown(const char *name, struct error *e);
/** Whether a field that there is was in the request. */
bool request_field_is_given(const struct request_draft *draft, const char *name);
/** Hold a value against its field's range and put it in its place, which may take what it owns. */
int request_field_apply(const struct field *field, struct value *v, struct request_draft *draft,
			struct error *e);
/** No field that was given is without use in the request's way to cut. */
int request_check_cut(const struct request_draft *draft, struct error *e);
/** What only shows once all fields are there; then the defaults (request_check.c). */
int request_complete(struct request_draft *draft, struct error *e);
