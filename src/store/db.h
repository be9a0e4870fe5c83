/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One SQLite connection with its prepared statements, and the struct store that has two of them.
 * Private to src/store. A connection is used by whoever holds its lock.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>

#include "backup.h"
#include "storyclip/common/sync.h"
#include "storyclip/store.h"

/* "SCFS": what makes a database ours. */
#define DB_APPLICATION_ID 0x53434653

#define DB_STATEMENTS_MAX 64

struct db {
	sqlite3 *handle;
	/* Prepared once each, found by the address of their text. */
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} statements[DB_STATEMENTS_MAX];
	unsigned int n_statements;
	char error[ERROR_MESSAGE_SIZE]; /* of the last call that failed hard */
	bool is_damaged;                /* one has met damage */
};

enum write_level {
	WRITE_SYNCED,      /* on the disk when it returns */
	WRITE_UNSYNCED,    /* consistent after a power cut, but perhaps not there */
	WRITE_BEST_EFFORT, /* the same, and given up at once when somebody has the database */
};

struct store {
	char *path;
	unsigned int busy_ms;
	struct backup *backup; /* NULL until store_backups_start(); main thread */
	bool is_open;          /* whole, so that its close can be clean; main thread */
	bool is_checked;       /* the start has read it all; main thread */
	int file_fd, log_fd;   /* O_PATH, of the database and its -wal: whether they have gone */

	struct lock writer; /* guards the next two */
	struct db write;
	enum write_level level; /* what the connection is set to */

	struct lock reader; /* guards the next one */
	struct db read;

	/* Of its own, so that health can be read while a write waits for somebody's lock. */
	struct lock status; /* guards the next two */
	char last_error[ERROR_MESSAGE_SIZE];
	char damage[ERROR_MESSAGE_SIZE]; /* found behind the start; stays */
};

/** Map a result of SQLite to a negative errno and keep its text for health. */
int db_error(struct db *db, int rc);
/** Run SQL without result and parameters. */
int db_exec(struct db *db, const char *sql);
/** Read one integer. */
int db_get_int(struct db *db, const char *sql, int64_t *ret);
void db_close(struct db *db);

/**
 * The prepared statement of a static text. Give it back by auto_stmt before the lock is released.
 * @param sql  a string with static storage: its address is the key
 */
int db_statement(struct db *db, const char *sql, sqlite3_stmt **ret);
void db_statement_release(sqlite3_stmt **stmt);
#define auto_stmt __attribute__((cleanup(db_statement_release)))

/** Next row. @return 1 (a row), 0 (no more), or a negative errno */
int db_step(struct db *db, sqlite3_stmt *stmt);
/** Run a statement that changes rows. @return how many, or a negative errno (-EEXIST: not unique)
 */
int db_change(struct db *db, sqlite3_stmt *stmt);

/* Parameters by name; a statement that has none of that name is left alone. */
int db_bind_text(sqlite3_stmt *stmt, const char *name, const char *text);
int db_bind_int(sqlite3_stmt *stmt, const char *name, int64_t value);
/** A column's text, "" for NULL; valid until the next step. */
const char *db_column_text(sqlite3_stmt *stmt, int column);

/**
 * Every write is bracketed by these two: lock, how sure it must be, and what health says of it.
 * False (-EBUSY to the caller): best effort found the lock taken, or the level could not be set.
 */
bool store_write_begin(struct store *store, enum write_level level)
	SC_TRY_ACQUIRE(true, &store->writer);
/** @return r */
int store_write_end(struct store *store, int r) SC_RELEASE(&store->writer);

/** Several statements as one transaction; end commits when r is 0 or more, else rolls back. @return
 * r or the commit's error */
int db_transaction_begin(struct db *db);
int db_transaction_end(struct db *db, int r);

/** Bring the schema to this program's version (schema.c). Forward only. */
int schema_migrate(struct db *db, const char *path, struct error *e);
/** Whether the database is ours or empty: 0, or -EINVAL with a message that names the file. */
int schema_check_owner(struct db *db, const char *path, struct error *e);

/* Artifacts as the text of a JSON array, for one column (artifacts.c). */
int artifacts_to_json(const struct artifact *artifacts, size_t n, char **ret);
/** Damaged text gives -EINVAL. */
int artifacts_from_json(const char *text, struct artifact **ret, size_t *ret_n);

/** The reverse of upload_state_name(); a word that is not ours proves nothing: incomplete. */
enum upload_state upload_state_from_name(const char *name);

/** Bind every column that the statement names (job_row.c). */
int job_row_bind(sqlite3_stmt *stmt, const struct job_snapshot *job);
/** Read a row that SELECT JOB_COLUMNS gave. */
int job_row_read(sqlite3_stmt *stmt, struct job_snapshot *ret);
/* In the order of the table of columns in job_row.c. */
#define JOB_COLUMNS JOB_COLUMNS_WITH("artifacts")
/* The same, but for the clips: of many jobs they are much text that nobody may want. */
#define JOB_COLUMNS_BRIEF JOB_COLUMNS_WITH("'[]'")
#define JOB_COLUMNS_WITH(artifacts)                                                              \
	"job_id, upload_id, user_id, owner_uid, owner_gid, status, progress, message, attempt, " \
	"failures, max_attempts, priority, idempotency_key, deletes_upload, cut, total_clips, "  \
	"clips_ready, input_json, " artifacts ", "                                               \
	"warnings, source_path, source_dev, source_ino, "                                        \
	"source_size, source_mtime_ns, source_state, source_at, is_hold_copy, "                  \
	"order_json, not_before, version, created_at, started_at, updated_at, finished_at, "     \
	"error_code, "                                                                           \
	"error_msg"
/* A row that a person left half changed; the same words stand in the index of schema.c. */
#define JOB_IS_HALF_CHANGED                                                     \
	"(status NOT IN ('queued','running','done','failed','cancelled') "      \
	"OR (status IN ('done','failed','cancelled') AND finished_at IS NULL) " \
	"OR (status IN ('failed','cancelled') AND artifacts<>'[]') "            \
	"OR (status='failed' AND error_code IS NULL))"
