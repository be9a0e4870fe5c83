/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of many jobs: pages for listings, what recovery looks for, what a person changed. Any
 * thread. */
#include <stdio.h>
#include <string.h>

#include "db.h"

int store_job_max_version(struct store *store, uint64_t *ret)
{
	int64_t version = 0;
	int r;

	lock_acquire(&store->reader);
	r = db_get_int(&store->read, "SELECT COALESCE(MAX(version), 0) FROM jobs", &version);
	lock_release(&store->reader);
	if (r == 0)
		*ret = version > 0 ? (uint64_t)version : 0;
	return r;
}

static int jobs_live(struct db *db, int (*each)(void *context, struct job_snapshot *job),
		     void *context)
{
	static const char sql[] = "SELECT " JOB_COLUMNS " FROM jobs "
				  "WHERE status IN ('queued','running') ORDER BY cookie";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0) {
		auto_snapshot struct job_snapshot job = {0};

		r = job_row_read(stmt, &job);
		if (r == 0)
			r = each(context, &job);
	}
	return r;
}

int store_jobs_live(struct store *store, int (*each)(void *context, struct job_snapshot *job),
		    void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = jobs_live(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}

static int jobs_half_published(struct db *db,
			       int (*each)(void *context, const char *job_id, unsigned int attempt),
			       void *context)
{
	static const char sql[] = "SELECT job_id, attempt FROM jobs "
				  "WHERE is_publishing=1 AND status<>'done' ORDER BY cookie";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0)
		r = each(context, db_column_text(stmt, 0),
			 (unsigned int)sqlite3_column_int64(stmt, 1));
	return r;
}

int store_jobs_half_published(struct store *store,
			      int (*each)(void *context, const char *job_id, unsigned int attempt),
			      void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = jobs_half_published(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}

static int jobs_deleting_upload(struct db *db, int (*each)(void *context, const char *job_id),
				void *context)
{
	/* By its own index: the planner would walk all that are done. */
	static const char sql[] = "SELECT job_id FROM jobs INDEXED BY jobs_deleting_upload "
				  "WHERE deletes_upload=1 AND status='done' ORDER BY cookie";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0)
		r = each(context, db_column_text(stmt, 0));
	return r;
}

int store_jobs_deleting_upload(struct store *store, int (*each)(void *context, const char *job_id),
			       void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = jobs_deleting_upload(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}

static int jobs_page(struct db *db, int64_t after, struct job_list_row *rows, size_t n)
{
	static const char sql[] = "SELECT job_id, cookie, status FROM jobs WHERE cookie > :after "
				  "ORDER BY cookie LIMIT :n";
	auto_stmt sqlite3_stmt *stmt = NULL;
	size_t i = 0;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":after", after);
	if (r == 0)
		r = db_bind_int(stmt, ":n", (int64_t)n);
	if (r < 0)
		return r;
	while (i < n && (r = db_step(db, stmt)) > 0) {
		snprintf(rows[i].id, sizeof(rows[i].id), "%s", db_column_text(stmt, 0));
		rows[i].cookie = sqlite3_column_int64(stmt, 1);
		if (job_state_from_name(db_column_text(stmt, 2), &rows[i].state) < 0)
			rows[i].state = JOB_FAILED;
		i++;
	}
	return r < 0 ? r : (int)i;
}

int store_jobs_page(struct store *store, int64_t after, struct job_list_row *rows, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = jobs_page(&store->read, after, rows, n);
	lock_release(&store->reader);
	return r;
}

/* INDEXED BY: the planner takes the rows themselves, which are some twenty times as many bytes. */
static const char names_of_all[] =
	"SELECT cookie, job_id, owner_uid, owner_gid, created_at FROM jobs INDEXED BY jobs_listed "
	"WHERE cookie > :after ORDER BY cookie LIMIT :n";
static const char names_of_state[] =
	"SELECT cookie, job_id FROM jobs INDEXED BY jobs_by_status "
	"WHERE status=:status AND cookie > :after ORDER BY cookie LIMIT :n";

/* A hundred thousand of them are read at once: no format is parsed for one. */
static void name_read(sqlite3_stmt *stmt, bool has_all, struct job_name_row *row)
{
	const char *id = db_column_text(stmt, 1);
	size_t len = (size_t)sqlite3_column_bytes(stmt, 1);

	if (len > JOB_ID_MAX)
		len = JOB_ID_MAX;
	memcpy(row->id, id, len);
	row->id[len] = '\0';
	row->cookie = sqlite3_column_int64(stmt, 0);
	row->owner_uid = has_all ? (uid_t)sqlite3_column_int64(stmt, 2) : 0;
	row->owner_gid = has_all ? (gid_t)sqlite3_column_int64(stmt, 3) : 0;
	row->created_at = has_all ? sqlite3_column_int64(stmt, 4) : 0;
}

/* @param state  NULL: of all */
static int job_names(struct db *db, const char *state, int64_t after, struct job_name_row *rows,
		     size_t n)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	size_t i = 0;
	int r;

	r = db_statement(db, state ? names_of_state : names_of_all, &stmt);
	if (r == 0 && state)
		r = db_bind_text(stmt, ":status", state);
	if (r == 0)
		r = db_bind_int(stmt, ":after", after);
	if (r == 0)
		r = db_bind_int(stmt, ":n", (int64_t)n);
	while (r >= 0 && i < n && (r = db_step(db, stmt)) > 0)
		name_read(stmt, !state, &rows[i++]);
	return r < 0 ? r : (int)i;
}

int store_job_names(struct store *store, int64_t after, struct job_name_row *rows, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = job_names(&store->read, NULL, after, rows, n);
	lock_release(&store->reader);
	return r;
}

int store_job_names_of(struct store *store, enum job_state state, int64_t after,
		       struct job_name_row *rows, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = job_names(&store->read, job_state_name(state), after, rows, n);
	lock_release(&store->reader);
	return r;
}

static int jobs_ended(struct db *db, const struct ended_row *after, int64_t until,
		      struct ended_row *rows, size_t n)
{
	static const char sql[] = "SELECT job_id, finished_at, cookie FROM jobs INDEXED BY jobs_by_finished "
				  "WHERE (finished_at, cookie) > (:after_at, :after) AND "
				  "finished_at <= :until AND status NOT IN ('queued','running') "
				  "ORDER BY finished_at, cookie LIMIT :n";
	auto_stmt sqlite3_stmt *stmt = NULL;
	size_t i = 0;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":after_at", after->finished_at);
	if (r == 0)
		r = db_bind_int(stmt, ":after", after->cookie);
	if (r == 0)
		r = db_bind_int(stmt, ":until", until);
	if (r == 0)
		r = db_bind_int(stmt, ":n", (int64_t)n);
	while (r >= 0 && i < n && (r = db_step(db, stmt)) > 0) {
		snprintf(rows[i].id, sizeof(rows[i].id), "%s", db_column_text(stmt, 0));
		rows[i].finished_at = sqlite3_column_int64(stmt, 1);
		rows[i++].cookie = sqlite3_column_int64(stmt, 2);
	}
	return r < 0 ? r : (int)i;
}

int store_jobs_ended(struct store *store, const struct ended_row *after, int64_t until,
		     struct ended_row *rows, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = jobs_ended(&store->read, after, until, rows, n);
	lock_release(&store->reader);
	return r;
}

static int job_of_key(struct db *db, uid_t uid, const char *key, char ret_id[JOB_ID_SIZE],
		      char **ret_input_json)
{
	static const char sql[] = "SELECT job_id, input_json FROM jobs "
				  "WHERE owner_uid=:uid AND idempotency_key=:key";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":uid", uid);
	if (r == 0)
		r = db_bind_text(stmt, ":key", key);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	snprintf(ret_id, JOB_ID_SIZE, "%s", db_column_text(stmt, 0));
	*ret_input_json = strdup(db_column_text(stmt, 1));
	return *ret_input_json ? 0 : -ENOMEM;
}

int store_job_of_key(struct store *store, uid_t uid, const char *key, char ret_id[JOB_ID_SIZE],
		     char **ret_input_json)
{
	int r;

	lock_acquire(&store->reader);
	r = job_of_key(&store->read, uid, key, ret_id, ret_input_json);
	lock_release(&store->reader);
	return r;
}

static int newest_of_upload(struct db *db, const char *upload_id, char ret[JOB_ID_SIZE])
{
	static const char sql[] = "SELECT job_id FROM jobs WHERE upload_id=:upload_id "
				  "ORDER BY cookie DESC LIMIT 1";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":upload_id", upload_id);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	snprintf(ret, JOB_ID_SIZE, "%s", db_column_text(stmt, 0));
	return 0;
}

int store_job_newest_of_upload(struct store *store, const char *upload_id, char ret[JOB_ID_SIZE])
{
	int r;

	lock_acquire(&store->reader);
	r = newest_of_upload(&store->read, upload_id, ret);
	lock_release(&store->reader);
	return r;
}

static int upload_ids_page(struct db *db, int64_t after, struct upload_id_row *rows, size_t n)
{
	static const char sql[] =
		"SELECT cookie, upload_id FROM jobs AS a WHERE cookie > :after AND NOT EXISTS "
		"(SELECT 1 FROM jobs AS b WHERE b.upload_id=a.upload_id AND b.cookie < a.cookie) "
		"ORDER BY cookie LIMIT :n";
	auto_stmt sqlite3_stmt *stmt = NULL;
	size_t i = 0;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":after", after);
	if (r == 0)
		r = db_bind_int(stmt, ":n", (int64_t)n);
	while (r >= 0 && i < n && (r = db_step(db, stmt)) > 0) {
		rows[i].cookie = sqlite3_column_int64(stmt, 0);
		rows[i].upload_id = strdup(db_column_text(stmt, 1));
		if (!rows[i].upload_id)
			r = -ENOMEM;
		else
			i++;
	}
	if (r >= 0)
		return (int)i;
	while (i)
		free(rows[--i].upload_id);
	return r;
}

int store_upload_ids_page(struct store *store, int64_t after, struct upload_id_row *rows, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = upload_ids_page(&store->read, after, rows, n);
	lock_release(&store->reader);
	return r;
}

static void state_row_read(sqlite3_stmt *stmt, struct job_state_row *row)
{
	snprintf(row->id, sizeof(row->id), "%s", db_column_text(stmt, 0));
	snprintf(row->status, sizeof(row->status), "%s", db_column_text(stmt, 1));
	row->attempt = (unsigned int)sqlite3_column_int64(stmt, 2);
}

static int job_state(struct db *db, const char *job_id, struct job_state_row *ret)
{
	static const char sql[] = "SELECT job_id, status, attempt FROM jobs WHERE job_id=:job_id";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":job_id", job_id);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	state_row_read(stmt, ret);
	return 0;
}

int store_job_state(struct store *store, const char *job_id, struct job_state_row *ret)
{
	int r;

	lock_acquire(&store->reader);
	r = job_state(&store->read, job_id, ret);
	lock_release(&store->reader);
	return r;
}

static int jobs_external(struct db *db, int (*each)(void *context, const struct job_state_row *row),
			 void *context)
{
	static const char sql[] = "SELECT job_id, status, attempt FROM jobs "
				  "WHERE " JOB_IS_HALF_CHANGED " ORDER BY cookie";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0) {
		struct job_state_row row;

		state_row_read(stmt, &row);
		r = each(context, &row);
	}
	return r;
}

int store_jobs_external(struct store *store,
			int (*each)(void *context, const struct job_state_row *row), void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = jobs_external(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}
