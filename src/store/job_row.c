/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One row of a job ↔ one struct job_snapshot. Any thread. */
#include <stdio.h>
#include <string.h>

#include "db.h"

enum column_kind {
	COLUMN_CHARS,    /* char[] */
	COLUMN_STRING,   /* char *, owned */
	COLUMN_OPTIONAL, /* the same, NULL is kept */
	COLUMN_NUMBER,   /* unsigned or int of four bytes, not negative */
	COLUMN_PRIORITY,
	COLUMN_BOOL,
	COLUMN_I64,
	COLUMN_TIME, /* int64_t, 0 is NULL */
	COLUMN_STATE,
	COLUMN_CUT,
	COLUMN_SOURCE,
	COLUMN_ARTIFACTS,
	COLUMN_CODE, /* these two are filled after all others */
	COLUMN_ERROR_TEXT,
};

/* One row per column, in the order of JOB_COLUMNS; statements bind what they name. */
static const struct column {
	const char *name;
	enum column_kind kind;
	size_t offset;
	size_t size;
} columns[] = {
#define AT(member) \
	offsetof(struct job_snapshot, member), sizeof(((struct job_snapshot *)NULL)->member)
	{":job_id", COLUMN_CHARS, AT(id)},
	{":upload_id", COLUMN_STRING, AT(upload_id)},
	{":user_id", COLUMN_OPTIONAL, AT(user_id)},
	{":owner_uid", COLUMN_NUMBER, AT(owner_uid)},
	{":owner_gid", COLUMN_NUMBER, AT(owner_gid)},
	{":status", COLUMN_STATE, AT(state)},
	{":progress", COLUMN_NUMBER, AT(progress)},
	{":message", COLUMN_CHARS, AT(message)},
	{":attempt", COLUMN_NUMBER, AT(attempt)},
	{":failures", COLUMN_NUMBER, AT(failures)},
	{":max_attempts", COLUMN_NUMBER, AT(max_attempts)},
	{":priority", COLUMN_PRIORITY, AT(priority)},
	{":idempotency_key", COLUMN_OPTIONAL, AT(idempotency_key)},
	{":deletes_upload", COLUMN_BOOL, AT(deletes_upload)},
	{":cut", COLUMN_CUT, AT(cut)},
	{":total_clips", COLUMN_NUMBER, AT(total_clips)},
	{":clips_ready", COLUMN_NUMBER, AT(clips_ready)},
	{":input_json", COLUMN_STRING, AT(input_json)},
	{":artifacts", COLUMN_ARTIFACTS, AT(artifacts)},
	{":warnings", COLUMN_STRING, AT(warnings)},
	{":source_path", COLUMN_STRING, AT(source_path)},
	{":source_dev", COLUMN_I64, AT(source_dev)},
	{":source_ino", COLUMN_I64, AT(source_ino)},
	{":source_size", COLUMN_I64, AT(source_size)},
	{":source_mtime_ns", COLUMN_I64, AT(source_mtime_ns)},
	{":source_state", COLUMN_SOURCE, AT(source_state)},
	{":source_at", COLUMN_TIME, AT(source_at)},
	{":is_hold_copy", COLUMN_BOOL, AT(is_hold_copy)},
	{":order_json", COLUMN_STRING, AT(order_json)},
	{":not_before", COLUMN_TIME, AT(not_before)},
	{":version", COLUMN_I64, AT(version)},
	{":created_at", COLUMN_TIME, AT(created_at)},
	{":started_at", COLUMN_TIME, AT(started_at)},
	{":updated_at", COLUMN_TIME, AT(updated_at)},
	{":finished_at", COLUMN_TIME, AT(finished_at)},
	{":error_code", COLUMN_CODE, AT(error)},
	{":error_msg", COLUMN_ERROR_TEXT, AT(error)},
#undef AT
};
_Static_assert(sizeof(dev_t) == 8 && sizeof(ino_t) == 8, "they are bound as 64 bits");
_Static_assert(sizeof(uid_t) == 4 && sizeof(unsigned int) == 4, "they are bound as 32 bits");

static const char *const source_names[] = {
	[SOURCE_READY] = "ready",
	[SOURCE_WAITING] = "waiting",
	[SOURCE_INCOMPLETE] = "incomplete",
};

static int bind_artifacts(sqlite3_stmt *stmt, const char *name, const struct job_snapshot *job)
{
	auto_free char *text = NULL;
	int r;

	r = artifacts_to_json(job->artifacts, job->n_artifacts, &text);
	return r < 0 ? r : db_bind_text(stmt, name, text);
}

static int bind_column(sqlite3_stmt *stmt, const struct column *c, const struct job_snapshot *job)
{
	const void *p = (const char *)job + c->offset;
	int64_t i64 = 0;

	switch (c->kind) {
	case COLUMN_CHARS:
		return db_bind_text(stmt, c->name, p);
	case COLUMN_STRING:
	case COLUMN_OPTIONAL:
		return db_bind_text(stmt, c->name, *(char *const *)p);
	case COLUMN_NUMBER:
		return db_bind_int(stmt, c->name, *(const unsigned int *)p);
	case COLUMN_PRIORITY:
		return db_bind_int(stmt, c->name, *(const int *)p);
	case COLUMN_BOOL:
		return db_bind_int(stmt, c->name, *(const bool *)p);
	case COLUMN_I64:
	case COLUMN_TIME:
		memcpy(&i64, p, sizeof(i64));
		/* A parameter that is not bound is NULL. */
		return c->kind == COLUMN_TIME && !i64 ? 0 : db_bind_int(stmt, c->name, i64);
	case COLUMN_STATE:
		return db_bind_text(stmt, c->name, job_state_name(job->state));
	case COLUMN_CUT:
		return db_bind_text(stmt, c->name, cut_mode_name(job->cut));
	case COLUMN_SOURCE:
		return db_bind_text(stmt, c->name, source_names[job->source_state]);
	case COLUMN_ARTIFACTS:
		return bind_artifacts(stmt, c->name, job);
	case COLUMN_CODE:
		return job->error.err ? db_bind_text(stmt, c->name, sc_code_name(job->error.code))
				      : 0;
	case COLUMN_ERROR_TEXT:
		return job->error.err ? db_bind_text(stmt, c->name, job->error.message) : 0;
	}
	return -EINVAL;
}

int job_row_bind(sqlite3_stmt *stmt, const struct job_snapshot *job)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(columns); i++) {
		int r;

		if (!sqlite3_bind_parameter_index(stmt, columns[i].name))
			continue;
		r = bind_column(stmt, &columns[i], job);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_string(sqlite3_stmt *stmt, int i, bool is_optional, char **ret)
{
	if (is_optional && sqlite3_column_type(stmt, i) == SQLITE_NULL)
		return 0;
	*ret = strdup(db_column_text(stmt, i));
	return *ret ? 0 : -ENOMEM;
}

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
	return value < min ? min : value > max ? max : value;
}

/* Somebody may have written anything into the row: what makes no sense becomes the nearest sense.
 */
static int read_column(sqlite3_stmt *stmt, int i, struct job_snapshot *job)
{
	const struct column *c = &columns[i];
	void *p = (char *)job + c->offset;
	const char *text;
	int64_t i64;

	switch (c->kind) {
	case COLUMN_CHARS:
		snprintf(p, c->size, "%s", db_column_text(stmt, i));
		return 0;
	case COLUMN_STRING:
	case COLUMN_OPTIONAL:
		return read_string(stmt, i, c->kind == COLUMN_OPTIONAL, p);
	case COLUMN_NUMBER:
		*(unsigned int *)p =
			(unsigned int)clamp(sqlite3_column_int64(stmt, i), 0, UINT32_MAX);
		return 0;
	case COLUMN_PRIORITY:
		*(int *)p = (int)clamp(sqlite3_column_int64(stmt, i), PRIORITY_MIN, PRIORITY_MAX);
		return 0;
	case COLUMN_BOOL:
		*(bool *)p = sqlite3_column_int64(stmt, i) != 0;
		return 0;
	case COLUMN_I64:
	case COLUMN_TIME:
		i64 = sqlite3_column_int64(stmt, i);
		memcpy(p, &i64, sizeof(i64));
		return 0;
	case COLUMN_STATE:
		if (job_state_from_name(db_column_text(stmt, i), &job->state) < 0)
			job->state = JOB_FAILED;
		return 0;
	case COLUMN_CUT:
		return cut_mode_from_name(db_column_text(stmt, i), &job->cut) < 0 ? -EIO : 0;
	case COLUMN_SOURCE:
		text = db_column_text(stmt, i);
		for (size_t s = 0; s < SC_ARRAY_SIZE(source_names); s++)
			if (!strcmp(source_names[s], text))
				job->source_state = (enum source_state)s;
		return 0;
	case COLUMN_ARTIFACTS:
		if (artifacts_from_json(db_column_text(stmt, i), &job->artifacts,
					&job->n_artifacts) == -ENOMEM)
			return -ENOMEM;
		return 0;
	case COLUMN_CODE:
		text = db_column_text(stmt, i);
		job->error.code = *text ? sc_code_from_name(text) : SC_MANUAL;
		return 0;
	case COLUMN_ERROR_TEXT:
		snprintf(job->error.message, sizeof(job->error.message), "%s",
			 db_column_text(stmt, i));
		return 0;
	}
	return -EINVAL;
}

int job_row_read(sqlite3_stmt *stmt, struct job_snapshot *ret)
{
	auto_snapshot struct job_snapshot job = {0};
	int r;

	for (size_t i = 0; i < SC_ARRAY_SIZE(columns); i++) {
		r = read_column(stmt, (int)i, &job);
		if (r < 0)
			return r;
	}
	job.progress = (int)clamp((unsigned int)job.progress, 0, 100);
	if (job.state == JOB_FAILED) {
		job.error.err = -sc_code_errno(job.error.code);
		if (!job.error.message[0])
			snprintf(job.error.message, sizeof(job.error.message), "%s",
				 "set to 'failed' by hand");
		memcpy(job.message, job.error.message, sizeof(job.message));
	} else {
		memset(&job.error, 0, sizeof(job.error));
	}
	*ret = job;
	memset(&job, 0, sizeof(job)); /* what it owned is the caller's now */
	return 0;
}
