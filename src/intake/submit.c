/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One request becomes a job. What the registry says about the file decides when the job may run:
 * the kernel tells of a close only some time after close() has returned, so a request made right
 * after `cp` often finds a writer still there, and waits for it. The command thread.
 */
#include "submit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "openings.h"
#include "parse.h"
#include "storyclip/common/hook.h"

#define GENERATED_TRIES 8

/* job_<ms since 1970>_<8 of 0-9a-z> */
int submit_generate_id(const struct clock *clock, char out[JOB_ID_SIZE])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	unsigned char random[64];
	char tail[9];
	size_t n = 0;

	while (n < sizeof(tail) - 1) {
		if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return -errno;
		/* 252 = 7 * 36: the bytes above would make some letters likelier. */
		for (size_t i = 0; i < sizeof(random) && n < sizeof(tail) - 1; i++)
			if (random[i] < 252)
				tail[n++] = letters[random[i] % 36];
	}
	tail[n] = '\0';
	snprintf(out, JOB_ID_SIZE, "job_%lld_%s", (long long)clock_wall_ms(clock), tail);
	return 0;
}

/* What the registry and the database know about the file. */
enum upload_stage submit_stage(const struct command_deps *deps, const struct resolved *upload)
{
	enum upload_stage stage = uploads_ask(deps->uploads, &upload->st, upload->fd);
	struct upload_row row;

	if (stage != UPLOAD_STAGE_QUIET)
		return stage;
	if (store_upload_get(deps->intake->store, upload->path, &row) == 0 &&
	    row.size == upload->st.st_size && row.mtime_ns == stat_mtime_ns(&upload->st)) {
		if (row.state == UPLOAD_COMPLETE)
			return UPLOAD_STAGE_QUIET;
		if (row.state == UPLOAD_INCOMPLETE_STATE)
			return UPLOAD_STAGE_INCOMPLETE;
	}
	/* Put there behind the mount: whole as it is, once it is on disk. */
	uploads_rewritten(deps->uploads, upload->st.st_dev, upload->st.st_ino, upload->path);
	uploads_ask(deps->uploads, &upload->st, upload->fd);
	return UPLOAD_STAGE_SYNCING;
}

/* What was told between the question and the acceptance found no job, and is not told again: that
 * the sync has ended, that times were set. */
static void check_again(const struct command_deps *deps, const struct resolved *upload,
			bool is_ready)
{
	struct engine *engine = deps->intake->engine;
	struct stat st;

	if (fstat(upload->fd, &st) < 0)
		return;
	if (is_ready && st.st_size == upload->st.st_size)
		engine_source_touched(engine, st.st_dev, st.st_ino);
	if (!is_ready && uploads_ask(deps->uploads, &st, upload->fd) == UPLOAD_STAGE_QUIET)
		engine_source_ready(engine, st.st_dev, st.st_ino, st.st_size, stat_mtime_ns(&st));
}

/* A request and the upload that it is about. */
struct submission {
	const struct command_deps *deps;
	struct resolved *upload;
	enum upload_stage stage;
};

static void set_source(const struct submission *s, struct job_source *source)
{
	source->size = s->upload->st.st_size;
	source->mtime_ns = stat_mtime_ns(&s->upload->st);
	source->is_ready = s->stage == UPLOAD_STAGE_QUIET || s->stage == UPLOAD_STAGE_INCOMPLETE;
	source->is_incomplete = s->stage == UPLOAD_STAGE_INCOMPLETE;
}

/* Somebody may have opened it, or changed its size, since the stage was asked for: then the job waits. */
static void look_again(void *context, struct job_source *source)
{
	struct submission *s = context;
	struct stat st;

	if (s->stage != UPLOAD_STAGE_QUIET)
		return;
	openings_wait(s->deps->openings, source->dev, source->ino);
	if (fstat(source->fd, &st) < 0 ||
	    (st.st_size == source->size &&
	     uploads_ask(s->deps->uploads, &st, source->fd) == UPLOAD_STAGE_QUIET))
		return;
	s->upload->st = st;
	s->stage = submit_stage(s->deps, s->upload);
	set_source(s, source);
}

static struct job_source source_of(struct submission *s)
{
	struct job_source source = {
		.path = s->upload->path,
		.fd = s->upload->fd,
		.dev = s->upload->st.st_dev,
		.ino = s->upload->st.st_ino,
		.look_again = look_again,
		.context = s,
	};

	s->stage = submit_stage(s->deps, s->upload);
	set_source(s, &source);
	return source;
}

/* What is to be seen to once a job has the upload. */
static void source_taken(const struct submission *s, bool is_ready)
{
	if (s->stage == UPLOAD_STAGE_WRITING)
		watches_add(s->deps->watches, s->upload->fd, &s->upload->st, s->upload->path);
	check_again(s->deps, s->upload, is_ready);
}

int submit_accept(const struct command_deps *deps, struct request *request,
		  struct resolved *upload, const struct caller *caller, const char *input_json,
		  struct error *e, char job_id[JOB_ID_SIZE])
{
	struct submission submission = {.deps = deps, .upload = upload};
	struct job_source source = source_of(&submission);
	bool is_generated = !request->job_id[0];
	int r = -EEXIST;

	for (int tries = 0; r == -EEXIST && tries < GENERATED_TRIES; tries++) {
		if (is_generated && (r = submit_generate_id(deps->intake->clock, request->job_id)) < 0)
			return error_from_errno(e, r, "making a job id");
		hook_reach("intake-before-accept");
		r = engine_submit(deps->intake->engine, request, input_json, &source, caller, e,
				  job_id);
		if (!is_generated)
			break;
	}
	if (r < 0)
		return r;
	source_taken(&submission, source.is_ready);
	return 0;
}

/* The answer to a request that was made before. */
static int render_duplicate(const struct command_deps *deps, const char *job_id, struct error *e,
			    struct buf *json)
{
	struct job_brief brief;
	int r = engine_brief(deps->intake->engine, job_id, &brief);

	if (r == -ENOENT)
		return error_set(e, SC_JOB_NOT_FOUND, "job '%s' has just been removed", job_id);
	if (r < 0)
		return error_set_errno(e, -EIO, SC_INTERNAL, "job '%s' cannot be read", job_id);
	buf_add_str(json, "{\"success\":true,\"jobId\":");
	json_string_add(json, job_id);
	buf_printf(json,
		   ",\"status\":\"%s\",\"message\":\"The same request has made this job before\","
		   "\"duplicate\":true}\n",
		   job_state_name(brief.state));
	return 0;
}

int submit_request(const struct command_deps *deps, const char *text, const struct caller *caller,
		   struct error *e, struct buf *json)
{
	auto_resolved struct resolved upload = RESOLVED_NONE;
	auto_request struct request request = {0};
	auto_buf struct buf input = BUF_EMPTY;
	char job_id[JOB_ID_SIZE];
	int r;

	r = request_parse(text, e, &request);
	if (r < 0)
		return r;
	request_to_json(&request, &input);
	if (buf_error(&input) < 0)
		return error_from_errno(e, -ENOMEM, "keeping the request");
	/* Before the upload is looked for: it may be gone, and the answer stands. */
	r = engine_duplicate(deps->intake->engine, &request, input.data, caller, e, job_id);
	if (r != 0)
		return r < 0 ? r : render_duplicate(deps, job_id, e, json);
	r = resolve_upload(deps->root_fd, request.upload_id, caller, e, &upload);
	if (r < 0)
		return r;
	r = submit_accept(deps, &request, &upload, caller, input.data, e, job_id);
	if (r == -EEXIST &&
	    engine_duplicate(deps->intake->engine, &request, input.data, caller, e, job_id) == 1)
		return render_duplicate(deps, job_id, e,
					json); /* another was faster with the key */
	if (r < 0)
		return r;
	intake_render_accepted(json, job_id, JOB_QUEUED, "Story processing started");
	return 0;
}

int submit_retry(const struct command_deps *deps, const char *job_id, const struct caller *caller,
		 struct error *e)
{
	auto_resolved struct resolved upload = RESOLVED_NONE;
	auto_free char *upload_id = NULL;
	struct submission submission = {.deps = deps, .upload = &upload};
	struct job_source source;
	int r;

	r = engine_check_retry(deps->intake->engine, job_id, caller, e, &upload_id);
	if (r == 0)
		r = resolve_upload(deps->root_fd, upload_id, caller, e, &upload);
	if (r < 0)
		return r;
	source = source_of(&submission);
	r = engine_retry(deps->intake->engine, job_id, &source, caller, e);
	if (r < 0)
		return r;
	source_taken(&submission, source.is_ready);
	return 0;
}
