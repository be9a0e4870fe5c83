/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes written to one open control file, cut into requests: a JSON object ends with its
 * closing brace, a key=value line with its newline. What a request says is not looked at here. No
 * locks.
 */
#include "storyclip/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "storyclip/common/buf.h"
#include "storyclip/common/macros.h"

enum mode { MODE_BETWEEN, MODE_JSON, MODE_LINE };

/* A complete request that waits to be taken. */
struct ready_text {
	struct ready_text *next;
	char *text;
	size_t len;
};

struct request_text {
	enum mode mode;
	struct buf current; /* the request that has begun */
	int depth;          /* MODE_JSON: open braces and brackets */
	bool in_string, is_escaped;
	struct ready_text *first, **last;
};

int request_text_create(struct request_text **ret)
{
	struct request_text *text = calloc(1, sizeof(*text));

	if (!text)
		return -ENOMEM;
	text->last = &text->first;
	*ret = text;
	return 0;
}

static void text_forget(struct request_text *text)
{
	struct ready_text *ready;

	buf_finish(&text->current);
	text->mode = MODE_BETWEEN;
	text->depth = 0;
	text->in_string = text->is_escaped = false;
	while ((ready = text->first)) {
		text->first = ready->next;
		free(ready->text);
		free(ready);
	}
	text->last = &text->first;
}

void request_text_destroy(struct request_text *text)
{
	if (!text)
		return;
	text_forget(text);
	free(text);
}

/* What has begun is a request now. */
static int text_complete(struct request_text *text)
{
	struct ready_text *ready = calloc(1, sizeof(*ready));

	text->mode = MODE_BETWEEN;
	if (!ready)
		return -ENOMEM;
	ready->text = buf_take(&text->current, &ready->len);
	if (!ready->text) {
		free(ready);
		return -ENOMEM;
	}
	*text->last = ready;
	text->last = &ready->next;
	return 0;
}

/* @return whether this byte closes the object */
static bool json_step(struct request_text *text, char c)
{
	if (text->is_escaped) {
		text->is_escaped = false;
	} else if (text->in_string) {
		if (c == '\\')
			text->is_escaped = true;
		else if (c == '"')
			text->in_string = false;
	} else if (c == '"') {
		text->in_string = true;
	} else if (c == '{' || c == '[') {
		text->depth++;
	} else if (c == '}' || c == ']') {
		return --text->depth <= 0;
	}
	return false;
}

/*
 * How many bytes behind a closed object belong to it as trailing garbage: those up to the line's
 * end, unless there are only blanks or the next object begins. Keeping them with the object makes
 * the parser refuse both, instead of starting a job and then complaining.
 */
static size_t json_garbage(const char *data, size_t len)
{
	size_t blank = 0, line = 0;

	while (blank < len && strchr(" \t\r", data[blank]) && data[blank])
		blank++;
	if (blank == len || data[blank] == '\n' || data[blank] == '{')
		return 0;
	while (line < len && data[line] != '\n')
		line++;
	return line;
}

static int text_too_large(struct request_text *text, struct error *e)
{
	text_forget(text);
	return error_set(e, SC_REQUEST_TOO_LARGE,
			 "the request is over %d bytes; send a shorter one", REQUEST_TEXT_MAX);
}

/* Take one byte into the current request. @return bytes of data used, or a negative errno */
static ssize_t text_step(struct request_text *text, const char *data, size_t len)
{
	size_t more;
	int r;

	if (text->mode == MODE_BETWEEN) {
		if (*data && strchr(" \t\r\n", *data))
			return 1;
		text->mode = *data == '{' ? MODE_JSON : MODE_LINE;
	}
	if (text->mode == MODE_LINE && *data == '\n') {
		r = text_complete(text);
		return r < 0 ? r : 1;
	}
	buf_add(&text->current, data, 1);
	if (text->mode == MODE_JSON && json_step(text, *data)) {
		more = json_garbage(data + 1, len - 1);
		buf_add(&text->current, data + 1, more);
		r = text->current.len > REQUEST_TEXT_MAX ? 0 : text_complete(text);
		return r < 0 ? r : (ssize_t)more + 1;
	}
	return 1;
}

int request_text_add(struct request_text *text, const char *data, size_t len, struct error *e)
{
	while (len) {
		ssize_t n = text_step(text, data, len);

		if (n < 0 || buf_error(&text->current) < 0) {
			text_forget(text);
			return error_from_errno(e, -ENOMEM, "collecting the request");
		}
		if (text->current.len > REQUEST_TEXT_MAX)
			return text_too_large(text, e);
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int request_text_next(struct request_text *text, bool is_flush, struct error *e, char **ret)
{
	auto_free char *found = NULL;
	struct ready_text *ready;
	bool has_nul;

	if (!text->first && is_flush && text->mode != MODE_BETWEEN) {
		if (text->mode == MODE_JSON) {
			text_forget(text);
			return error_set(
				e, SC_INVALID_REQUEST,
				"the JSON object is not complete; its closing brace is missing");
		}
		if (text_complete(text) < 0) {
			text_forget(text);
			return error_from_errno(e, -ENOMEM, "collecting the request");
		}
	}
	ready = text->first;
	if (!ready)
		return 0;
	text->first = ready->next;
	if (!text->first)
		text->last = &text->first;
	found = take_ptr(ready->text);
	has_nul = strlen(found) != ready->len;
	free(ready);
	if (has_nul)
		return error_set(e, SC_INVALID_REQUEST,
				 "the request holds a NUL byte; leave it out");
	*ret = take_ptr(found);
	return 1;
}
