/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and lifetimes of the plain data that all layers share. Any thread. */
#include "storyclip/job.h"

#include <stdio.h>
#include <string.h>

static const char *const state_names[JOB_STATE_COUNT] = {
	[JOB_QUEUED] = "queued", [JOB_RUNNING] = "running",     [JOB_DONE] = "done",
	[JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled",
};
static const char *const method_names[] = {
	[CLIP_COPY] = "copy",
	[CLIP_HEAD] = "head",
	[CLIP_ENCODE] = "encode",
};
static const char *const cut_names[CUT_MODE_COUNT] = {
	[CUT_EXACT] = "exact",
	[CUT_SMART] = "smart",
	[CUT_KEYFRAME] = "keyframe",
	[CUT_ENCODE] = "encode",
};

static int name_index(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -EINVAL;
}

const char *job_state_name(enum job_state state)
{
	return state_names[state];
}

int job_state_from_name(const char *name, enum job_state *ret)
{
	int i = !strcmp(name, "error") ? JOB_FAILED
				       : name_index(state_names, SC_ARRAY_SIZE(state_names), name);

	if (i < 0)
		return i;
	*ret = (enum job_state)i;
	return 0;
}

const char *clip_method_name(enum clip_method method)
{
	return method_names[method];
}

int clip_method_from_name(const char *name, enum clip_method *ret)
{
	int i = name_index(method_names, SC_ARRAY_SIZE(method_names), name);

	if (i < 0)
		return i;
	*ret = (enum clip_method)i;
	return 0;
}

const char *cut_mode_name(enum cut_mode mode)
{
	return cut_names[mode];
}

int cut_mode_from_name(const char *name, enum cut_mode *ret)
{
	int i = name_index(cut_names, SC_ARRAY_SIZE(cut_names), name);

	if (i < 0)
		return i;
	*ret = (enum cut_mode)i;
	return 0;
}

void request_finish(struct request *request)
{
	free(request->upload_id);
	free(request->user_id);
	free(request->idempotency_key);
	free(request->ranges);
	memset(request, 0, sizeof(*request));
}

void artifacts_free(struct artifact *artifacts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(artifacts[i].dropped);
	free(artifacts);
}

void job_snapshot_finish(struct job_snapshot *s)
{
	free(s->upload_id);
	free(s->user_id);
	free(s->idempotency_key);
	free(s->input_json);
	free(s->warnings);
	free(s->source_path);
	free(s->order_json);
	artifacts_free(s->artifacts, s->n_artifacts);
	memset(s, 0, sizeof(*s));
}

void clip_filename(unsigned int number, bool is_audio, char out[24])
{
	snprintf(out, 24, "clip_%03u.%s", number, is_audio ? "m4a" : "mp4");
}

unsigned int clip_number_from_filename(const char *name)
{
	unsigned int number;
	char again[24];

	if (sscanf(name, "clip_%9u.", &number) != 1 || number == 0)
		return 0;
	clip_filename(number, false, again);
	if (!strcmp(name, again))
		return number;
	clip_filename(number, true, again);
	return strcmp(name, again) ? 0 : number;
}

void clip_url(struct buf *out, const char *cdn_base, const char *job_id, const char *filename)
{
	size_t len = cdn_base ? strlen(cdn_base) : 0;

	while (len && cdn_base[len - 1] == '/')
		len--;
	if (!len) {
		buf_printf(out, "jobs/%s/clips/%s", job_id, filename);
		return;
	}
	buf_add(out, cdn_base, len);
	buf_printf(out, "/%s/%s", job_id, filename);
}

bool job_id_is_valid(const char *id)
{
	size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return id[len] == '\0' && len >= 1 && len <= JOB_ID_MAX && id[0] != '.';
}
