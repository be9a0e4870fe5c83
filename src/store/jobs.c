/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every change of a job's row. What a row is stands in job_row.c, lists of rows in job_lists.c.
 * Each change says in its WHERE what the row must still be, so that nobody's change is ever undone.
 * Any thread.
 */
#include "db.h"

/* A statement about one job, its columns bound. */
static int prepare_for_job(struct db *db, const char *sql, const char *job_id, sqlite3_stmt **ret)
{
	sqlite3_stmt *stmt;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r < 0)
		return r;
	*ret = stmt; /* from here on the caller releases it */
	return db_bind_text(stmt, ":job_id", job_id);
}

static int job_insert(struct db *db, const struct job_snapshot *job)
{
	static const char sql[] =
		"INSERT INTO jobs (" JOB_COLUMNS ") VALUES (:job_id, :upload_id, :user_id, "
		":owner_uid, :owner_gid, :status, :progress, :message, :attempt, :failures, "
		":max_attempts, :priority, :idempotency_key, :deletes_upload, :cut, :total_clips, "
		":clips_ready, :input_json, :artifacts, "
		":warnings, :source_path, :source_dev, :source_ino, :source_size, "
		":source_mtime_ns, :source_state, :source_at, :is_hold_copy, :order_json, "
		":not_before, :version, :created_at, "
		":started_at, :updated_at, :finished_at, :error_code, :error_msg)";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job->id, &stmt);
	if (r == 0)
		r = job_row_bind(stmt, job);
	if (r == 0)
		r = db_change(db, stmt);
	return r < 0 ? r : 0;
}

int store_job_insert(struct store *store, const struct job_snapshot *job)
{
	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	return store_write_end(store, job_insert(&store->write, job));
}

static int job_get(struct db *db, const char *job_id, struct job_snapshot *ret)
{
	static const char sql[] = "SELECT " JOB_COLUMNS " FROM jobs WHERE job_id=:job_id";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job_id, &stmt);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return job_row_read(stmt, ret);
}

int store_job_get(struct store *store, const char *job_id, struct job_snapshot *ret)
{
	int r;

	lock_acquire(&store->reader);
	r = job_get(&store->read, job_id, ret);
	lock_release(&store->reader);
	return r;
}

static int job_brief(struct db *db, const char *job_id, struct job_brief *ret)
{
	static const char sql[] =
		"SELECT status, version, owner_uid, owner_gid, attempt, created_at, "
		"updated_at FROM jobs WHERE job_id=:job_id";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job_id, &stmt);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (job_state_from_name(db_column_text(stmt, 0), &ret->state) < 0)
		ret->state = JOB_FAILED;
	ret->version = (uint64_t)sqlite3_column_int64(stmt, 1);
	ret->owner_uid = (uid_t)sqlite3_column_int64(stmt, 2);
	ret->owner_gid = (gid_t)sqlite3_column_int64(stmt, 3);
	ret->attempt = (unsigned int)sqlite3_column_int64(stmt, 4);
	ret->created_at = sqlite3_column_int64(stmt, 5);
	ret->updated_at = sqlite3_column_int64(stmt, 6);
	return 0;
}

int store_job_brief(struct store *store, const char *job_id, struct job_brief *ret)
{
	int r;

	lock_acquire(&store->reader);
	r = job_brief(&store->read, job_id, ret);
	lock_release(&store->reader);
	return r;
}

/* Run a change that must hit exactly one row; what it means if it did not. */
static int change_one(struct db *db, sqlite3_stmt *stmt, int if_none)
{
	int n = db_change(db, stmt);

	if (n < 0)
		return n;
	return n ? 0 : if_none;
}

static int job_exists(struct db *db, const char *job_id)
{
	struct job_brief brief;

	return job_brief(db, job_id, &brief);
}

static int job_transition(struct db *db, const struct job_transition *t)
{
	/* A done job's directory is not half published any more. */
	static const char sql[] =
		"UPDATE jobs SET status=:status, progress=:progress, message=:message, "
		"attempt=:attempt, failures=:failures, total_clips=:total_clips, "
		"clips_ready=:clips_ready, artifacts=:artifacts, output_urls=:output_urls, "
		"warnings=:warnings, not_before=:not_before, version=:version, "
		"started_at=:started_at, updated_at=:updated_at, finished_at=:finished_at, "
		"error_code=:error_code, error_msg=:error_msg, "
		"is_publishing=CASE WHEN :status='done' THEN 0 ELSE is_publishing END "
		"WHERE job_id=:job_id AND status=:from AND attempt=:from_attempt";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, t->job_id, &stmt);
	if (r == 0)
		r = job_row_bind(stmt, t->to);
	if (r == 0)
		r = db_bind_text(stmt, ":job_id", t->job_id);
	if (r == 0)
		r = db_bind_text(stmt, ":output_urls", t->output_urls ? t->output_urls : "[]");
	if (r == 0)
		r = db_bind_text(stmt, ":from", job_state_name(t->from));
	if (r == 0)
		r = db_bind_int(stmt, ":from_attempt", t->from_attempt);
	if (r == 0)
		r = change_one(db, stmt, -ESTALE);
	if (r == -ESTALE && job_exists(db, t->job_id) == -ENOENT)
		return -ENOENT;
	return r;
}

int store_job_transition(struct store *store, const struct job_transition *t)
{
	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	return store_write_end(store, job_transition(&store->write, t));
}

static int job_progress(struct db *db, const char *job_id, unsigned int attempt, int progress,
			const char *message, int64_t updated_at)
{
	static const char sql[] =
		"UPDATE jobs SET progress=:progress, message=:message, updated_at=:updated_at "
		"WHERE job_id=:job_id AND status='running' AND attempt=:attempt";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job_id, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":attempt", attempt);
	if (r == 0)
		r = db_bind_int(stmt, ":progress", progress);
	if (r == 0)
		r = db_bind_text(stmt, ":message", message);
	if (r == 0)
		r = db_bind_int(stmt, ":updated_at", updated_at);
	if (r == 0)
		r = db_change(db, stmt);
	return r < 0 ? r : 0;
}

int store_job_progress(struct store *store, const char *job_id, unsigned int attempt, int progress,
		       const char *message, int64_t updated_at)
{
	if (!store_write_begin(store, WRITE_BEST_EFFORT))
		return -EBUSY;
	return store_write_end(
		store, job_progress(&store->write, job_id, attempt, progress, message, updated_at));
}

/* A change that takes all its values from a snapshot. */
static int job_change(struct db *db, const char *sql, const struct job_snapshot *to,
		      const char *output_urls, int if_none)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, to->id, &stmt);
	if (r == 0)
		r = job_row_bind(stmt, to);
	if (r == 0)
		r = db_bind_text(stmt, ":output_urls", output_urls);
	return r < 0 ? r : change_one(db, stmt, if_none);
}

int store_job_source(struct store *store, const struct job_snapshot *to)
{
	static const char sql[] =
		"UPDATE jobs SET source_state=:source_state, source_size=:source_size, "
		"source_mtime_ns=:source_mtime_ns, message=:message, version=:version, "
		"updated_at=:updated_at "
		"WHERE job_id=:job_id AND status='queued' AND attempt=:attempt";

	if (!store_write_begin(store, WRITE_UNSYNCED))
		return -EBUSY;
	return store_write_end(store, job_change(&store->write, sql, to, NULL, -ESTALE));
}

static int job_touched(struct db *db, const char *job_id, int64_t source_mtime_ns)
{
	static const char sql[] = "UPDATE jobs SET source_mtime_ns=:source_mtime_ns "
				  "WHERE job_id=:job_id AND status IN ('queued','running')";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job_id, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":source_mtime_ns", source_mtime_ns);
	if (r == 0)
		r = db_change(db, stmt);
	return r < 0 ? r : 0;
}

int store_job_touched(struct store *store, const char *job_id, int64_t source_mtime_ns)
{
	if (!store_write_begin(store, WRITE_UNSYNCED))
		return -EBUSY;
	return store_write_end(store, job_touched(&store->write, job_id, source_mtime_ns));
}

int store_job_clip_deleted(struct store *store, const struct job_snapshot *to,
			   const char *output_urls)
{
	static const char sql[] = "UPDATE jobs SET artifacts=:artifacts, output_urls=:output_urls, "
				  "version=:version, updated_at=:updated_at "
				  "WHERE job_id=:job_id AND status='done'";

	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	return store_write_end(store, job_change(&store->write, sql, to, output_urls, -ESTALE));
}

static int job_retry(struct db *db, const struct job_snapshot *to, enum job_state was)
{
	static const char sql[] =
		"UPDATE jobs SET status=:status, progress=:progress, message=:message, "
		"failures=:failures, total_clips=:total_clips, clips_ready=:clips_ready, "
		"artifacts=:artifacts, output_urls='[]', warnings=:warnings, "
		"not_before=:not_before, "
		"version=:version, started_at=:started_at, updated_at=:updated_at, "
		"finished_at=:finished_at, error_code=NULL, error_msg=NULL, "
		"source_path=:source_path, "
		"source_dev=:source_dev, source_ino=:source_ino, source_size=:source_size, "
		"source_mtime_ns=:source_mtime_ns, source_state=:source_state, "
		"source_at=:source_at, "
		"is_hold_copy=:is_hold_copy "
		"WHERE job_id=:job_id AND status=:was AND attempt=:attempt";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, to->id, &stmt);
	if (r == 0)
		r = job_row_bind(stmt, to);
	if (r == 0)
		r = db_bind_text(stmt, ":was", job_state_name(was));
	return r < 0 ? r : change_one(db, stmt, -ESTALE);
}

int store_job_retry(struct store *store, const struct job_snapshot *to, enum job_state was)
{
	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	return store_write_end(store, job_retry(&store->write, to, was));
}

static int job_mark(struct db *db, const char *sql, const char *job_id, unsigned int attempt,
		    int if_none)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job_id, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":attempt", attempt);
	return r < 0 ? r : change_one(db, stmt, if_none);
}

int store_job_publishing(struct store *store, const char *job_id, unsigned int attempt)
{
	static const char sql[] = "UPDATE jobs SET is_publishing=1 "
				  "WHERE job_id=:job_id AND status='running' AND attempt=:attempt";

	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	return store_write_end(store, job_mark(&store->write, sql, job_id, attempt, -ESTALE));
}

int store_job_unpublished(struct store *store, const char *job_id)
{
	static const char sql[] = "UPDATE jobs SET is_publishing=0 WHERE job_id=:job_id";

	if (!store_write_begin(store, WRITE_UNSYNCED))
		return -EBUSY;
	return store_write_end(store, job_mark(&store->write, sql, job_id, 0, -ENOENT));
}

int store_job_upload_deleted(struct store *store, const char *job_id)
{
	static const char sql[] = "UPDATE jobs SET deletes_upload=0 WHERE job_id=:job_id";

	if (!store_write_begin(store, WRITE_UNSYNCED))
		return -EBUSY;
	return store_write_end(store, job_mark(&store->write, sql, job_id, 0, -ENOENT));
}

static int job_was_publishing(struct db *db, const char *job_id, bool *ret)
{
	static const char sql[] = "SELECT is_publishing AND status<>'done' FROM jobs "
				  "WHERE job_id=:job_id";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job_id, &stmt);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = sqlite3_column_int(stmt, 0) != 0;
	return 0;
}

int store_job_was_publishing(struct store *store, const char *job_id, bool *ret)
{
	int r;

	lock_acquire(&store->reader);
	r = job_was_publishing(&store->read, job_id, ret);
	lock_release(&store->reader);
	return r;
}

static int job_complete_external(struct db *db, const char *job_id, const char *was,
				 const struct job_snapshot *to)
{
	/* The right sides see the row as it was. */
	static const char sql[] =
		"UPDATE jobs SET status=:status, version=:version, updated_at=:updated_at, "
		"finished_at=COALESCE(finished_at, :finished_at), "
		"error_code=CASE WHEN :status='done' THEN NULL ELSE 'MANUAL' END, "
		"error_msg=CASE WHEN :status='done' THEN NULL "
		" ELSE COALESCE(NULLIF(error_msg,''), :message) END, "
		"message=CASE WHEN :status='done' THEN :message "
		" ELSE COALESCE(NULLIF(error_msg,''), :message) END, "
		"is_publishing=CASE WHEN :status='done' THEN 0 WHEN artifacts<>'[]' THEN 1 "
		" ELSE is_publishing END, "
		"clips_ready=CASE WHEN :status='done' THEN clips_ready ELSE 0 END, "
		"artifacts=CASE WHEN :status='done' THEN artifacts ELSE '[]' END, "
		"output_urls=CASE WHEN :status='done' THEN output_urls ELSE '[]' END "
		"WHERE job_id=:job_id AND status=:was";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_for_job(db, sql, job_id, &stmt);
	if (r == 0)
		r = job_row_bind(stmt, to);
	if (r == 0)
		r = db_bind_text(stmt, ":job_id", job_id);
	if (r == 0)
		r = db_bind_text(stmt, ":was", was);
	return r < 0 ? r : change_one(db, stmt, -ESTALE);
}

int store_job_complete_external(struct store *store, const char *job_id, const char *was,
				const struct job_snapshot *to)
{
	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	return store_write_end(store, job_complete_external(&store->write, job_id, was, to));
}
