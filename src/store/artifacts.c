/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clips of a done job as one column: a JSON array, an object each. Any thread. */
#include <jansson.h>
#include <string.h>

#include "db.h"

static inline void auto_json_decref(json_t **p)
{
	json_decref(*p);
}
#define auto_json __attribute__((cleanup(auto_json_decref)))

static const struct {
	const char *name;
	size_t offset;
} number_fields[] = {
	{"size", offsetof(struct artifact, size_bytes)},
	{"startUs", offsetof(struct artifact, start_us)},
	{"durationUs", offsetof(struct artifact, duration_us)},
	{"hiddenHeadUs", offsetof(struct artifact, hidden_head_us)},
	{"hiddenTailUs", offsetof(struct artifact, hidden_tail_us)},
	{"hiddenBytes", offsetof(struct artifact, hidden_bytes)},
};

static json_t *artifact_to_object(const struct artifact *a)
{
	auto_json json_t *object = NULL, *dropped = NULL;

	dropped = a->dropped ? json_loads(a->dropped, 0, NULL) : NULL;
	if (!dropped)
		dropped = json_array();
	object = json_pack("{s:I, s:b, s:b, s:s, s:O}", "number", (json_int_t)a->number, "isAudio",
			   (int)a->is_audio, "isDeleted", (int)a->is_deleted, "method",
			   clip_method_name(a->method), "dropped", dropped);
	if (!object)
		return NULL;
	for (size_t i = 0; i < SC_ARRAY_SIZE(number_fields); i++) {
		const int64_t *value = (const void *)((const char *)a + number_fields[i].offset);

		if (json_object_set_new(object, number_fields[i].name, json_integer(*value)) < 0)
			return NULL;
	}
	return take_ptr(object);
}

int artifacts_to_json(const struct artifact *artifacts, size_t n, char **ret)
{
	auto_json json_t *list = json_array();
	char *text;

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, artifact_to_object(&artifacts[i])) < 0)
			return -ENOMEM;
	text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static int artifact_from_object(json_t *object, struct artifact *a)
{
	json_int_t number;
	const char *method;
	int is_audio, is_deleted;
	json_t *dropped;

	if (json_unpack(object, "{s:I, s:b, s:b, s:s, s:o}", "number", &number, "isAudio",
			&is_audio, "isDeleted", &is_deleted, "method", &method, "dropped",
			&dropped) < 0)
		return -EINVAL;
	if (number < 1 || number > REQUEST_MAX_CLIPS ||
	    clip_method_from_name(method, &a->method) < 0)
		return -EINVAL;
	a->number = (unsigned int)number;
	a->is_audio = is_audio;
	a->is_deleted = is_deleted;
	clip_filename(a->number, a->is_audio, a->filename);
	for (size_t i = 0; i < SC_ARRAY_SIZE(number_fields); i++) {
		int64_t *value = (void *)((char *)a + number_fields[i].offset);

		*value = json_integer_value(json_object_get(object, number_fields[i].name));
	}
	a->dropped = json_dumps(dropped, JSON_COMPACT);
	return a->dropped ? 0 : -ENOMEM;
}

int artifacts_from_json(const char *text, struct artifact **ret, size_t *ret_n)
{
	auto_json json_t *list = json_loads(text, 0, NULL);
	size_t n = json_array_size(list), i;
	struct artifact *artifacts = NULL;
	json_t *object;

	if (!json_is_array(list))
		return -EINVAL;
	if (n) {
		artifacts = calloc(n, sizeof(*artifacts));
		if (!artifacts)
			return -ENOMEM;
	}
	json_array_foreach(list, i, object)
	{
		int r = artifact_from_object(object, &artifacts[i]);

		if (r < 0) {
			artifacts_free(artifacts, n);
			return r;
		}
	}
	*ret = artifacts;
	*ret_n = n;
	return 0;
}
