/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request's text becomes a struct request. Both forms, JSON and key=value, become the same struct
 * value before a field is set (request_fields.c), so that each range and each message exists once.
 * No locks, no I/O; any thread.
 */
#include "parse.h"

#include <errno.h>
#include <string.h>

#include "pairs.h"
#include "request_fields.h"

#define EXCERPT 40 /* bytes that a message repeats of the text around what is no JSON */

/* Strings and depth are bounded before anything is built from them: jansson's own bounds are wide.
 */
static int json_check_depth(const char *text, struct error *e)
{
	bool in_string = false;
	int depth = 0;

	for (const char *p = text; *p; p++) {
		if (in_string && *p == '\\' && p[1])
			p++;
		else if (*p == '"')
			in_string = !in_string;
		else if (!in_string && (*p == '{' || *p == '['))
			depth++;
		else if (!in_string && (*p == '}' || *p == ']'))
			depth--;
		if (depth > REQUEST_DEPTH_MAX)
			return error_set(e, SC_INVALID_REQUEST,
					 "the request is nested too deeply; at most %d levels",
					 REQUEST_DEPTH_MAX);
	}
	return 0;
}

/* What is wrong with the JSON, and the bytes before it: most often the field's name is among them.
 */
static int not_json(const char *text, const json_error_t *problem, struct error *e)
{
	int end = problem->position > 0 && problem->position <= (int)strlen(text)
			  ? problem->position
			  : 0;
	int begin = end > EXCERPT ? end - EXCERPT : 0;

	while (begin < end && ((unsigned char)text[begin] & 0xc0) == 0x80)
		begin++; /* not amidst a character */
	return error_set(e, SC_INVALID_REQUEST,
			 "not one JSON object: line %d column %d, at %s%.*s: %s", problem->line,
			 problem->column, begin ? "..." : "", end - begin, text + begin,
			 problem->text);
}

static int parse_json(const char *text, struct error *e, struct request_draft *draft)
{
	json_error_t problem;
	json_t *root, *json;
	const char *name;
	int r;

	r = json_check_depth(text, e);
	if (r < 0)
		return r;
	root = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
	if (!root)
		return not_json(text, &problem, e);
	if (!json_is_object(root))
		r = error_set(e, SC_INVALID_REQUEST,
			      "not one JSON object; write {\"uploadId\":\"NAME\"}");
	json_object_foreach(root, name, json)
	{
		auto_value struct value v = {0};
		const struct field *field = request_field_find(name);

		r = field ? value_from_json(name, field->kind, (size_t)field->max, json, e, &v)
			  : request_field_unknown(name, e);
		if (r == 0)
			r = request_field_apply(field, &v, draft, e);
		if (r < 0)
			break;
	}
	json_decref(root);
	return r;
}

static int parse_pairs(const char *text, struct error *e, struct request_draft *draft)
{
	const char *rest = text;

	for (;;) {
		auto_pair struct pair pair = {0};
		auto_value struct value v = {0};
		const struct field *field;
		int r;

		r = pair_next(&rest, e, &pair);
		if (r <= 0)
			return r;
		field = request_field_find(pair.key);
		if (!field)
			return request_field_unknown(pair.key, e);
		if (request_field_is_given(draft, field->name))
			return error_set(e, SC_INVALID_REQUEST, "%s is given twice; give it once",
					 field->name);
		r = value_from_text(field->name, field->kind, (size_t)field->max, pair.value, e,
				    &v);
		if (r == 0)
			r = request_field_apply(field, &v, draft, e);
		if (r < 0)
			return r;
	}
}

static int parse_any(const char *text, const char *upload_id, struct error *e, struct request *ret)
{
	struct request_draft draft = {
		.request = {.cut = CUT_EXACT, .encode = ENCODE_OPTIONS_DEFAULT}};
	const char *start = text + strspn(text, " \t\r\n");
	int r;

	if (strlen(text) > REQUEST_TEXT_MAX)
		return error_set(e, SC_REQUEST_TOO_LARGE, "the request is over %d bytes",
				 REQUEST_TEXT_MAX);
	r = *start == '{' || *start == '[' ? parse_json(start, e, &draft)
					   : parse_pairs(start, e, &draft);
	if (r == 0 && upload_id && draft.request.upload_id)
		r = error_set(
			e, SC_INVALID_REQUEST,
			"uploadId has no place beside an upload: the sidecar's name says which one "
			"is meant; leave it out");
	if (r == 0 && upload_id && !(draft.request.upload_id = strdup(upload_id)))
		r = -ENOMEM;
	if (r == 0)
		r = request_complete(&draft, e);
	if (r == 0) {
		*ret = draft.request;
		return 0;
	}
	request_finish(&draft.request);
	return r == -ENOMEM ? error_from_errno(e, r, "reading the request") : r;
}

int request_parse(const char *text, struct error *e, struct request *ret)
{
	return parse_any(text, NULL, e, ret);
}

int request_parse_beside(const char *text, const char *upload_id, struct error *e,
			 struct request *ret)
{
	return parse_any(text, upload_id, e, ret);
}
