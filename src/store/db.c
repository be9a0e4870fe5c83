/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection: prepared statements, their parameters and rows, transactions, errors. Whoever
 * holds its lock.
 */
#include "db.h"

#include <stdio.h>

static const struct {
	int rc;
	int err;
} db_errors[] = {
	{SQLITE_BUSY, -EBUSY},     {SQLITE_LOCKED, -EBUSY},    {SQLITE_FULL, -ENOSPC},
	{SQLITE_NOMEM, -ENOMEM},   {SQLITE_PERM, -EACCES},     {SQLITE_READONLY, -EIO},
	{SQLITE_NOTADB, -EUCLEAN}, {SQLITE_CORRUPT, -EUCLEAN},
};

int db_error(struct db *db, int rc)
{
	int extended = db->handle ? sqlite3_extended_errcode(db->handle) : rc;

	if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY)
		return -EEXIST;
	snprintf(db->error, sizeof(db->error), "%s",
		 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
	for (size_t i = 0; i < SC_ARRAY_SIZE(db_errors); i++)
		if (db_errors[i].rc == (rc & 0xff)) {
			db->is_damaged |= db_errors[i].err == -EUCLEAN;
			return db_errors[i].err;
		}
	return -EIO;
}

int db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(db, rc);
}

int db_get_int(struct db *db, const char *sql, int64_t *ret)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	if (r < 0)
		return r;
	r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = sqlite3_column_int64(stmt, 0);
	return 0;
}

int db_statement(struct db *db, const char *sql, sqlite3_stmt **ret)
{
	sqlite3_stmt *stmt;
	int rc;

	for (unsigned int i = 0; i < db->n_statements; i++) {
		if (db->statements[i].sql == sql) {
			*ret = db->statements[i].stmt;
			return 0;
		}
	}
	if (db->n_statements == DB_STATEMENTS_MAX)
		return -ENOMEM; /* more texts than the table has places: a bug, seen by any test */
	rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return db_error(db, rc);
	db->statements[db->n_statements].sql = sql;
	db->statements[db->n_statements++].stmt = stmt;
	*ret = stmt;
	return 0;
}

void db_statement_release(sqlite3_stmt **stmt)
{
	if (!*stmt)
		return;
	sqlite3_reset(*stmt);
	sqlite3_clear_bindings(*stmt);
}

int db_step(struct db *db, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : db_error(db, rc);
}

int db_change(struct db *db, sqlite3_stmt *stmt)
{
	int r = db_step(db, stmt);

	return r < 0 ? r : sqlite3_changes(db->handle);
}

int db_bind_text(sqlite3_stmt *stmt, const char *name, const char *text)
{
	int i = sqlite3_bind_parameter_index(stmt, name), rc;

	if (!i)
		return 0;
	rc = text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT)
		  : sqlite3_bind_null(stmt, i);
	return rc == SQLITE_OK ? 0 : -ENOMEM;
}

int db_bind_int(sqlite3_stmt *stmt, const char *name, int64_t value)
{
	int i = sqlite3_bind_parameter_index(stmt, name);

	return !i || sqlite3_bind_int64(stmt, i, value) == SQLITE_OK ? 0 : -ENOMEM;
}

const char *db_column_text(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? text : "";
}

void db_close(struct db *db)
{
	for (unsigned int i = 0; i < db->n_statements; i++)
		sqlite3_finalize(db->statements[i].stmt);
	db->n_statements = 0;
	sqlite3_close(db->handle);
	db->handle = NULL;
}

int db_transaction_begin(struct db *db)
{
	return db_exec(db, "BEGIN IMMEDIATE");
}

int db_transaction_end(struct db *db, int r)
{
	if (r >= 0) {
		int commit = db_exec(db, "COMMIT");

		if (commit == 0)
			return r;
		r = commit;
	}
	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	return r;
}
