/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields that a request may have: one table, with what each takes and where it goes. No locks,
 * no I/O; any thread.
 */
#include "request_fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storyclip/common/macros.h"
#include "storyclip/job.h"

#define SECOND_US 1000000

#define CUT_BIT(mode) (1u << (mode))

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
	{"strict", KIND_BOOL,
	 .cuts = CUT_BIT(CUT_EXACT) | CUT_BIT(CUT_SMART) | CUT_BIT(CUT_KEYFRAME),
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

/* ---- one field ---- */

const struct field *request_field_find(const char *name)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(fields); i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

int request_field_unknown(const char *name, struct error *e)
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

_Static_assert(SC_ARRAY_SIZE(fields) <= 64, "a bit for each field");

bool request_field_is_given(const struct request_draft *draft, const char *name)
{
	return draft->given & UINT64_C(1) << (request_field_find(name) - fields);
}

int request_field_apply(const struct field *field, struct value *v, struct request_draft *draft,
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
	draft->given |= UINT64_C(1) << (field - fields);
	return field->set(&draft->request, v, e);
}

int request_check_cut(const struct request_draft *draft, struct error *e)
{
	unsigned int cut = CUT_BIT(draft->request.cut);

	for (size_t i = 0; i < SC_ARRAY_SIZE(fields); i++) {
		enum cut_mode useful = CUT_EXACT;

		if (!(draft->given & UINT64_C(1) << i) || !fields[i].cuts || (fields[i].cuts & cut))
			continue;
		while (!(fields[i].cuts & CUT_BIT(useful)))
			useful++;
		return error_set(e, SC_INVALID_REQUEST,
				 "%s has no use with cut %s; leave it out, or ask for cut %s",
				 fields[i].name, cut_mode_name(draft->request.cut),
				 cut_mode_name(useful));
	}
	return 0;
}
