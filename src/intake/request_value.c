/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both forms of a value, JSON and text, become the same struct. Pure; any thread. */
#include "request_value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_wanted[KIND_COUNT_OF_KINDS] = {
	[KIND_STRING] = "a string",
	[KIND_SECONDS] = "a number of seconds",
	[KIND_COUNT] = "a whole number",
	[KIND_BOOL] = "true or false",
	[KIND_CLIPS] = "a list of {\"start\":seconds,\"end\":seconds}, or 0-5,7-12 in a line",
};

void value_finish(struct value *v)
{
	free(v->string);
	free(v->ranges);
	memset(v, 0, sizeof(*v));
}

/* ---- values from JSON ---- */

static int wrong_type(const char *name, const char *shown, enum kind kind, struct error *e)
{
	return error_set(e, SC_INVALID_REQUEST, "%s %s is not usable; it must be %s", name, shown,
			 kind_wanted[kind]);
}

static void show_json(const json_t *json, char shown[VALUE_SHOWN])
{
	auto_free char *text =
		json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));

	text_shorten(text ? text : "?", shown, VALUE_SHOWN);
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
	char shown[VALUE_SHOWN];

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

static int json_ranges(const char *name, size_t max, json_t *json, struct error *e, struct value *v)
{
	size_t n = json_array_size(json);

	if (!json_is_array(json))
		return wrong_type(name, v->shown, KIND_CLIPS, e);
	v->n_ranges = n;
	if (n > max) /* told by the check of ranges */
		return 0;
	v->ranges = calloc(n ? n : 1, sizeof(*v->ranges));
	if (!v->ranges)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = json_range(name, i, json_array_get(json, i), e, &v->ranges[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int value_from_json(const char *name, enum kind kind, size_t max, json_t *json, struct error *e,
		    struct value *v)
{
	int r;

	show_json(json, v->shown);
	switch (kind) {
	case KIND_STRING:
		if (!json_is_string(json))
			return wrong_type(name, v->shown, kind, e);
		if (strlen(json_string_value(json)) != json_string_length(json))
			return error_set(e, SC_INVALID_REQUEST, "%s %s holds a NUL; leave it out",
					 name, v->shown);
		text_shorten(json_string_value(json), v->shown, VALUE_SHOWN);
		v->string = strdup(json_string_value(json));
		return v->string ? 0 : -ENOMEM;
	case KIND_SECONDS:
		r = json_seconds(json, &v->number);
		if (r == -ERANGE)
			v->number = INT64_MAX;
		return r == -EINVAL ? wrong_type(name, v->shown, kind, e) : 0;
	case KIND_COUNT:
		if (!json_is_integer(json))
			return wrong_type(name, v->shown, kind, e);
		v->number = json_integer_value(json);
		return 0;
	case KIND_BOOL:
		if (!json_is_boolean(json))
			return wrong_type(name, v->shown, kind, e);
		v->number = json_is_true(json);
		return 0;
	case KIND_CLIPS:
		return json_ranges(name, max, json, e, v);
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
static int text_ranges(const char *name, size_t max, char *text, struct error *e, struct value *v)
{
	size_t n = 1, i = 0;
	char *saved = NULL;

	for (const char *p = text; *p; p++)
		n += *p == ',';
	v->n_ranges = n;
	if (n > max)
		return 0;
	v->ranges = calloc(n, sizeof(*v->ranges));
	if (!v->ranges)
		return -ENOMEM;
	for (char *part = strtok_r(text, ",", &saved); part; part = strtok_r(NULL, ",", &saved)) {
		char *dash = strchr(part, '-');

		if (!dash)
			return wrong_type(name, v->shown, KIND_CLIPS, e);
		*dash = '\0';
		if (seconds_to_us(part, &v->ranges[i].start_us) < 0 ||
		    seconds_to_us(dash + 1, &v->ranges[i].end_us) < 0)
			return wrong_type(name, v->shown, KIND_CLIPS, e);
		i++;
	}
	return i == n ? 0 : wrong_type(name, v->shown, KIND_CLIPS, e);
}

int value_from_text(const char *name, enum kind kind, size_t max, char *text, struct error *e,
		    struct value *v)
{
	int r;

	text_shorten(text, v->shown, VALUE_SHOWN);
	switch (kind) {
	case KIND_STRING:
		v->string = strdup(text);
		return v->string ? 0 : -ENOMEM;
	case KIND_SECONDS:
		r = seconds_to_us(text, &v->number);
		if (r == -ERANGE)
			v->number = INT64_MAX;
		return r == -EINVAL ? wrong_type(name, v->shown, kind, e) : 0;
	case KIND_COUNT:
		r = text_count(text, &v->number);
		return r == -EINVAL ? wrong_type(name, v->shown, kind, e) : 0;
	case KIND_BOOL:
		v->number = !strcmp(text, "true");
		return v->number || !strcmp(text, "false") ? 0
							   : wrong_type(name, v->shown, kind, e);
	case KIND_CLIPS:
		return text_ranges(name, max, text, e, v);
	case KIND_COUNT_OF_KINDS:
		break;
	}
	return -EINVAL;
}
