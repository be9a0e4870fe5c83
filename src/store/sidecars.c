/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which request beside which upload has started which job. An upload is known here by its inode,
 * and by what changes when it is written anew; so names may change, a directory above may be
 * renamed, and nothing is started twice. Any thread.
 */
#include <stdio.h>
#include <string.h>

#include "db.h"

static int sidecar_put(struct db *db, const struct sidecar_row *row)
{
	static const char sql[] = "INSERT OR REPLACE INTO sidecars (ino, request, born_ns, size, "
				  "mtime_ns, path, job_id, "
				  "is_accepted, created_at) VALUES (:ino, :request, :born_ns, "
				  ":size, :mtime_ns, :path, "
				  ":job_id, :is_accepted, :created_at)";
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{":ino", (int64_t)row->ino},
		{":born_ns", row->born_ns},
		{":size", row->size},
		{":mtime_ns", row->mtime_ns},
		{":is_accepted", row->is_accepted},
		{":created_at", row->created_at},
	};
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":request", row->request);
	if (r == 0)
		r = db_bind_text(stmt, ":path", row->path);
	if (r == 0)
		r = db_bind_text(stmt, ":job_id", row->job_id);
	for (size_t i = 0; i < SC_ARRAY_SIZE(numbers) && r == 0; i++)
		r = db_bind_int(stmt, numbers[i].name, numbers[i].value);
	return r < 0 ? r : db_change(db, stmt);
}

int store_sidecar_put(struct store *store, const struct sidecar_row *row)
{
	int r;

	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	r = sidecar_put(&store->write, row);
	return store_write_end(store, r < 0 ? r : 0);
}

static int sidecar_get(struct db *db, ino_t ino, const char *request, struct sidecar_row *ret)
{
	static const char sql[] =
		"SELECT born_ns, size, mtime_ns, job_id, is_accepted FROM sidecars "
		"WHERE ino=:ino AND request=:request";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":ino", (int64_t)ino);
	if (r == 0)
		r = db_bind_text(stmt, ":request", request);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = (struct sidecar_row){.ino = ino,
				    .born_ns = sqlite3_column_int64(stmt, 0),
				    .size = sqlite3_column_int64(stmt, 1),
				    .mtime_ns = sqlite3_column_int64(stmt, 2),
				    .is_accepted = sqlite3_column_int(stmt, 4) != 0};
	snprintf(ret->job_id, sizeof(ret->job_id), "%s", db_column_text(stmt, 3));
	return 0;
}

int store_sidecar_get(struct store *store, ino_t ino, const char *request, struct sidecar_row *ret)
{
	int r;

	lock_acquire(&store->reader);
	r = sidecar_get(&store->read, ino, request, ret);
	lock_release(&store->reader);
	return r;
}

static int sidecar_delete(struct db *db, ino_t ino, const char *request)
{
	static const char one[] = "DELETE FROM sidecars WHERE ino=:ino AND request=:request";
	static const char all[] = "DELETE FROM sidecars WHERE ino=:ino";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, request ? one : all, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":ino", (int64_t)ino);
	if (r == 0 && request)
		r = db_bind_text(stmt, ":request", request);
	return r < 0 ? r : db_change(db, stmt);
}

int store_sidecar_delete(struct store *store, ino_t ino, const char *request)
{
	int r;

	if (!store_write_begin(store, WRITE_UNSYNCED))
		return -EBUSY;
	r = sidecar_delete(&store->write, ino, request);
	return store_write_end(store, r < 0 ? r : 0);
}

static int sidecar_touched(struct db *db, ino_t ino, int64_t size, int64_t from_ns,
			   int64_t mtime_ns)
{
	static const char sql[] =
		"UPDATE sidecars SET mtime_ns=:mtime_ns WHERE ino=:ino AND size=:size "
		"AND mtime_ns=:from_ns";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":ino", (int64_t)ino);
	if (r == 0)
		r = db_bind_int(stmt, ":size", size);
	if (r == 0)
		r = db_bind_int(stmt, ":from_ns", from_ns);
	if (r == 0)
		r = db_bind_int(stmt, ":mtime_ns", mtime_ns);
	return r < 0 ? r : db_change(db, stmt);
}

int store_sidecar_touched(struct store *store, ino_t ino, int64_t size, int64_t from_ns,
			  int64_t mtime_ns)
{
	int r;

	if (!store_write_begin(store, WRITE_UNSYNCED))
		return -EBUSY;
	r = sidecar_touched(&store->write, ino, size, from_ns, mtime_ns);
	return store_write_end(store, r < 0 ? r : 0);
}

static int sidecars_each(struct db *db, int (*each)(void *context, ino_t ino), void *context)
{
	static const char sql[] = "SELECT DISTINCT ino FROM sidecars ORDER BY ino";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0)
		r = each(context, (ino_t)sqlite3_column_int64(stmt, 0));
	return r;
}

int store_sidecars_each(struct store *store, int (*each)(void *context, ino_t ino), void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = sidecars_each(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}
