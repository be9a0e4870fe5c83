/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the fields of a request agree with each other, and what is meant where one is missing. */
#include "request_fields.h"

#include "storyclip/common/macros.h"

/* aspect, width and height must agree, and give a size that can be had. */
static int size_check(const struct request_draft *draft, struct error *e)
{
	const struct encode_options *o = &draft->request.encode;
	struct encode_options by_height = *o;
	unsigned int width, height;

	if (!encode_options_size(o, &width, &height)) {
		if (request_field_is_given(draft, "fit") && !o->aspect_width)
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
static int split_check(const struct request_draft *draft, struct error *e)
{
	static const char *const ways[] = {"clipDuration", "clips", "parts"};
	const char *first = NULL;

	for (size_t i = 0; i < SC_ARRAY_SIZE(ways); i++) {
		if (!request_field_is_given(draft, ways[i]))
			continue;
		if (first)
			return error_set(e, SC_INVALID_REQUEST,
					 "%s and %s exclude each other; give one of them", first,
					 ways[i]);
		first = ways[i];
	}
	return 0;
}

int request_complete(struct request_draft *draft, struct error *e)
{
	struct request *request = &draft->request;
	int r;

	if (!request->upload_id)
		return error_set(e, SC_INVALID_REQUEST,
				 "uploadId is missing; give a file's path below incoming/");
	r = split_check(draft, e);
	if (r == 0)
		r = request_check_cut(draft, e);
	if (r == 0)
		r = size_check(draft, e);
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
