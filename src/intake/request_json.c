/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request as it was accepted, as JSON that request.c reads again. Pure; any thread. */
#include "parse.h"

#include <stdio.h>

#define SECOND_US 1000000

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
