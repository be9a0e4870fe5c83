/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk over a table of fields, in both directions. What is read may come from a child that was
 * taken over by a hostile video, so nothing is converted, rounded or guessed.
 */
#include "fields.h"

#include <string.h>

#include "storyclip/common/utf8.h"

static int64_t number_load(const struct field *f, const void *from)
{
	const char *p = (const char *)from + f->offset;
	int32_t i32;
	uint32_t u32;
	int64_t i64;
	uint64_t u64;

	switch (f->type) {
	case FIELD_I32:
		memcpy(&i32, p, sizeof(i32));
		return i32;
	case FIELD_U32:
	case FIELD_NAME:
		memcpy(&u32, p, sizeof(u32));
		return u32;
	case FIELD_U64:
		memcpy(&u64, p, sizeof(u64));
		return u64 > INT64_MAX ? INT64_MAX : (int64_t)u64;
	case FIELD_I64:
		memcpy(&i64, p, sizeof(i64));
		return i64;
	case FIELD_BOOL:
	case FIELD_TEXT:
		break;
	}
	return 0;
}

static void number_store(const struct field *f, int64_t value, void *to)
{
	char *p = (char *)to + f->offset;
	int32_t i32 = (int32_t)value;
	uint32_t u32 = (uint32_t)value;

	if (f->type == FIELD_I32)
		memcpy(p, &i32, sizeof(i32));
	else if (f->type == FIELD_U32 || f->type == FIELD_NAME)
		memcpy(p, &u32, sizeof(u32));
	else if (f->type == FIELD_BOOL)
		*(bool *)p = value != 0;
	else
		memcpy(p, &value, sizeof(value));
}

json_t *text_to_json(const char *text, size_t max_bytes)
{
	auto_buf struct buf clean = BUF_EMPTY;
	const char *p = text;

	buf_add_str(&clean, "");
	while (*p) {
		size_t n = utf8_length(p); /* jansson takes the same for text */

		if (clean.len + (n ? n : 1) >= max_bytes)
			break;
		if (n == 0)
			buf_add_str(&clean, "?");
		else if ((unsigned char)*p < ' ' || *p == 0x7f)
			buf_add_str(&clean, " ");
		else
			buf_add(&clean, p, n);
		p += n ? n : 1;
	}
	return clean.is_failed ? NULL : json_stringn(clean.data, clean.len);
}

bool text_is_clean(const char *text, size_t max_bytes)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len < max_bytes;
}

int fields_encode(const struct field *fields, size_t n, uint32_t kind, const void *from,
		  json_t *object)
{
	for (const struct field *f = fields; f < fields + n; f++) {
		const char *member = (const char *)from + f->offset;
		int64_t number = number_load(f, from);
		json_t *value = NULL;

		if (f->kinds && !(f->kinds & kind))
			continue;
		switch (f->type) {
		case FIELD_TEXT:
			if (f->is_optional && !member[0])
				continue;
			value = text_to_json(member, f->size);
			break;
		case FIELD_BOOL:
			if (f->is_optional && !*(const bool *)member)
				continue;
			value = json_boolean(*(const bool *)member);
			break;
		case FIELD_NAME:
			value = json_string(f->names->name_of((unsigned int)number));
			break;
		case FIELD_I32:
		case FIELD_U32:
		case FIELD_I64:
		case FIELD_U64:
			if (f->is_optional && number == f->absent)
				continue;
			value = json_integer(number);
			break;
		}
		if (json_object_set_new(object, f->name, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int field_error(struct error *e, const struct field *f, const char *what)
{
	return error_set_errno(e, -EINVAL, SC_INTERNAL, "field '%s' %s", f->name, what);
}

static int field_parse(const struct field *f, json_t *value, struct error *e, void *to)
{
	char *member = (char *)to + f->offset;
	unsigned int named;

	switch (f->type) {
	case FIELD_BOOL:
		if (!json_is_boolean(value))
			return field_error(e, f, "must be true or false");
		*(bool *)member = json_is_true(value);
		return 0;
	case FIELD_TEXT:
		if (!json_is_string(value))
			return field_error(e, f, "must be a string");
		if (!text_is_clean(json_string_value(value), f->size))
			return field_error(e, f, "is too long or not one line of text");
		memcpy(member, json_string_value(value), json_string_length(value) + 1);
		return 0;
	case FIELD_NAME:
		if (!json_is_string(value))
			return field_error(e, f, "must be a string");
		if (f->names->from_name(json_string_value(value), &named) < 0)
			return field_error(e, f, "is not one of its names");
		number_store(f, named, to);
		return 0;
	case FIELD_I32:
	case FIELD_U32:
	case FIELD_I64:
	case FIELD_U64:
		break;
	}
	if (!json_is_integer(value))
		return field_error(e, f, "must be an integer");
	if (json_integer_value(value) < f->min || json_integer_value(value) > f->max)
		return field_error(e, f, "is out of range");
	number_store(f, json_integer_value(value), to);
	return 0;
}

static bool is_listed(const char *const *names, const char *name)
{
	for (; names && *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

int fields_parse(const struct field *fields, size_t n, uint32_t kind, const char *const *others,
		 json_t *object, struct error *e, void *to)
{
	const char *key;
	json_t *value;
	int r;

	for (const struct field *f = fields; f < fields + n; f++) {
		if (f->kinds && !(f->kinds & kind))
			value = NULL;
		else
			value = json_object_get(object, f->name);
		if (!value && f->is_optional && f->type != FIELD_TEXT)
			number_store(f, f->absent, to);
		else if (!value && f->is_optional)
			*((char *)to + f->offset) = '\0';
		else if (!value && !(f->kinds && !(f->kinds & kind)))
			return field_error(e, f, "is missing");
		if (!value)
			continue;
		r = field_parse(f, value, e, to);
		if (r < 0)
			return r;
	}
	json_object_foreach(object, key, value)
	{
		bool is_known = is_listed(others, key);

		for (const struct field *f = fields; f < fields + n && !is_known; f++)
			is_known = !strcmp(f->name, key) && (!f->kinds || (f->kinds & kind));
		if (!is_known)
			return error_set_errno(e, -EINVAL, SC_INTERNAL, "unknown field '%.64s'", key);
	}
	return 0;
}

json_t *object_load(const char *text, size_t len, struct error *e)
{
	auto_json json_t *value = NULL;
	json_error_t why;

	value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!value) {
		if (json_error_code(&why) == json_error_out_of_memory)
			error_from_errno(e, -ENOMEM, "reading JSON");
		else
			error_set_errno(e, -EINVAL, SC_INTERNAL, "not JSON: %s", why.text);
		return NULL;
	}
	if (!json_is_object(value)) {
		error_set_errno(e, -EINVAL, SC_INTERNAL, "not a JSON object");
		return NULL;
	}
	return take_ptr(value);
}

int object_dump(const json_t *object, struct buf *out)
{
	auto_free char *text = json_dumps(object, JSON_COMPACT);

	if (!text)
		return -ENOMEM;
	buf_add_str(out, text);
	return buf_error(out);
}
