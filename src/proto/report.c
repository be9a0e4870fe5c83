/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a child says about its work, a line each. The table below is the protocol: which fields a
 * kind of report has, and what each may hold. Any thread.
 */
#include "storyclip/proto.h"

#include <string.h>

#include "fields.h"
#include "storyclip/common/file.h"

/* Streams left out of a clip: as many, and as long, as a line has room for. */
#define DROPPED_MAX 200
#define DROPPED_TEXT_SIZE 160

static const char *const kind_names[] = {
	[REPORT_PHASE] = "phase",     [REPORT_PLAN] = "plan",       [REPORT_PROGRESS] = "progress",
	[REPORT_CLIP] = "clip",       [REPORT_WARNING] = "warning", [REPORT_LOG] = "log",
	[REPORT_FAILED] = "failed",   [REPORT_DONE] = "done",
};

static int kind_from_name(const char *name, unsigned int *ret)
{
	for (unsigned int i = 0; i < SC_ARRAY_SIZE(kind_names); i++) {
		if (!strcmp(kind_names[i], name)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *kind_name_of(unsigned int value)
{
	return kind_names[value];
}

static int code_from_name(const char *name, unsigned int *ret)
{
	enum sc_code code = sc_code_from_name(name);

	/* Unknown names become INTERNAL there; here the word itself must be known. */
	if (strcmp(sc_code_name(code), name) != 0 || code == SC_OK)
		return -EINVAL;
	*ret = code;
	return 0;
}

static const char *code_name_of(unsigned int value)
{
	return sc_code_name(value == SC_OK ? SC_INTERNAL : (enum sc_code)value);
}

static int method_from_name(const char *name, unsigned int *ret)
{
	enum clip_method method;
	int r = clip_method_from_name(name, &method);

	if (r == 0)
		*ret = method;
	return r;
}

static const char *method_name_of(unsigned int value)
{
	return clip_method_name((enum clip_method)value);
}

static const struct field_names kinds_by_name = {kind_name_of, kind_from_name};
static const struct field_names codes_by_name = {code_name_of, code_from_name};
static const struct field_names methods_by_name = {method_name_of, method_from_name};

#define BIT(kind) (UINT32_C(1) << (kind))

static const struct field report_fields[] = {
	{FIELD_OF("report", FIELD_NAME, struct report, kind), .names = &kinds_by_name},
	{FIELD_OF("progress", FIELD_I32, struct report, progress), .min = 0, .max = 100,
	 .is_optional = true, .absent = -1, .kinds = BIT(REPORT_PHASE) | BIT(REPORT_PROGRESS)},
	{FIELD_OF("work", FIELD_U64, struct report, work), .min = 0, .max = INT64_MAX,
	 .kinds = BIT(REPORT_PROGRESS)},
	{FIELD_OF("totalClips", FIELD_U32, struct report, total_clips), .min = 1,
	 .max = REQUEST_MAX_CLIPS, .kinds = BIT(REPORT_PLAN)},
	{FIELD_OF("code", FIELD_NAME, struct report, code), .names = &codes_by_name,
	 .kinds = BIT(REPORT_FAILED)},
	{FIELD_OF("syncedUs", FIELD_I64, struct report, synced_us), .min = 0, .max = INT64_MAX / 2,
	 .is_optional = true, .kinds = BIT(REPORT_DONE)},
	{FIELD_OF("copiedBytes", FIELD_I64, struct report, copied_bytes), .min = 0,
	 .max = INT64_MAX, .is_optional = true, .kinds = BIT(REPORT_DONE)},
	{FIELD_OF("message", FIELD_TEXT, struct report, message), .is_optional = true,
	 .kinds = BIT(REPORT_PHASE) | BIT(REPORT_PROGRESS) | BIT(REPORT_WARNING) | BIT(REPORT_LOG) |
		  BIT(REPORT_FAILED)},
};
static const char *const report_others[] = {"clip", NULL};
/* These are their message. */
#define KINDS_OF_TEXT (BIT(REPORT_WARNING) | BIT(REPORT_LOG) | BIT(REPORT_FAILED))

static const struct field artifact_fields[] = {
	{FIELD_OF("number", FIELD_U32, struct artifact, number), .min = 1,
	 .max = REQUEST_MAX_CLIPS},
	{FIELD_OF("filename", FIELD_TEXT, struct artifact, filename)},
	{FIELD_OF("isAudio", FIELD_BOOL, struct artifact, is_audio)},
	{FIELD_OF("method", FIELD_NAME, struct artifact, method), .names = &methods_by_name},
	{FIELD_OF("sizeBytes", FIELD_I64, struct artifact, size_bytes), .max = INT64_MAX},
	{FIELD_OF("startUs", FIELD_I64, struct artifact, start_us), .max = INT64_MAX},
	{FIELD_OF("durationUs", FIELD_I64, struct artifact, duration_us), .max = INT64_MAX},
	{FIELD_OF("hiddenHeadUs", FIELD_I64, struct artifact, hidden_head_us),
	 .max = INT64_MAX},
	{FIELD_OF("hiddenTailUs", FIELD_I64, struct artifact, hidden_tail_us),
	 .max = INT64_MAX},
	{FIELD_OF("hiddenBytes", FIELD_I64, struct artifact, hidden_bytes), .max = INT64_MAX},
	{FIELD_OF("sharedBytes", FIELD_I64, struct artifact, shared_bytes), .max = INT64_MAX,
	 .is_optional = true},
};
static const char *const artifact_others[] = {"dropped", NULL};

void report_finish(struct report *report)
{
	free(report->artifact.dropped);
	memset(report, 0, sizeof(*report));
}

/* artifact.dropped holds the text of a JSON array of strings, made by media. */
static json_t *dropped_to_json(const char *text)
{
	auto_json json_t *list = json_array(), *given = NULL;
	json_t *entry;
	size_t i;

	if (text)
		given = json_loads(text, 0, NULL);
	json_array_foreach(given, i, entry)
	{
		if (i == DROPPED_MAX || !json_is_string(entry))
			break;
		if (json_array_append_new(list, text_to_json(json_string_value(entry),
							     DROPPED_TEXT_SIZE)) < 0)
			return NULL;
	}
	return take_ptr(list);
}

static int dropped_from_json(json_t *list, char **ret)
{
	json_t *entry;
	char *text;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > DROPPED_MAX)
		return -EINVAL;
	json_array_foreach(list, i, entry)
	{
		if (!json_is_string(entry) ||
		    !text_is_clean(json_string_value(entry), DROPPED_TEXT_SIZE))
			return -EINVAL;
	}
	text = json_dumps(list, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static json_t *artifact_to_json(const struct artifact *artifact)
{
	auto_json json_t *object = json_object();

	if (!object ||
	    fields_encode(artifact_fields, SC_ARRAY_SIZE(artifact_fields), 0, artifact, object) < 0 ||
	    json_object_set_new(object, "dropped", dropped_to_json(artifact->dropped)) < 0)
		return NULL;
	return take_ptr(object);
}

static int artifact_from_json(json_t *object, struct artifact *ret)
{
	char filename[sizeof(ret->filename)];
	int r;

	if (!json_is_object(object))
		return -EINVAL;
	r = fields_parse(artifact_fields, SC_ARRAY_SIZE(artifact_fields), 0, artifact_others, object,
			 NULL, ret);
	if (r < 0)
		return r;
	if (ret->shared_bytes > ret->size_bytes)
		return -EINVAL;
	/* The name will be used in paths and URLs: it is the one of that number and no other. */
	clip_filename(ret->number, ret->is_audio, filename);
	if (strcmp(filename, ret->filename) != 0)
		return -EINVAL;
	return dropped_from_json(json_object_get(object, "dropped"), &ret->dropped);
}

int report_encode(const struct report *report, struct buf *out)
{
	auto_json json_t *object = json_object();
	int r;

	if (!object)
		return -ENOMEM;
	r = fields_encode(report_fields, SC_ARRAY_SIZE(report_fields), BIT(report->kind), report,
			  object);
	if (r < 0)
		return r;
	if (report->kind == REPORT_CLIP &&
	    json_object_set_new(object, "clip", artifact_to_json(&report->artifact)) < 0)
		return -ENOMEM;
	r = object_dump(object, out);
	if (r < 0)
		return r;
	buf_add_str(out, "\n");
	return buf_error(out);
}

int report_parse(const char *line, size_t len, struct report *ret)
{
	auto_report struct report report = {0};
	auto_json json_t *object = NULL;
	struct error e = {0};
	unsigned int kind;
	json_t *clip;
	int r;

	if (len > PROTO_LINE_MAX)
		return -EINVAL;
	object = object_load(line, len, &e);
	if (!object)
		return e.err;
	if (!json_is_string(json_object_get(object, "report")) ||
	    kind_from_name(json_string_value(json_object_get(object, "report")), &kind) < 0)
		return -EINVAL;
	r = fields_parse(report_fields, SC_ARRAY_SIZE(report_fields), BIT(kind), report_others,
			 object, NULL, &report);
	if (r < 0)
		return r;
	if ((BIT(kind) & KINDS_OF_TEXT) && !report.message[0])
		return -EINVAL;
	clip = json_object_get(object, "clip");
	if ((kind == REPORT_CLIP) != (clip != NULL))
		return -EINVAL;
	if (clip) {
		r = artifact_from_json(clip, &report.artifact);
		if (r < 0)
			return r;
	}
	*ret = report;
	memset(&report, 0, sizeof(report)); /* what it owned is the caller's now */
	return 0;
}

int report_write(const struct report *report)
{
	auto_buf struct buf line = BUF_EMPTY;
	int r;

	r = report_encode(report, &line);
	if (r < 0)
		return r;
	return file_write_all(PROTO_REPORT_FD, line.data, line.len);
}
