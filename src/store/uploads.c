/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Uploads: one row per path below incoming/. Paths are raw bytes. Any thread. */
#include <stdlib.h>
#include <string.h>

#include "db.h"

enum upload_state upload_state_from_name(const char *name)
{
	for (unsigned int i = 0; i < UPLOAD_STATE_COUNT; i++)
		if (!strcmp(upload_state_name((enum upload_state)i), name))
			return (enum upload_state)i;
	return UPLOAD_INCOMPLETE_STATE; /* a word that is not ours proves nothing */
}

static int upload_put(struct db *db, const struct upload_row *row)
{
	static const char sql[] =
		"INSERT INTO uploads (path, upload_id, size, mtime, mtime_ns, state, created_at) "
		"VALUES (:path, :path, :size, :mtime, :mtime_ns, :state, :created_at) "
		"ON CONFLICT (path) DO UPDATE SET size=excluded.size, mtime=excluded.mtime, "
		"mtime_ns=excluded.mtime_ns, state=excluded.state";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":path", row->path);
	if (r == 0)
		r = db_bind_int(stmt, ":size", row->size);
	if (r == 0)
		r = db_bind_int(stmt, ":mtime", row->mtime_ns / 1000000);
	if (r == 0)
		r = db_bind_int(stmt, ":mtime_ns", row->mtime_ns);
	if (r == 0)
		r = db_bind_text(stmt, ":state", upload_state_name(row->state));
	if (r == 0)
		r = db_bind_int(stmt, ":created_at", row->created_at);
	return r < 0 ? r : db_change(db, stmt);
}

/* A path, and what is below a directory: between "path/" and "path0" ('0' follows '/'). */
#define PATH_AND_BELOW(name) "(path=" name " OR (path > " name "||'/' AND path < " name "||'0'))"

static int upload_delete(struct db *db, const char *path)
{
	static const char sql[] = "DELETE FROM uploads WHERE " PATH_AND_BELOW(":path");
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":path", path);
	return r < 0 ? r : db_change(db, stmt);
}

static int upload_rename(struct db *db, const char *path, const char *new_path)
{
	/* As bytes: a name need not be UTF-8, and substr() of a text counts characters. */
	static const char sql[] =
		"UPDATE uploads SET "
		"path=:new || CAST(substr(CAST(path AS BLOB), :from) AS TEXT), "
		"upload_id=:new || CAST(substr(CAST(path AS BLOB), :from) AS TEXT) "
		"WHERE " PATH_AND_BELOW(":path");
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	if (!strcmp(path, new_path))
		return 0;
	r = upload_delete(db, new_path); /* it was replaced */
	if (r >= 0)
		r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":path", path);
	if (r == 0)
		r = db_bind_text(stmt, ":new", new_path);
	if (r == 0)
		r = db_bind_int(stmt, ":from", (int64_t)strlen(path) + 1);
	return r < 0 ? r : db_change(db, stmt);
}

static int upload_apply(struct db *db, const struct upload_change *change)
{
	switch (change->kind) {
	case UPLOAD_PUT:
		return upload_put(db, &change->row);
	case UPLOAD_DELETE:
		return upload_delete(db, change->row.path);
	case UPLOAD_RENAME:
		return upload_rename(db, change->row.path, change->new_path);
	}
	return -EINVAL;
}

static int uploads_apply(struct db *db, const struct upload_change *changes, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++)
		r = upload_apply(db, &changes[i]);
	return r < 0 ? r : 0;
}

int store_uploads_apply(struct store *store, const struct upload_change *changes, size_t n,
			bool is_synced)
{
	int r;

	if (!n)
		return 0;
	if (!store_write_begin(store, is_synced ? WRITE_SYNCED : WRITE_UNSYNCED))
		return -EBUSY;
	r = db_transaction_begin(&store->write);
	if (r == 0)
		r = db_transaction_end(&store->write, uploads_apply(&store->write, changes, n));
	return store_write_end(store, r);
}

static void row_read(sqlite3_stmt *stmt, struct upload_row *row)
{
	row->size = sqlite3_column_int64(stmt, 1);
	row->mtime_ns = sqlite3_column_int64(stmt, 2);
	row->state = upload_state_from_name(db_column_text(stmt, 3));
	row->created_at = sqlite3_column_int64(stmt, 4);
}

static int upload_get(struct db *db, const char *path, struct upload_row *ret)
{
	static const char sql[] = "SELECT path, size, mtime_ns, state, created_at FROM uploads "
				  "WHERE path=:path";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":path", path);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	row_read(stmt, ret);
	return 0;
}

int store_upload_get(struct store *store, const char *path, struct upload_row *ret)
{
	int r;

	lock_acquire(&store->reader);
	r = upload_get(&store->read, path, ret);
	lock_release(&store->reader);
	return r;
}

static int uploads_each(struct db *db, int (*each)(void *context, const struct upload_row *row),
			void *context)
{
	static const char sql[] = "SELECT path, size, mtime_ns, state, created_at FROM uploads "
				  "ORDER BY path";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0) {
		struct upload_row row = {.path = db_column_text(stmt, 0)};

		row_read(stmt, &row);
		r = each(context, &row);
	}
	return r;
}

int store_uploads_each(struct store *store,
		       int (*each)(void *context, const struct upload_row *row), void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = uploads_each(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}

static int uploads_older(struct db *db, int64_t after_at, const char *after_path, int64_t until,
			 struct upload_age_row *rows, size_t n)
{
	static const char sql[] =
		"SELECT created_at, path FROM uploads INDEXED BY uploads_by_created "
		"WHERE (created_at, path) > (:after, :path) AND created_at <= :until "
		"AND state<>'open' ORDER BY created_at, path LIMIT :n";
	auto_stmt sqlite3_stmt *stmt = NULL;
	size_t i = 0;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r == 0)
		r = db_bind_int(stmt, ":after", after_at);
	if (r == 0)
		r = db_bind_text(stmt, ":path", after_path);
	if (r == 0)
		r = db_bind_int(stmt, ":until", until);
	if (r == 0)
		r = db_bind_int(stmt, ":n", (int64_t)n);
	while (r >= 0 && i < n && (r = db_step(db, stmt)) > 0) {
		rows[i].created_at = sqlite3_column_int64(stmt, 0);
		rows[i].path = strdup(db_column_text(stmt, 1));
		if (!rows[i].path)
			r = -ENOMEM;
		else
			i++;
	}
	if (r >= 0)
		return (int)i;
	while (i)
		free(rows[--i].path);
	return r;
}

int store_uploads_older(struct store *store, int64_t after_at, const char *after_path, int64_t until,
			struct upload_age_row *rows, size_t n)
{
	int r;

	lock_acquire(&store->reader);
	r = uploads_older(&store->read, after_at, after_path, until, rows, n);
	lock_release(&store->reader);
	return r;
}
