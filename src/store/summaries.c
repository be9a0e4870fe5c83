/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What shows many rows at once: numbers of jobs and uploads, the newest of them. Each is a bounded
 * number of look-ups in an index, however long the history is. Any thread.
 */
#include <stdio.h>
#include <string.h>

#include "db.h"
#include "storyclip/common/utf8.h"

static int job_counts(struct db *db, struct store_counts *ret)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "SELECT status, n FROM job_counts", &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0) {
		enum job_state state = JOB_FAILED; /* a word that a person has just written */

		job_state_from_name(db_column_text(stmt, 0), &state);
		ret->jobs[state] += (uint64_t)sqlite3_column_int64(stmt, 1);
		r = 0;
	}
	return r;
}

static int upload_counts(struct db *db, struct store_counts *ret)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "SELECT state, n, bytes FROM upload_counts", &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0) {
		enum upload_state state = upload_state_from_name(db_column_text(stmt, 0));

		ret->uploads[state] += (uint64_t)sqlite3_column_int64(stmt, 1);
		ret->upload_bytes[state] += sqlite3_column_int64(stmt, 2);
		r = 0;
	}
	return r;
}

int store_counts(struct store *store, struct store_counts *ret)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	lock_acquire(&store->reader);
	r = job_counts(&store->read, ret);
	if (r == 0)
		r = upload_counts(&store->read, ret);
	lock_release(&store->reader);
	return r;
}

static int jobs_newest(struct db *db, struct job_snapshot *jobs, size_t n)
{
	static const char sql[] = "SELECT " JOB_COLUMNS_BRIEF " FROM jobs ORDER BY cookie DESC LIMIT :n";
	auto_stmt sqlite3_stmt *stmt = NULL;
	size_t used = 0;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":n", (int64_t)n);
	while (r == 0 && used < n && (r = db_step(db, stmt)) > 0) {
		r = job_row_read(stmt, &jobs[used]);
		used += r == 0;
	}
	if (r >= 0)
		return (int)used;
	while (used)
		job_snapshot_finish(&jobs[--used]);
	return r;
}

int store_jobs_newest(struct store *store, struct job_snapshot *jobs, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = jobs_newest(&store->read, jobs, n);
	lock_release(&store->reader);
	return r;
}

static void cut_extension(char *path)
{
	char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash + 1 : path, '.');

	if (dot)
		*dot = '\0';
}

/* A job names its upload by the whole path, or by that without its extension; either with %XX for bytes that
 * are not UTF-8, or (a sidecar's) as it is (INTERFACE.md). */
static int newest_job_of(struct db *db, struct upload_summary *upload)
{
	static const char sql[] =
		"SELECT job_id, status FROM jobs WHERE cookie=max("
		"coalesce((SELECT max(cookie) FROM jobs WHERE upload_id=:path), 0),"
		"coalesce((SELECT max(cookie) FROM jobs WHERE upload_id=:stem), 0),"
		"coalesce((SELECT max(cookie) FROM jobs WHERE upload_id=:shown), 0),"
		"coalesce((SELECT max(cookie) FROM jobs WHERE upload_id=:shown_stem), 0))";
	auto_stmt sqlite3_stmt *stmt = NULL;
	auto_free char *stem = strdup(upload->path), *shown = utf8_escape(upload->path),
		       *shown_stem = shown ? strdup(shown) : NULL;
	const struct {
		const char *name, *value;
	} spellings[] = {
		{":path", upload->path}, {":stem", stem}, {":shown", shown}, {":shown_stem", shown_stem}};
	int r;

	if (!stem || !shown_stem)
		return -ENOMEM;
	cut_extension(stem);
	cut_extension(shown_stem);
	r = db_statement(db, sql, &stmt);
	for (size_t i = 0; i < SC_ARRAY_SIZE(spellings) && r == 0; i++)
		r = db_bind_text(stmt, spellings[i].name, spellings[i].value);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r;
	snprintf(upload->job_id, sizeof(upload->job_id), "%s", db_column_text(stmt, 0));
	if (job_state_from_name(db_column_text(stmt, 1), &upload->job_state) < 0)
		upload->job_state = JOB_FAILED;
	return 0;
}

static int upload_read(struct db *db, sqlite3_stmt *stmt, struct upload_summary *ret)
{
	*ret = (struct upload_summary){
		.path = strdup(db_column_text(stmt, 0)),
		.size = sqlite3_column_int64(stmt, 1),
		.mtime_ns = sqlite3_column_int64(stmt, 2),
		.state = upload_state_from_name(db_column_text(stmt, 3)),
		.created_at = sqlite3_column_int64(stmt, 4),
	};
	return ret->path ? newest_job_of(db, ret) : -ENOMEM;
}

static int uploads_newest(struct db *db, struct upload_summary *uploads, size_t n)
{
	/* Requests beside uploads, and the answers to them, have rows as well, but are none. */
	static const char sql[] = "SELECT path, size, mtime_ns, state, created_at FROM uploads "
				  "WHERE path NOT GLOB '*.process' AND path NOT GLOB '*.process.error' "
				  "ORDER BY created_at DESC LIMIT :n";
	auto_stmt sqlite3_stmt *stmt = NULL;
	size_t used = 0;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":n", (int64_t)n);
	while (r == 0 && used < n && (r = db_step(db, stmt)) > 0)
		r = upload_read(db, stmt, &uploads[used++]);
	if (r >= 0)
		return (int)used;
	while (used)
		free(uploads[--used].path);
	return r;
}

int store_uploads_newest(struct store *store, struct upload_summary *uploads, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = uploads_newest(&store->read, uploads, n);
	lock_release(&store->reader);
	return r;
}
