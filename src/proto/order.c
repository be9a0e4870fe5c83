/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the engine tells a child to do: the worker's and the publisher's order. Any thread. */
#include "storyclip/proto.h"

#include <string.h>

#include "fields.h"

static const char *cut_name_of(unsigned int value)
{
	return cut_mode_name((enum cut_mode)value);
}

static int cut_from_name(const char *name, unsigned int *ret)
{
	enum cut_mode mode;
	int r = cut_mode_from_name(name, &mode);

	if (r == 0)
		*ret = mode;
	return r;
}

static const char *fit_name_of(unsigned int value)
{
	return picture_fit_name((enum picture_fit)value);
}

static int fit_from_name(const char *name, unsigned int *ret)
{
	enum picture_fit fit;
	int r = picture_fit_from_name(name, &fit);

	if (r == 0)
		*ret = fit;
	return r;
}

static const char *preset_name_of(unsigned int value)
{
	return encode_preset_name((enum encode_preset)value);
}

static int preset_from_name(const char *name, unsigned int *ret)
{
	enum encode_preset preset;
	int r = encode_preset_from_name(name, &preset);

	if (r == 0)
		*ret = preset;
	return r;
}

static const struct field_names fit_names = {fit_name_of, fit_from_name};
static const struct field_names preset_names = {preset_name_of, preset_from_name};
static const struct field_names cut_names = {cut_name_of, cut_from_name};

static const struct field work_fields[] = {
	{FIELD_OF("jobId", FIELD_TEXT, struct work_order, job_id)},
	{FIELD_OF("attempt", FIELD_U32, struct work_order, attempt), .min = 1, .max = UINT32_MAX},
	{FIELD_OF("cut", FIELD_NAME, struct work_order, cut), .names = &cut_names},
	{FIELD_OF("clipDurationUs", FIELD_I64, struct work_order, clip_duration_us), .min = 1,
	 .max = INT64_MAX, .is_optional = true, .absent = 0},
	{FIELD_OF("parts", FIELD_U32, struct work_order, parts), .min = 1,
	 .max = REQUEST_MAX_CLIPS, .is_optional = true, .absent = 0},
	{FIELD_OF("maxClips", FIELD_U32, struct work_order, max_clips), .min = 1,
	 .max = REQUEST_MAX_CLIPS, .is_optional = true, .absent = 0},
	{FIELD_OF("size", FIELD_I64, struct work_order, size), .min = 1, .max = INT64_MAX,
	 .is_optional = true, .absent = 0},
	{FIELD_OF("sha256", FIELD_TEXT, struct work_order, sha256), .is_optional = true},
	{FIELD_OF("strict", FIELD_BOOL, struct work_order, is_strict), .is_optional = true},
	{FIELD_OF("aspectWidth", FIELD_U32, struct work_order, encode.aspect_width), .min = 1,
	 .max = PICTURE_ASPECT_MAX, .is_optional = true, .absent = 0},
	{FIELD_OF("aspectHeight", FIELD_U32, struct work_order, encode.aspect_height), .min = 1,
	 .max = PICTURE_ASPECT_MAX, .is_optional = true, .absent = 0},
	{FIELD_OF("width", FIELD_U32, struct work_order, encode.width), .min = PICTURE_SIZE_MIN,
	 .max = PICTURE_SIZE_MAX, .is_optional = true, .absent = 0},
	{FIELD_OF("height", FIELD_U32, struct work_order, encode.height), .min = PICTURE_SIZE_MIN,
	 .max = PICTURE_SIZE_MAX, .is_optional = true, .absent = 0},
	{FIELD_OF("fit", FIELD_NAME, struct work_order, encode.fit), .names = &fit_names,
	 .is_optional = true, .absent = FIT_CROP},
	{FIELD_OF("quality", FIELD_U32, struct work_order, encode.quality), .min = 0,
	 .max = ENCODE_QUALITY_MAX, .is_optional = true, .absent = ENCODE_QUALITY_DEFAULT},
	{FIELD_OF("preset", FIELD_NAME, struct work_order, encode.preset), .names = &preset_names,
	 .is_optional = true, .absent = ENCODE_PRESET_DEFAULT},
};
static const char *const work_others[] = {"rangesUs", NULL};

static const struct field publish_fields[] = {
	{FIELD_OF("hold", FIELD_BOOL, struct publish_order, is_hold), .is_optional = true},
	{FIELD_OF("jobId", FIELD_TEXT, struct publish_order, job_id)},
	{FIELD_OF("attempt", FIELD_U32, struct publish_order, attempt), .min = 1, .max = UINT32_MAX},
	{FIELD_OF("ownerUid", FIELD_U32, struct publish_order, owner_uid), .min = 0,
	 .max = (int64_t)UINT32_MAX - 1, .is_optional = true, .absent = UINT32_MAX},
	{FIELD_OF("ownerGid", FIELD_U32, struct publish_order, owner_gid), .min = 0,
	 .max = (int64_t)UINT32_MAX - 1, .is_optional = true, .absent = UINT32_MAX},
};

void work_order_finish(struct work_order *order)
{
	free(order->ranges);
	memset(order, 0, sizeof(*order));
}

/* Ranges travel as pairs, [[start,end],…]: an order may hold ten thousand of them. */
static json_t *ranges_to_json(const struct clip_range *ranges, size_t n)
{
	auto_json json_t *list = json_array();

	for (size_t i = 0; i < n && list; i++)
		if (json_array_append_new(list, json_pack("[I,I]", (json_int_t)ranges[i].start_us,
							  (json_int_t)ranges[i].end_us)) < 0)
			return NULL;
	return take_ptr(list);
}

static bool range_from_json(json_t *pair, struct clip_range *ret)
{
	json_t *start = json_array_get(pair, 0), *end = json_array_get(pair, 1);

	if (json_array_size(pair) != 2 || !json_is_integer(start) || !json_is_integer(end))
		return false;
	ret->start_us = json_integer_value(start);
	ret->end_us = json_integer_value(end);
	return ret->start_us >= 0 && ret->end_us > ret->start_us;
}

static int ranges_from_json(json_t *list, struct error *e, struct work_order *order)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n < 1 || n > REQUEST_MAX_CLIPS)
		return error_set_errno(e, -EINVAL, SC_INTERNAL,
				       "field 'rangesUs' must be a list of 1 to %d pairs",
				       REQUEST_MAX_CLIPS);
	order->ranges = calloc(n, sizeof(*order->ranges));
	if (!order->ranges)
		return error_from_errno(e, -ENOMEM, "reading an order");
	order->n_ranges = n;
	for (size_t i = 0; i < n; i++)
		if (!range_from_json(json_array_get(list, i), &order->ranges[i]))
			return error_set_errno(e, -EINVAL, SC_INTERNAL,
					       "field 'rangesUs': pair %zu is no range", i + 1);
	return 0;
}

int work_order_encode(const struct work_order *order, struct buf *out)
{
	auto_json json_t *object = json_object();
	int r;

	if (!object)
		return -ENOMEM;
	r = fields_encode(work_fields, SC_ARRAY_SIZE(work_fields), 0, order, object);
	if (r < 0)
		return r;
	if (order->n_ranges &&
	    json_object_set_new(object, "rangesUs",
				ranges_to_json(order->ranges, order->n_ranges)) < 0)
		return -ENOMEM;
	return object_dump(object, out);
}

int work_order_parse(const char *text, size_t len, struct error *e, struct work_order *ret)
{
	auto_work_order struct work_order order = {0};
	auto_json json_t *object = NULL;
	json_t *ranges;
	int r;

	object = object_load(text, len, e);
	if (!object)
		return e && e->err == -ENOMEM ? -ENOMEM : -EINVAL;
	r = fields_parse(work_fields, SC_ARRAY_SIZE(work_fields), 0, work_others, object, e, &order);
	if (r < 0)
		return r;
	if (!job_id_is_valid(order.job_id))
		return error_set_errno(e, -EINVAL, SC_INTERNAL, "field 'jobId' is no job id");
	ranges = json_object_get(object, "rangesUs");
	if ((ranges != NULL) + (order.clip_duration_us != 0) + (order.parts != 0) != 1)
		return error_set_errno(e, -EINVAL, SC_INTERNAL,
				       "either 'clipDurationUs', 'parts' or 'rangesUs' must be given");
	if (!order.encode.aspect_width != !order.encode.aspect_height)
		return error_set_errno(e, -EINVAL, SC_INTERNAL,
				       "'aspectWidth' and 'aspectHeight' go together");
	if (ranges) {
		r = ranges_from_json(ranges, e, &order);
		if (r < 0)
			return r;
	}
	*ret = order;
	memset(&order, 0, sizeof(order)); /* what it owned is the caller's now */
	return 0;
}

int publish_order_encode(const struct publish_order *order, struct buf *out)
{
	auto_json json_t *object = json_object();
	int r;

	if (!object)
		return -ENOMEM;
	r = fields_encode(publish_fields, SC_ARRAY_SIZE(publish_fields), 0, order, object);
	return r < 0 ? r : object_dump(object, out);
}

int publish_order_parse(const char *text, size_t len, struct error *e, struct publish_order *ret)
{
	auto_json json_t *object = NULL;
	struct publish_order order = {0};
	int r;

	object = object_load(text, len, e);
	if (!object)
		return e && e->err == -ENOMEM ? -ENOMEM : -EINVAL;
	r = fields_parse(publish_fields, SC_ARRAY_SIZE(publish_fields), 0, NULL, object, e, &order);
	if (r < 0)
		return r;
	if (!job_id_is_valid(order.job_id))
		return error_set_errno(e, -EINVAL, SC_INTERNAL, "field 'jobId' is no job id");
	*ret = order;
	return 0;
}
