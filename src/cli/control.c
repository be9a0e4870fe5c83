/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Speaking with a control file. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "signals.h"

#define REPLY_MAX (256u << 10)

void reply_finish(struct reply *reply)
{
	free(reply->status);
	free(reply->message);
	free(reply->error);
	free(reply->code);
	free(reply->text);
	*reply = (struct reply){0};
}

static char *copy_string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? strdup(value) : NULL;
}

int reply_parse(const char *text, struct reply *ret)
{
	auto_reply struct reply reply = {0};
	json_t *json = json_loads(text, 0, NULL);
	const char *id = json_string_value(json_object_get(json, "jobId"));

	if (!json_is_boolean(json_object_get(json, "success"))) {
		json_decref(json);
		return -EBADMSG;
	}
	reply.is_success = json_is_true(json_object_get(json, "success"));
	if (id && job_id_is_valid(id))
		memcpy(reply.id, id, strlen(id) + 1);
	reply.status = copy_string(json, "status");
	reply.message = copy_string(json, "message");
	reply.error = copy_string(json, "error");
	reply.code = copy_string(json, "code");
	json_decref(json);
	reply.text = strdup(text);
	if (!reply.text)
		return -ENOMEM;
	*ret = reply;
	reply = (struct reply){0};
	return 0;
}

/* A reply is one line; a control file has no end like a file's, so the newline ends it. */
static int read_reply(int fd, struct reply *ret)
{
	auto_buf struct buf text = BUF_EMPTY;
	char chunk[4096];

	while (text.len < REPLY_MAX && !(text.len && memchr(text.data, '\n', text.len))) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		buf_add(&text, chunk, (size_t)n);
	}
	if (buf_error(&text) < 0)
		return buf_error(&text);
	return text.len ? reply_parse(text.data, ret) : -EBADMSG;
}

static int exchange(int dir_fd, const char *path, const struct buf *text, struct reply *ret)
{
	auto_fd int fd = openat(dir_fd, path, O_RDWR | O_CLOEXEC);
	auto_reply struct reply reply = {0};
	int sent = 0, r;
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* Once, whatever comes back: what was interrupted may have been taken. */
	n = write(fd, text->data, text->len);
	if (n < 0)
		sent = -errno;
	else if ((size_t)n < text->len)
		sent = -EIO;
	r = read_reply(fd, &reply);
	/* A refusal is an errno of the write too. A success behind a failed write is an older
	 * reply. */
	if (sent < 0 && (r < 0 || reply.is_success))
		return sent;
	if (r < 0)
		return r;
	*ret = reply;
	reply = (struct reply){0};
	return 0;
}

int control_exchange(int dir_fd, const char *path, const struct buf *text, struct reply *ret)
{
	sigset_t before;
	int r;

	signals_hold(&before);
	r = exchange(dir_fd, path, text, ret);
	signals_release(&before);
	return r;
}
