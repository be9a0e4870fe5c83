/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request's text becomes a struct request, by one table of fields. Both forms, JSON and
 * key=value, become the same struct value before a field is set, so that each range and each
 * message exists once. No locks, no I/O; any thread.
 */
#include "parse.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "pairs.h"
#include "storyclip/common/macros.h"
#include "storyclip/job.h"

#define SHOWN 80 /* bytes of a value that a message repeats */
#define EXCERPT 40 /* … and of the text around what is no JSON */
#define SECOND_US 1000000

enum kind { KIND_STRING, KIND_SECONDS, KIND_COUNT, KIND_CLIPS, KIND_COUNT_OF_KINDS };

static const char *const kind_wanted[KIND_COUNT_OF_KINDS] = {
	[KIND_STRING] = "a string",
	[KIND_SECONDS] = "a number of seconds",
	[KIND_COUNT] = "a whole number",
	[KIND_CLIPS] = "a list of {\"start\":seconds,\"end\":seconds}, or 0-5,7-12 in a line",
};

/* One field's value, of whichever form it came. */
struct value {
	char *string;  /* owned: KIND_STRING */
	int64_t number; /* KIND_SECONDS (microseconds), KIND_COUNT */
	struct clip_range *ranges; /* owned: KIND_CLIPS */
	size_t n_ranges;
	char shown[SHOWN]; /* as written, for messages */
};

static void value_finish(struct value *v)
{
	free(v->string);
	free(v->ranges);
	memset(v, 0, sizeof(*v));
}

#define auto_value __attribute__((cleanup(value_finish)))

struct field {
	const char *name;
	enum kind kind;
	int64_t min, max; /* of number, and of the count of ranges */
	const char *range; /* the same for a person */
	int (*set)(struct request *request, struct value *v, struct error *e);
};

/* ---- setters: a value of the right type and range finds its place ---- */

static int set_upload_id(struct request *request, struct value *v, struct error *e)
{
	if (!*v->string)
		return error_set(e, SC_INVALID_REQUEST,
				 "uploadId is empty; give a file's path below incoming/");
	request->upload_id = take_ptr(v->string);
	return 0;
}

static int set_user_id(struct request *request, struct value *v, struct error *e)
{
	request->user_id = take_ptr(v->string);
	return 0;
}

static int set_job_id(struct request *request, struct value *v, struct error *e)
{
	if (!job_id_is_valid(v->string))
		return error_set(e, SC_INVALID_REQUEST,
				 "jobId '%s' cannot be used; 1 to 64 of A-Z a-z 0-9 . _ - without a "
				 "leading dot",
				 v->shown);
	snprintf(request->job_id, sizeof(request->job_id), "%s", v->string);
	return 0;
}

static int set_cut(struct request *request, struct value *v, struct error *e)
{
	struct buf known = BUF_EMPTY;
	int r = cut_mode_from_name(v->string, &request->cut);

	if (r == 0)
		return 0;
	for (int mode = 0; mode < CUT_MODE_COUNT; mode++)
		buf_printf(&known, "%s%s", mode ? ", " : "", cut_mode_name((enum cut_mode)mode));
	r = error_set(e, SC_INVALID_REQUEST, "cut '%s' is not known; %s", v->shown,
		      known.data ? known.data : "exact");
	buf_finish(&known);
	return r;
}

static int set_clip_duration(struct request *request, struct value *v, struct error *e)
{
	request->clip_duration_us = v->number;
	return 0;
}

static int set_max_clips(struct request *request, struct value *v, struct error *e)
{
	request->max_clips = (unsigned int)v->number;
	return 0;
}

static int set_max_attempts(struct request *request, struct value *v, struct error *e)
{
	request->max_attempts = (unsigned int)v->number;
	return 0;
}

static int set_clips(struct request *request, struct value *v, struct error *e)
{
	for (size_t i = 0; i < v->n_ranges; i++)
		if (v->ranges[i].start_us < 0 || v->ranges[i].end_us <= v->ranges[i].start_us)
			return error_set(e, SC_INVALID_REQUEST,
					 "clips[%zu]: start %.6f, end %.6f; an end must be greater "
					 "than its start, a start at least 0",
					 i, (double)v->ranges[i].start_us / SECOND_US,
					 (double)v->ranges[i].end_us / SECOND_US);
	request->ranges = take_ptr(v->ranges);
	request->n_ranges = v->n_ranges;
	return 0;
}

static const struct field fields[] = {
	{"uploadId", KIND_STRING, .set = set_upload_id},
	{"clipDuration", KIND_SECONDS, SECOND_US / 10, INT64_C(3600) * SECOND_US,
	 "0.1 to 3600 seconds", set_clip_duration},
	{"maxClips", KIND_COUNT, 1, REQUEST_MAX_CLIPS, "1 to 10000", set_max_clips},
	{"clips", KIND_CLIPS, 1, REQUEST_MAX_CLIPS, "1 to 10000 of them", set_clips},
	{"cut", KIND_STRING, .set = set_cut},
	{"jobId", KIND_STRING, .set = set_job_id},
	{"maxAttempts", KIND_COUNT, 1, 100, "1 to 100", set_max_attempts},
	{"userId", KIND_STRING, .set = set_user_id},
};

/* ---- values from JSON ---- */

static int wrong_type(const char *name, const char *shown, enum kind kind, struct error *e)
{
	return error_set(e, SC_INVALID_REQUEST, "%s %s is not usable; it must be %s", name, shown,
			 kind_wanted[kind]);
}

static void show_json(const json_t *json, char shown[SHOWN])
{
	auto_free char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT |
							JSON_REAL_PRECISION(15));

	text_shorten(text ? text : "?", shown, SHOWN);
}

/* Through the decimal text: up to 15 digits are exactly what was written. */
static int json_seconds(const json_t *json, int64_t *ret)
{
	char text[64];

	if (json_is_integer(json))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(json));
	else if (json_is_real(json))
		snprintf(text, sizeof(text), "%.15g", json_real_value(json));
	else
		return -EINVAL;
	return seconds_to_us(text, ret);
}

static int json_range(const char *name, size_t i, json_t *json, struct error *e,
		      struct clip_range *ret)
{
	char shown[SHOWN];

	show_json(json, shown);
	if (!json_is_object(json) || json_object_size(json) != 2 ||
	    json_seconds(json_object_get(json, "start"), &ret->start_us) < 0 ||
	    json_seconds(json_object_get(json, "end"), &ret->end_us) < 0)
		return error_set(e, SC_INVALID_REQUEST,
				 "%s[%zu] %s is not usable; it must be "
				 "{\"start\":seconds,\"end\":seconds}",
				 name, i, shown);
	return 0;
}

static int json_ranges(const struct field *field, json_t *json, struct error *e, struct value *v)
{
	size_t n = json_array_size(json);

	if (!json_is_array(json))
		return wrong_type(field->name, v->shown, field->kind, e);
	v->n_ranges = n;
	if (n > (size_t)field->max) /* told by the check of ranges */
		return 0;
	v->ranges = calloc(n ? n : 1, sizeof(*v->ranges));
	if (!v->ranges)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = json_range(field->name, i, json_array_get(json, i), e, &v->ranges[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int value_from_json(const struct field *field, json_t *json, struct error *e,
			   struct value *v)
{
	int r;

	show_json(json, v->shown);
	switch (field->kind) {
	case KIND_STRING:
		if (!json_is_string(json))
			return wrong_type(field->name, v->shown, field->kind, e);
		if (strlen(json_string_value(json)) != json_string_length(json))
			return error_set(e, SC_INVALID_REQUEST, "%s %s holds a NUL; leave it out",
					 field->name, v->shown);
		text_shorten(json_string_value(json), v->shown, SHOWN);
		v->string = strdup(json_string_value(json));
		return v->string ? 0 : -ENOMEM;
	case KIND_SECONDS:
		r = json_seconds(json, &v->number);
		if (r == -ERANGE)
			v->number = INT64_MAX;
		return r == -EINVAL ? wrong_type(field->name, v->shown, field->kind, e) : 0;
	case KIND_COUNT:
		if (!json_is_integer(json))
			return wrong_type(field->name, v->shown, field->kind, e);
		v->number = json_integer_value(json);
		return 0;
	case KIND_CLIPS:
		return json_ranges(field, json, e, v);
	case KIND_COUNT_OF_KINDS:
		break;
	}
	return -EINVAL;
}

/* ---- values from a key=value line ---- */

static int text_count(const char *text, int64_t *ret)
{
	char *end;

	errno = 0;
	if (!strspn(text, "-0123456789"))
		return -EINVAL;
	*ret = strtoll(text, &end, 10);
	if (*end)
		return -EINVAL;
	return errno == ERANGE ? -ERANGE : 0;
}

/* 0-5,7-12: one range per comma. */
static int text_ranges(const struct field *field, char *text, struct error *e, struct value *v)
{
	size_t n = 1, i = 0;
	char *saved = NULL;

	for (const char *p = text; *p; p++)
		n += *p == ',';
	v->n_ranges = n;
	if (n > (size_t)field->max)
		return 0;
	v->ranges = calloc(n, sizeof(*v->ranges));
	if (!v->ranges)
		return -ENOMEM;
	for (char *part = strtok_r(text, ",", &saved); part; part = strtok_r(NULL, ",", &saved)) {
		char *dash = strchr(part, '-');

		if (!dash)
			return wrong_type(field->name, v->shown, field->kind, e);
		*dash = '\0';
		if (seconds_to_us(part, &v->ranges[i].start_us) < 0 ||
		    seconds_to_us(dash + 1, &v->ranges[i].end_us) < 0)
			return wrong_type(field->name, v->shown, field->kind, e);
		i++;
	}
	return i == n ? 0 : wrong_type(field->name, v->shown, field->kind, e);
}

static int value_from_text(const struct field *field, char *text, struct error *e, struct value *v)
{
	int r;

	text_shorten(text, v->shown, SHOWN);
	switch (field->kind) {
	case KIND_STRING:
		v->string = strdup(text);
		return v->string ? 0 : -ENOMEM;
	case KIND_SECONDS:
		r = seconds_to_us(text, &v->number);
		if (r == -ERANGE)
			v->number = INT64_MAX;
		return r == -EINVAL ? wrong_type(field->name, v->shown, field->kind, e) : 0;
	case KIND_COUNT:
		r = text_count(text, &v->number);
		return r == -EINVAL ? wrong_type(field->name, v->shown, field->kind, e) : 0;
	case KIND_CLIPS:
		return text_ranges(field, text, e, v);
	case KIND_COUNT_OF_KINDS:
		break;
	}
	return -EINVAL;
}

/* ---- one field, then the whole ---- */

static const struct field *field_find(const char *name)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(fields); i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

static int unknown_field(const char *name, struct error *e)
{
	struct buf known = BUF_EMPTY;
	char shown[SHOWN];
	int r;

	for (size_t i = 0; i < SC_ARRAY_SIZE(fields); i++)
		buf_printf(&known, "%s%s", i ? " " : "", fields[i].name);
	r = error_set(e, SC_INVALID_REQUEST, "unknown field '%s'; known are %s",
		      text_shorten(name, shown, sizeof(shown)), known.data ? known.data : "none");
	buf_finish(&known);
	return r;
}

static int field_apply(const struct field *field, struct value *v, struct request *request,
		       struct error *e)
{
	int64_t n = field->kind == KIND_CLIPS ? (int64_t)v->n_ranges : v->number;

	if (v->string && strlen(v->string) > REQUEST_STRING_MAX)
		return error_set(e, SC_INVALID_REQUEST, "%s is too long (%zu bytes); at most %d",
				 field->name, strlen(v->string), REQUEST_STRING_MAX);
	if (field->range && (n < field->min || n > field->max)) {
		if (field->kind == KIND_CLIPS)
			return error_set(e, SC_INVALID_REQUEST, "clips has %zu entries; %s",
					 v->n_ranges, field->range);
		return error_set(e, SC_INVALID_REQUEST, "%s %s is out of range; %s", field->name,
				 v->shown, field->range);
	}
	return field->set(request, v, e);
}

/* What only shows once all fields are there; then the defaults. */
static int request_complete(struct request *request, struct error *e)
{
	if (!request->upload_id)
		return error_set(e, SC_INVALID_REQUEST,
				 "uploadId is missing; give a file's path below incoming/");
	if (request->ranges && request->clip_duration_us)
		return error_set(e, SC_INVALID_REQUEST,
				 "clipDuration and clips exclude each other; give one of them");
	if (!request->ranges) {
		if (!request->clip_duration_us)
			request->clip_duration_us = REQUEST_DEFAULT_CLIP_US;
		if (!request->max_clips)
			request->max_clips = REQUEST_DEFAULT_MAX_CLIPS;
	}
	return 0;
}

/* Strings and depth are bounded before anything is built from them: jansson's own bounds are wide. */
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

/* What is wrong with the JSON, and the bytes before it: most often the field's name is among them. */
static int not_json(const char *text, const json_error_t *problem, struct error *e)
{
	int end = problem->position > 0 && problem->position <= (int)strlen(text) ? problem->position
										  : 0;
	int begin = end > EXCERPT ? end - EXCERPT : 0;

	while (begin < end && ((unsigned char)text[begin] & 0xc0) == 0x80)
		begin++; /* not amidst a character */
	return error_set(e, SC_INVALID_REQUEST, "not one JSON object: line %d column %d, at %s%.*s: %s",
			 problem->line, problem->column, begin ? "..." : "", end - begin,
			 text + begin, problem->text);
}

static int parse_json(const char *text, struct error *e, struct request *request)
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
		r = error_set(e, SC_INVALID_REQUEST, "not one JSON object; write {\"uploadId\":\"NAME\"}");
	json_object_foreach(root, name, json) {
		auto_value struct value v = {0};
		const struct field *field = field_find(name);

		r = field ? value_from_json(field, json, e, &v) : unknown_field(name, e);
		if (r == 0)
			r = field_apply(field, &v, request, e);
		if (r < 0)
			break;
	}
	json_decref(root);
	return r;
}

static int parse_pairs(const char *text, struct error *e, struct request *request)
{
	bool is_given[SC_ARRAY_SIZE(fields)] = {false};
	const char *rest = text;

	for (;;) {
		auto_pair struct pair pair = {0};
		auto_value struct value v = {0};
		const struct field *field;
		int r;

		r = pair_next(&rest, e, &pair);
		if (r <= 0)
			return r;
		field = field_find(pair.key);
		if (!field)
			return unknown_field(pair.key, e);
		if (is_given[field - fields])
			return error_set(e, SC_INVALID_REQUEST, "%s is given twice; give it once",
					 field->name);
		is_given[field - fields] = true;
		r = value_from_text(field, pair.value, e, &v);
		if (r == 0)
			r = field_apply(field, &v, request, e);
		if (r < 0)
			return r;
	}
}

int request_parse(const char *text, struct error *e, struct request *ret)
{
	auto_request struct request request = {.cut = CUT_EXACT};
	const char *start = text + strspn(text, " \t\r\n");
	int r;

	if (strlen(text) > REQUEST_TEXT_MAX)
		return error_set(e, SC_REQUEST_TOO_LARGE, "the request is over %d bytes",
				 REQUEST_TEXT_MAX);
	r = *start == '{' || *start == '[' ? parse_json(start, e, &request)
					   : parse_pairs(start, e, &request);
	if (r == 0)
		r = request_complete(&request, e);
	if (r == -ENOMEM)
		return error_from_errno(e, r, "reading the request");
	if (r < 0)
		return r;
	*ret = request;
	memset(&request, 0, sizeof(request));
	return 0;
}

/* ---- and back ---- */

static void seconds_add(struct buf *out, int64_t us)
{
	char fraction[8];
	int n;

	buf_printf(out, "%lld", (long long)(us / SECOND_US));
	n = snprintf(fraction, sizeof(fraction), "%06d", (int)(us % SECOND_US));
	while (n > 0 && fraction[n - 1] == '0')
		fraction[--n] = '\0';
	if (n > 0)
		buf_printf(out, ".%s", fraction);
}

void request_to_json(const struct request *request, struct buf *out)
{
	buf_add_str(out, "{\"uploadId\":");
	json_string_add(out, request->upload_id);
	if (request->ranges) {
		buf_add_str(out, ",\"clips\":[");
		for (size_t i = 0; i < request->n_ranges; i++) {
			buf_add_str(out, i ? ",{\"start\":" : "{\"start\":");
			seconds_add(out, request->ranges[i].start_us);
			buf_add_str(out, ",\"end\":");
			seconds_add(out, request->ranges[i].end_us);
			buf_add_str(out, "}");
		}
		buf_add_str(out, "]");
	} else {
		buf_add_str(out, ",\"clipDuration\":");
		seconds_add(out, request->clip_duration_us);
	}
	if (request->max_clips)
		buf_printf(out, ",\"maxClips\":%u", request->max_clips);
	buf_printf(out, ",\"cut\":\"%s\"", cut_mode_name(request->cut));
	if (request->job_id[0])
		buf_printf(out, ",\"jobId\":\"%s\"", request->job_id);
	if (request->max_attempts)
		buf_printf(out, ",\"maxAttempts\":%u", request->max_attempts);
	if (request->user_id) {
		buf_add_str(out, ",\"userId\":");
		json_string_add(out, request->user_id);
	}
	buf_add_str(out, "}");
}
