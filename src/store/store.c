/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The database as a file: two connections, their pragmas, what a start looks at, what a close
 * leaves. What the rows mean stands in jobs.c and uploads.c. Any thread; each connection has its
 * lock (db.c).
 */
#include "storyclip/store.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "db.h"
#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

#define WAL_ROOM_BYTES (4608 * 1024)
#define CHUNK_BYTES    (64 * 1024) /* by which the database grows: most changes need no room */

static int write_set_level(struct store *store, enum write_level level)
{
	int r;

	if (store->level == level)
		return 0;
	r = db_exec(&store->write, level == WRITE_SYNCED ? "PRAGMA synchronous=FULL"
							 : "PRAGMA synchronous=NORMAL");
	if (r < 0)
		return r;
	sqlite3_busy_timeout(store->write.handle,
			     level == WRITE_BEST_EFFORT ? 0 : (int)store->busy_ms);
	store->level = level;
	return 0;
}

/* The analysis cannot see that both ways to take the lock lead to the same return. */
/* Whether the file has no name any more. Renamed, with all of ROOT, is not gone. */
static bool is_removed(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* What is written to a file without a name is lost with its last descriptor: better refused than
 * answered. */
static bool has_gone(struct store *store)
{
	if (!is_removed(store->file_fd) && !is_removed(store->log_fd))
		return false;
	lock_acquire(&store->status);
	if (!store->damage[0]) {
		snprintf(store->damage, sizeof(store->damage),
			 "'%.200s' or its -wal was removed or replaced while the mount used it; "
			 "stop the mount, put a copy in its place and start again",
			 store->path);
		log_error("database: %s", store->damage);
	}
	lock_release(&store->status);
	return true;
}

bool store_write_begin(struct store *store, enum write_level level) SC_NO_THREAD_SAFETY
{
	if (level != WRITE_BEST_EFFORT)
		lock_acquire(&store->writer);
	else if (!lock_try_acquire(&store->writer))
		return false;
	if (!has_gone(store) && write_set_level(store, level) == 0)
		return true;
	lock_release(&store->writer);
	return false;
}

int store_write_end(struct store *store, int r)
{
	static const int hard[] = {-EIO, -ENOSPC, -EBUSY, -ENOMEM, -EACCES, -EINVAL, -EUCLEAN};
	bool is_hard = false;

	for (size_t i = 0; i < SC_ARRAY_SIZE(hard); i++)
		is_hard |= r == hard[i];
	lock_acquire(&store->status);
	if (!is_hard)
		store->last_error[0] = '\0';
	else if (store->level != WRITE_BEST_EFFORT)
		snprintf(store->last_error, sizeof(store->last_error), "%s", store->write.error);
	lock_release(&store->status);
	lock_release(&store->writer);
	return r;
}

void store_status(struct store *store, char message[ERROR_MESSAGE_SIZE])
{
	lock_acquire(&store->status);
	snprintf(message, ERROR_MESSAGE_SIZE, "%s",
		 store->last_error[0] ? store->last_error : store->damage);
	lock_release(&store->status);
}

/* SQLite would create it by the umask; the -wal and -shm files take its mode over. */
static int create_file(const char *path)
{
	auto_free char *copy = strdup(path);
	auto_fd int fd = -1, dir_fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	dir_fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -errno : file_sync_dir(dir_fd);
}

/* Somebody has lost it, or put it elsewhere: not to be noticed when the copies are those of the new
 * one. */
static void warn_of_copies(const char *path)
{
	auto_free char *copy = NULL;

	if (store_backup_newest(path, &copy) == 0)
		log_warning(
			"database '%s' was missing: a new one is begun, without a job, though "
			"there is the copy %s; to go on with that: unmount, copy it there, mount",
			path, copy);
}

static int db_open(struct db *db, const char *path, unsigned int busy_ms)
{
	int rc = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				 NULL);

	if (rc != SQLITE_OK)
		return db_error(db, rc);
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, (int)busy_ms);
	return db_exec(db, "PRAGMA trusted_schema=OFF");
}

/* Why it cannot be opened; of a damaged one also what to do. */
static int refuse(const struct db *db, const char *path, int r, struct error *e)
{
	char hint[ERROR_MESSAGE_SIZE];

	if (r != -EUCLEAN)
		return error_set_errno(e, r, SC_INTERNAL, "database '%s': %s", path, db->error);
	backup_hint(path, hint);
	return error_set_errno(e, r, SC_INTERNAL, "database '%.150s' is damaged (%.100s): %.240s",
			       path, db->error, hint);
}

/* Better than to find it out in the middle of a job; it reads all, 1.3 s for a million jobs. */
static int check_quickly(struct db *db)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "PRAGMA quick_check(1)", &stmt);
	if (r == 0)
		r = db_step(db, stmt);
	if (r < 0)
		return r;
	if (r == 0 || !strcmp(db_column_text(stmt, 0), "ok"))
		return 0;
	snprintf(db->error, sizeof(db->error), "%s", db_column_text(stmt, 0));
	for (char *p = db->error; *p; p++)
		if (*p == '\n')
			*p = ' ';
	db->is_damaged = true;
	return -EUCLEAN;
}

static int set_wal(struct db *db, const char *path, struct error *e)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "PRAGMA journal_mode=WAL", &stmt);
	if (r == 0)
		r = db_step(db, stmt);
	if (r < 0)
		return refuse(db, path, r, e);
	if (strcmp(db_column_text(stmt, 0), "wal") != 0)
		return error_set_errno(
			e, -ENOTSUP, SC_INTERNAL,
			"database '%s': its file system cannot do WAL; it must be local", path);
	return 0;
}

/*
 * Room for the write-ahead log up to its checkpoint (1000 pages, SQLite's default), taken while
 * there is some: on a full disk jobs still end, and what frees room, the removal of a job, is still
 * written. The log alone may be opened beside SQLite: it has no lock that a close would drop.
 */
static void reserve_room(struct store *store)
{
	auto_free char *path = NULL;
	auto_fd int fd = -1;
	int chunk = CHUNK_BYTES;

	sqlite3_file_control(store->write.handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
	if (asprintf(&path, "%s-wal", store->path) < 0)
		return;
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, WAL_ROOM_BYTES) < 0)
		log_info("database '%s': no room is reserved for its log: %s", store->path,
			 strerrordesc_np(errno));
}

/*
 * The mark of a clean close: the last commit before it, gone before anything else is written. It
 * names the file, so that a copy of the database bears none.
 */
#define CLEAN_CLOSE "clean_close"

static int clean_mark(const char *path, char out[64])
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	snprintf(out, 64, "%llx:%llx", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return 0;
}

/* A log with something in it: somebody, perhaps another program, has ended in the middle. */
static bool has_log(const char *path)
{
	auto_free char *log = NULL;
	struct stat st;

	return asprintf(&log, "%s-wal", path) < 0 || (stat(log, &st) == 0 && st.st_size > 0);
}

static int meta_get(struct db *db, const char *key, char *value, size_t size);
static int meta_set(struct db *db, const char *key, const char *value);

/* What cannot be read was not closed cleanly: then all of it is checked. */
static bool was_closed_cleanly(struct store *store)
{
	char mark[64], found[64];

	return clean_mark(store->path, mark) == 0 &&
	       meta_get(&store->write, CLEAN_CLOSE, found, sizeof(found)) == 0 &&
	       !strcmp(found, mark);
}

static void mark_clean_close(struct store *store)
{
	char mark[64];
	int r;

	if (!store->is_open || store->damage[0] || store->write.is_damaged ||
	    store->read.is_damaged)
		return;
	lock_acquire(&store->writer);
	r = write_set_level(store, WRITE_SYNCED);
	if (r == 0)
		r = clean_mark(store->path, mark);
	if (r == 0)
		r = meta_set(&store->write, CLEAN_CLOSE, mark);
	lock_release(&store->writer);
	if (r < 0)
		log_warning("database '%s': the next start checks all of it: %s", store->path,
			    strerrordesc_np(-r));
}

/* By O_PATH: the close of any other descriptor of the file would drop SQLite's locks on it. */
static void watch_files(struct store *store)
{
	auto_free char *log = NULL;

	store->file_fd = open(store->path, O_PATH | O_CLOEXEC);
	if (asprintf(&log, "%s-wal", store->path) >= 0)
		store->log_fd = open(log, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int open_connections(struct store *store, bool is_always_checked, struct error *e)
{
	bool had_log = has_log(store->path), was_there = access(store->path, F_OK) == 0;
	int r;

	r = create_file(store->path);
	if (r == 0 && !was_there)
		warn_of_copies(store->path);
	if (r < 0)
		return error_from_errno(e, r, "creating database '%s'", store->path);
	r = db_open(&store->write, store->path, store->busy_ms);
	if (r < 0)
		return refuse(&store->write, store->path, r, e);
	r = schema_check_owner(&store->write, store->path, e);
	if (r == -EUCLEAN)
		return refuse(&store->write, store->path, r, e);
	if (r < 0)
		return r;
	r = set_wal(&store->write, store->path, e);
	if (r < 0)
		return r;
	store->is_checked = is_always_checked || had_log || !was_closed_cleanly(store);
	r = store->is_checked ? check_quickly(&store->write) : 0;
	if (r == 0)
		r = db_exec(&store->write,
			    "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304");
	if (r < 0)
		return refuse(&store->write, store->path, r, e);
	r = schema_migrate(&store->write, store->path, e);
	if (r < 0)
		return r;
	r = db_exec(&store->write, "DELETE FROM meta WHERE key='" CLEAN_CLOSE "'");
	if (r < 0)
		return refuse(&store->write, store->path, r, e);
	reserve_room(store);
	/* All checkpoints are the writer's: two connections that make them can damage a database
	 * (SQLite before 3.51.3, sqlite.org/wal.html). */
	r = db_open(&store->read, store->path, store->busy_ms);
	if (r == 0)
		r = db_exec(&store->read, "PRAGMA wal_autocheckpoint=0; PRAGMA query_only=1");
	if (r < 0)
		return refuse(&store->read, store->path, r, e);
	watch_files(store);
	return 0;
}

static int open_store(const char *path, unsigned int busy_ms, bool is_always_checked,
		      struct error *e, struct store **ret)
{
	auto_of(store) struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return error_from_errno(e, -ENOMEM, "opening database '%s'", path);
	lock_init(&store->writer);
	lock_init(&store->reader);
	lock_init(&store->status);
	store->level = WRITE_SYNCED;
	store->busy_ms = busy_ms;
	store->file_fd = store->log_fd = -1;
	store->path = strdup(path);
	if (!store->path)
		return error_from_errno(e, -ENOMEM, "opening database '%s'", path);
	r = open_connections(store, is_always_checked, e);
	if (r < 0)
		return r;
	store->is_open = true;
	*ret = take_ptr(store);
	return 0;
}

int store_open(const char *path, unsigned int busy_ms, struct error *e, struct store **ret)
{
	return open_store(path, busy_ms, true, e, ret);
}

int store_open_fast(const char *path, unsigned int busy_ms, struct error *e, struct store **ret)
{
	return open_store(path, busy_ms, false, e, ret);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	backup_stop(store->backup);
	mark_clean_close(store);
	/* The writer last: the last one to close makes the final checkpoint. */
	db_close(&store->read);
	db_close(&store->write);
	if (store->file_fd >= 0)
		close(store->file_fd);
	if (store->log_fd >= 0)
		close(store->log_fd);
	lock_finish(&store->status);
	lock_finish(&store->reader);
	lock_finish(&store->writer);
	free(store->path);
	free(store);
}

/* On the thread of the backups. */
static void damage_found(void *context, const char *message)
{
	struct store *store = context;

	lock_acquire(&store->status);
	snprintf(store->damage, sizeof(store->damage), "%s", message);
	lock_release(&store->status);
}

int store_check(struct store *store, struct error *e)
{
	int r;

	lock_acquire(&store->writer);
	r = check_quickly(&store->write);
	if (r < 0)
		r = refuse(&store->write, store->path, r, e);
	lock_release(&store->writer);
	return r;
}

int store_backups_start(struct store *store)
{
	struct backup_wants wants = {
		.database = store->path,
		.is_checking = !store->is_checked,
		.context = store,
		.damaged = damage_found,
	};

	return store->backup ? 0 : backup_start(&wants, &store->backup);
}

static int integrity_each(struct db *db, int (*each)(void *context, const char *line),
			  void *context)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "PRAGMA integrity_check", &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0)
		r = strcmp(db_column_text(stmt, 0), "ok") != 0
			    ? each(context, db_column_text(stmt, 0))
			    : 0;
	return r;
}

int store_integrity_each(struct store *store, int (*each)(void *context, const char *line),
			 void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = integrity_each(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}

static int meta_get(struct db *db, const char *key, char *value, size_t size)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "SELECT value FROM meta WHERE key=:key", &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":key", key);
	if (r == 0)
		r = db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	snprintf(value, size, "%s", db_column_text(stmt, 0));
	return 0;
}

int store_meta_get(struct store *store, const char *key, char *value, size_t size)
{
	int r;

	lock_acquire(&store->reader);
	r = meta_get(&store->read, key, value, size);
	lock_release(&store->reader);
	return r;
}

static int meta_set(struct db *db, const char *key, const char *value)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "INSERT OR REPLACE INTO meta (key, value) VALUES (:key, :value)",
			 &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":key", key);
	if (r == 0)
		r = db_bind_text(stmt, ":value", value);
	if (r == 0)
		r = db_change(db, stmt);
	return r < 0 ? r : 0;
}

int store_meta_set(struct store *store, const char *key, const char *value)
{
	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	return store_write_end(store, meta_set(&store->write, key, value));
}

int store_data_version(struct store *store, int64_t *ret)
{
	int r;

	/* On the writer, whose own commits do not count. */
	lock_acquire(&store->writer);
	r = db_get_int(&store->write, "PRAGMA data_version", ret);
	lock_release(&store->writer);
	return r;
}
