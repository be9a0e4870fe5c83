/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request's text becomes a struct request, by one table of fields. Both forms, JSON and
 * key=value, become the same struct value before a field is set, so that each range and each
 * message exists once. No locks, no I/O; any thread.
 */
#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pairs.h"
#include "request_value.h"
#include "storyclip/common/macros.h"
#include "storyclip/job.h"

#define EXCERPT   40 /* bytes that a message repeats of the text around what is no JSON */
#define SECOND_US 1000000

#define CUT_BIT(mode) (1u << (mode))

struct field {
	const char *name;
	enum kind kind;
	int64_t min, max;  /* of number, and of the count of ranges */
	const char *range; /* the same for a person */
	unsigned int cuts; /* those that it has a use in, as bits; 0: all */
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
		return error_set(
			e, SC_INVALID_REQUEST,
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

static int set_aspect(struct request *request, struct value *v, struct error *e)
{
	unsigned int width, height;
	char more;

	if (strspn(v->string, "0123456789:") != strlen(v->string) ||
	    sscanf(v->string, "%3u:%3u%c", &width, &height, &more) != 2 || width < 1 ||
	    height < 1 || width > PICTURE_ASPECT_MAX || height > PICTURE_ASPECT_MAX)
		return error_set(e, SC_INVALID_REQUEST,
				 "aspect '%s' is not usable; write W:H, each 1 to %d, as 9:16",
				 v->shown, PICTURE_ASPECT_MAX);
	request->encode.aspect_width = width;
	request->encode.aspect_height = height;
	return 0;
}

static int set_size(const char *name, const struct value *v, unsigned int *ret, struct error *e)
{
	if (v->number % 2)
		return error_set(e, SC_INVALID_REQUEST, "%s %s is odd; %d or %d would do", name,
				 v->shown, (int)v->number - 1, (int)v->number + 1);
	*ret = (unsigned int)v->number;
	return 0;
}

static int set_width(struct request *request, struct value *v, struct error *e)
{
	return set_size("width", v, &request->encode.width, e);
}

static int set_height(struct request *request, struct value *v, struct error *e)
{
	return set_size("height", v, &request->encode.height, e);
}

static int set_fit(struct request *request, struct value *v, struct error *e)
{
	if (picture_fit_from_name(v->string, &request->encode.fit) < 0)
		return error_set(e, SC_INVALID_REQUEST, "fit '%s' is not known; crop, pad",
				 v->shown);
	return 0;
}

static int set_quality(struct request *request, struct value *v, struct error *e)
{
	request->encode.quality = (unsigned int)v->number;
	return 0;
}

static int set_preset(struct request *request, struct value *v, struct error *e)
{
	struct buf known = BUF_EMPTY;
	int r = encode_preset_from_name(v->string, &request->encode.preset);

	if (r == 0)
		return 0;
	for (int preset = 0; preset < PRESET_COUNT; preset++)
		buf_printf(&known, "%s%s", preset ? ", " : "",
			   encode_preset_name((enum encode_preset)preset));
	r = error_set(e, SC_INVALID_REQUEST, "preset '%s' is not known; %s", v->shown,
		      known.data ? known.data : "veryfast");
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

static int set_parts(struct request *request, struct value *v, struct error *e)
{
	request->parts = (unsigned int)v->number;
	return 0;
}

static int set_max_attempts(struct request *request, struct value *v, struct error *e)
{
	request->max_attempts = (unsigned int)v->number;
	return 0;
}

static int set_priority(struct request *request, struct value *v, struct error *e)
{
	request->priority = (int)v->number;
	return 0;
}

static int set_idempotency_key(struct request *request, struct value *v, struct error *e)
{
	if (!*v->string || text_length(v->string) > IDEMPOTENCY_KEY_MAX)
		return error_set(e, SC_INVALID_REQUEST,
				 "idempotencyKey '%s' has %zu bytes; it must have 1 to %d",
				 v->shown, text_length(v->string), IDEMPOTENCY_KEY_MAX);
	request->idempotency_key = take_ptr(v->string);
	return 0;
}

static int set_delete_upload(struct request *request, struct value *v, struct error *e)
{
	request->delete_upload = v->number != 0;
	return 0;
}

static int set_strict(struct request *request, struct value *v, struct error *e)
{
	request->strict = v->number != 0;
	request->has_strict = true;
	return 0;
}

static int set_upload_size(struct request *request, struct value *v, struct error *e)
{
	request->size = v->number;
	return 0;
}

static int set_sha256(struct request *request, struct value *v, struct error *e)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	if (strlen(v->string) != SHA256_SIZE - 1 || strspn(v->string, digits) != SHA256_SIZE - 1)
		return error_set(e, SC_INVALID_REQUEST,
				 "sha256 '%s' is not usable; it must be 64 hexadecimal digits",
				 v->shown);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		request->sha256[i] =
			(char)(v->string[i] >= 'A' && v->string[i] <= 'F' ? v->string[i] - 'A' + 'a'
									  : v->string[i]);
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
	 "0.1 to 3600 seconds", .set = set_clip_duration},
	{"maxClips", KIND_COUNT, 1, REQUEST_MAX_CLIPS, "1 to 10000", .set = set_max_clips},
	{"clips", KIND_CLIPS, 1, REQUEST_MAX_CLIPS, "1 to 10000 of them", .set = set_clips},
	{"parts", KIND_COUNT, 1, REQUEST_MAX_CLIPS, "1 to 10000", .set = set_parts},
	{"cut", KIND_STRING, .set = set_cut},
	{"strict", KIND_BOOL, .cuts = CUT_BIT(CUT_EXACT) | CUT_BIT(CUT_SMART) | CUT_BIT(CUT_KEYFRAME),
	 .set = set_strict},
	{"aspect", KIND_STRING, .cuts = CUT_BIT(CUT_ENCODE), .set = set_aspect},
	{"width", KIND_COUNT, PICTURE_SIZE_MIN, PICTURE_SIZE_MAX, "even, 16 to 8192",
	 CUT_BIT(CUT_ENCODE), set_width},
	{"height", KIND_COUNT, PICTURE_SIZE_MIN, PICTURE_SIZE_MAX, "even, 16 to 8192",
	 CUT_BIT(CUT_ENCODE), set_height},
	{"fit", KIND_STRING, .cuts = CUT_BIT(CUT_ENCODE), .set = set_fit},
	{"quality", KIND_COUNT, 0, ENCODE_QUALITY_MAX, "0 to 51", CUT_BIT(CUT_ENCODE), set_quality},
	{"preset", KIND_STRING, .cuts = CUT_BIT(CUT_ENCODE), .set = set_preset},
	{"jobId", KIND_STRING, .set = set_job_id},
	{"maxAttempts", KIND_COUNT, 1, 100, "1 to 100", .set = set_max_attempts},
	{"priority", KIND_COUNT, PRIORITY_MIN, PRIORITY_MAX, "-20 to 19", .set = set_priority},
	{"idempotencyKey", KIND_STRING, .set = set_idempotency_key},
	{"deleteUpload", KIND_BOOL, .set = set_delete_upload},
	{"size", KIND_COUNT, 1, INT64_C(1) << 60, "1 to 2^60 bytes", .set = set_upload_size},
	{"sha256", KIND_STRING, .set = set_sha256},
	{"userId", KIND_STRING, .set = set_user_id},
};

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
	char shown[VALUE_SHOWN];
	int r;

	for (size_t i = 0; i < SC_ARRAY_SIZE(fields); i++)
		buf_printf(&known, "%s%s", i ? " " : "", fields[i].name);
	r = error_set(e, SC_INVALID_REQUEST, "unknown field '%s'; known are %s",
		      text_shorten(name, shown, sizeof(shown)), known.data ? known.data : "none");
	buf_finish(&known);
	return r;
}

/* A request while it is read. */
struct parsing {
	struct request request;
	uint64_t given; /* fields, as bits */
};
_Static_assert(SC_ARRAY_SIZE(fields) <= 64, "a bit for each field");

static bool is_given(const struct parsing *parsing, const char *name)
{
	return parsing->given & UINT64_C(1) << (field_find(name) - fields);
}

static int field_apply(const struct field *field, struct value *v, struct parsing *parsing,
		       struct error *e)
{
	int64_t n = field->kind == KIND_CLIPS ? (int64_t)v->n_ranges : v->number;

	if (v->string && text_length(v->string) > REQUEST_STRING_MAX)
		return error_set(e, SC_INVALID_REQUEST, "%s is too long (%zu bytes); at most %d",
				 field->name, text_length(v->string), REQUEST_STRING_MAX);
	if (field->range && (n < field->min || n > field->max)) {
		if (field->kind == KIND_CLIPS)
			return error_set(e, SC_INVALID_REQUEST, "clips has %zu entries; %s",
					 v->n_ranges, field->range);
		return error_set(e, SC_INVALID_REQUEST, "%s %s is out of range; %s", field->name,
				 v->shown, field->range);
	}
	parsing->given |= UINT64_C(1) << (field - fields);
	return field->set(&parsing->request, v, e);
}

static int cut_check(const struct parsing *parsing, struct error *e)
{
	unsigned int cut = CUT_BIT(parsing->request.cut);

	for (size_t i = 0; i < SC_ARRAY_SIZE(fields); i++) {
		enum cut_mode useful = CUT_EXACT;

		if (!(parsing->given & UINT64_C(1) << i) || !fields[i].cuts ||
		    (fields[i].cuts & cut))
			continue;
		while (!(fields[i].cuts & CUT_BIT(useful)))
			useful++;
		return error_set(e, SC_INVALID_REQUEST,
				 "%s has no use with cut %s; leave it out, or ask for cut %s",
				 fields[i].name, cut_mode_name(parsing->request.cut),
				 cut_mode_name(useful));
	}
	return 0;
}

/* aspect, width and height must agree, and give a size that can be had. */
static int size_check(const struct parsing *parsing, struct error *e)
{
	const struct encode_options *o = &parsing->request.encode;
	struct encode_options by_height = *o;
	unsigned int width, height;

	if (!encode_options_size(o, &width, &height)) {
		if (is_given(parsing, "fit") && !o->aspect_width)
			return error_set(e, SC_INVALID_REQUEST,
					 "fit has no use without aspect, or width and height");
		return 0;
	}
	by_height.width = 0;
	if (o->aspect_width && o->width && o->height) {
		encode_options_size(&by_height, &width, &height);
		/* One of them was rounded to make it even. */
		if (width > o->width + 2 || width + 2 < o->width)
			return error_set(e, SC_INVALID_REQUEST,
					 "width %u and height %u are not of aspect %u:%u; leave "
					 "aspect out, or give width %u",
					 o->width, o->height, o->aspect_width, o->aspect_height,
					 width);
		return 0;
	}
	if (width < PICTURE_SIZE_MIN || width > PICTURE_SIZE_MAX)
		return error_set(e, SC_INVALID_REQUEST,
				 "height %u with aspect %u:%u gives width %u; it must be %d to %d",
				 height, o->aspect_width, o->aspect_height, width, PICTURE_SIZE_MIN,
				 PICTURE_SIZE_MAX);
	if (height < PICTURE_SIZE_MIN || height > PICTURE_SIZE_MAX)
		return error_set(e, SC_INVALID_REQUEST,
				 "width %u with aspect %u:%u gives height %u; it must be %d to %d",
				 width, o->aspect_width, o->aspect_height, height, PICTURE_SIZE_MIN,
				 PICTURE_SIZE_MAX);
	return 0;
}

/* Three ways to say where clips begin: at most one is given. */
static int split_check(const struct parsing *parsing, struct error *e)
{
	static const char *const ways[] = {"clipDuration", "clips", "parts"};
	const char *first = NULL;

	for (size_t i = 0; i < SC_ARRAY_SIZE(ways); i++) {
		if (!is_given(parsing, ways[i]))
			continue;
		if (first)
			return error_set(e, SC_INVALID_REQUEST,
					 "%s and %s exclude each other; give one of them", first,
					 ways[i]);
		first = ways[i];
	}
	return 0;
}

/* What only shows once all fields are there; then the defaults. */
static int request_complete(struct parsing *parsing, struct error *e)
{
	struct request *request = &parsing->request;
	int r;

	if (!request->upload_id)
		return error_set(e, SC_INVALID_REQUEST,
				 "uploadId is missing; give a file's path below incoming/");
	r = split_check(parsing, e);
	if (r == 0)
		r = cut_check(parsing, e);
	if (r == 0)
		r = size_check(parsing, e);
	if (r < 0)
		return r;
	if (!request->ranges && !request->parts) {
		if (!request->clip_duration_us)
			request->clip_duration_us = REQUEST_DEFAULT_CLIP_US;
		if (!request->max_clips)
			request->max_clips = REQUEST_DEFAULT_MAX_CLIPS;
	}
	return 0;
}

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

static int parse_json(const char *text, struct error *e, struct parsing *parsing)
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
		const struct field *field = field_find(name);

		r = field ? value_from_json(name, field->kind, (size_t)field->max, json, e, &v)
			  : unknown_field(name, e);
		if (r == 0)
			r = field_apply(field, &v, parsing, e);
		if (r < 0)
			break;
	}
	json_decref(root);
	return r;
}

static int parse_pairs(const char *text, struct error *e, struct parsing *parsing)
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
		field = field_find(pair.key);
		if (!field)
			return unknown_field(pair.key, e);
		if (is_given(parsing, field->name))
			return error_set(e, SC_INVALID_REQUEST, "%s is given twice; give it once",
					 field->name);
		r = value_from_text(field->name, field->kind, (size_t)field->max, pair.value, e,
				    &v);
		if (r == 0)
			r = field_apply(field, &v, parsing, e);
		if (r < 0)
			return r;
	}
}

static int parse_any(const char *text, const char *upload_id, struct error *e, struct request *ret)
{
	struct parsing parsing = {.request = {.cut = CUT_EXACT, .encode = ENCODE_OPTIONS_DEFAULT}};
	const char *start = text + strspn(text, " \t\r\n");
	int r;

	if (strlen(text) > REQUEST_TEXT_MAX)
		return error_set(e, SC_REQUEST_TOO_LARGE, "the request is over %d bytes",
				 REQUEST_TEXT_MAX);
	r = *start == '{' || *start == '[' ? parse_json(start, e, &parsing)
					   : parse_pairs(start, e, &parsing);
	if (r == 0 && upload_id && parsing.request.upload_id)
		r = error_set(e, SC_INVALID_REQUEST,
			      "uploadId has no place beside an upload: the sidecar's name says which one "
			      "is meant; leave it out");
	if (r == 0 && upload_id && !(parsing.request.upload_id = strdup(upload_id)))
		r = -ENOMEM;
	if (r == 0)
		r = request_complete(&parsing, e);
	if (r == 0) {
		*ret = parsing.request;
		return 0;
	}
	request_finish(&parsing.request);
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

static void encode_options_add(struct buf *out, const struct encode_options *o)
{
	unsigned int width, height;

	if (o->aspect_width)
		buf_printf(out, ",\"aspect\":\"%u:%u\"", o->aspect_width, o->aspect_height);
	if (o->width)
		buf_printf(out, ",\"width\":%u", o->width);
	if (o->height)
		buf_printf(out, ",\"height\":%u", o->height);
	if (o->aspect_width || encode_options_size(o, &width, &height))
		buf_printf(out, ",\"fit\":\"%s\"", picture_fit_name(o->fit));
	buf_printf(out, ",\"quality\":%u,\"preset\":\"%s\"", o->quality,
		   encode_preset_name(o->preset));
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
	} else if (request->parts) {
		buf_printf(out, ",\"parts\":%u", request->parts);
	} else {
		buf_add_str(out, ",\"clipDuration\":");
		seconds_add(out, request->clip_duration_us);
	}
	if (request->max_clips)
		buf_printf(out, ",\"maxClips\":%u", request->max_clips);
	buf_printf(out, ",\"cut\":\"%s\"", cut_mode_name(request->cut));
	if (request->cut == CUT_ENCODE)
		encode_options_add(out, &request->encode);
	if (request->has_strict)
		buf_printf(out, ",\"strict\":%s", request->strict ? "true" : "false");
	if (request->job_id[0])
		buf_printf(out, ",\"jobId\":\"%s\"", request->job_id);
	if (request->max_attempts)
		buf_printf(out, ",\"maxAttempts\":%u", request->max_attempts);
	if (request->priority)
		buf_printf(out, ",\"priority\":%d", request->priority);
	if (request->idempotency_key) {
		buf_add_str(out, ",\"idempotencyKey\":");
		json_string_add(out, request->idempotency_key);
	}
	if (request->delete_upload)
		buf_add_str(out, ",\"deleteUpload\":true");
	if (request->size)
		buf_printf(out, ",\"size\":%lld", (long long)request->size);
	if (request->sha256[0])
		buf_printf(out, ",\"sha256\":\"%s\"", request->sha256);
	if (request->user_id) {
		buf_add_str(out, ",\"userId\":");
		json_string_add(out, request->user_id);
	}
	buf_add_str(out, "}");
}
