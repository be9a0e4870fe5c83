/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The value of one field of a request, read from JSON or from a line's text, before it is known
 * what it means. Private to the request's parser. Pure; any thread.
 */
#pragma once

#include <jansson.h>

#include "parse.h"
#include "storyclip/common/macros.h"

#define VALUE_SHOWN 80 /* bytes of a value that a message repeats */

enum kind { KIND_STRING, KIND_SECONDS, KIND_COUNT, KIND_BOOL, KIND_CLIPS, KIND_COUNT_OF_KINDS };

/* One field's value, of whichever form it came. */
struct value {
	char *string;              /* owned: KIND_STRING */
	int64_t number;            /* KIND_SECONDS (microseconds), KIND_COUNT, KIND_BOOL (0, 1) */
	struct clip_range *ranges; /* owned: KIND_CLIPS */
	size_t n_ranges;
	char shown[VALUE_SHOWN]; /* as written, for messages */
};
void value_finish(struct value *v);
#define auto_value __attribute__((cleanup(value_finish)))

/**
 * Read a value of this kind. Ranges of numbers are the caller's to check; a number beyond all
 * ranges becomes INT64_MAX.
 *
 * @param name  of the field, for the message
 * @param max   of a list: a longer one is counted, not read
 * @return 0, -EINVAL with *e filled, -ENOMEM
 */
int value_from_json(const char *name, enum kind kind, size_t max, json_t *json, struct error *e,
		    struct value *ret);
/** The same from the text behind key=, which is written to. */
int value_from_text(const char *name, enum kind kind, size_t max, char *text, struct error *e,
		    struct value *ret);
