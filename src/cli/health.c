/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mount's own state. */
#include "health.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "storyclip/common/file.h"
#include "text.h"

#define HEALTH_MAX (1u << 20)

void health_finish(struct health *health)
{
	buf_finish(&health->reasons);
}

static int64_t number_at(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void string_at(const json_t *object, const char *key, char *out, size_t size)
{
	const char *value = json_string_value(json_object_get(object, key));

	snprintf(out, size, "%s", value ? value : "?");
}

int health_parse(const char *text, struct health *ret)
{
	json_t *json = json_loads(text, 0, NULL);
	const json_t *workers = json_object_get(json, "workers");
	const json_t *volumes = json_object_get(json, "volumes");
	const json_t *reasons = json_object_get(json, "reasons");

	if (!json_is_object(json)) {
		json_decref(json);
		return -EBADMSG;
	}
	*ret = (struct health){.free_bytes = -1};
	string_at(json, "status", ret->status, sizeof(ret->status));
	string_at(json, "version", ret->version, sizeof(ret->version));
	ret->workers_busy = number_at(workers, "busy");
	ret->workers_of = number_at(workers, "of");
	ret->queue = number_at(json, "queue");
	for (size_t i = 0; i < json_array_size(volumes); i++) {
		int64_t free_bytes = number_at(json_array_get(volumes, i), "free");

		if (free_bytes >= 0 && (ret->free_bytes < 0 || free_bytes < ret->free_bytes))
			ret->free_bytes = free_bytes;
	}
	for (size_t i = 0; i < json_array_size(reasons); i++) {
		const char *reason = json_string_value(json_array_get(reasons, i));

		buf_printf(&ret->reasons, "%s%s", i ? "; " : "", reason ? reason : "?");
	}
	json_decref(json);
	return 0;
}

int health_read(int dir_fd, struct health *ret)
{
	auto_free char *text = NULL;
	int r = file_read_text(dir_fd, "health", HEALTH_MAX, &text, NULL);

	return r < 0 ? r : health_parse(text, ret);
}

void health_add(struct buf *out, const struct health *health)
{
	char size[TEXT_BYTES_SIZE];

	text_add_safe(out, health->status);
	if (health->reasons.len) {
		buf_add_str(out, " (");
		text_add_safe(out, health->reasons.data);
		buf_add_str(out, ")");
	}
	if (health->workers_of >= 0)
		buf_printf(out, ", workers %" PRId64 " of %" PRId64 " busy", health->workers_busy,
			   health->workers_of);
	if (health->queue >= 0)
		buf_printf(out, ", %" PRId64 " queued", health->queue);
	if (health->free_bytes >= 0) {
		text_format_bytes(health->free_bytes, size);
		buf_printf(out, ", %s free", size);
	}
}
