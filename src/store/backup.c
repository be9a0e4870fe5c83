/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies of the database: the thread `backup`, which keeps the last three and first looks for
 * damage that the start did not look for, and the copy that is made before a migration. A copy is
 * taken by SQLite's backup API from one moment of the database, checked, synced, and only then gets
 * its name: what bears such a name can be put in the database's place. A reader of its own: no
 * write waits for a copy.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backup.h"
#include "db.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

#define KEEP         3
#define FRESH_MS     (INT64_C(3600) * 1000) /* starts in a row do not push the old copies out */
#define EVERY_MS     (INT64_C(24) * 3600 * 1000) /* of the monotonic clock */
#define PAGES_A_STEP 256                         /* between two looks whether the store is closed */
#define SPARE_BYTES \
	(INT64_C(1) << 20) /* beside the copy there must be room for what matters more */
#define BUSY_MS 5000

struct backup {
	char *database;
	char *dir;                 /* backup/ beside it */
	struct backup_wants wants; /* but its database */
	pthread_t thread;
	struct lock lock; /* guards nothing but the condition's wait */
	struct cond stop;
	atomic_bool is_stopping;
};

/* ---- names ---- */

/* The database's name without ".db": copies of several databases may lie in one directory. */
static void stem_of(const char *database, char *out, size_t size)
{
	const char *name = strrchr(database, '/');
	size_t len;

	snprintf(out, size, "%s", name ? name + 1 : database);
	len = strlen(out);
	if (len > 3 && !strcmp(out + len - 3, ".db"))
		out[len - 3] = '\0';
}

static char *dir_of(const char *database)
{
	const char *slash = strrchr(database, '/');
	char *dir = NULL;

	if (asprintf(&dir, "%.*s/backup", slash ? (int)(slash - database) : 1,
		     slash ? database : ".") < 0)
		return NULL;
	return dir;
}

/* "storyclip-2026-11-24T08:32:05Z.db": sorted by name is sorted by time. */
static void copy_name(const char *database, const char *what, char *out, size_t size)
{
	char stem[NAME_MAX - 64], when[CLOCK_UTC_SIZE];

	stem_of(database, stem, sizeof(stem));
	clock_format_utc(clock_wall_ms(&clock_system), when);
	snprintf(out, size, "%s-%s%.19sZ.db", stem, what, when);
}

/* Whether a name is that of a copy made by the day; a copy made before a migration is none. */
static bool is_daily(const char *name, const char *stem)
{
	static const char shape[] = "-0000-00-00T00:00:00Z.db";
	size_t len = strlen(stem);

	if (strncmp(name, stem, len) != 0 || strlen(name + len) != sizeof(shape) - 1)
		return false;
	for (const char *p = name + len, *s = shape; *s; p++, s++)
		if (*s == '0' ? *p < '0' || *p > '9' : *p != *s)
			return false;
	return true;
}

struct names {
	char *list[KEEP + 1]; /* the newest, newest first; owned */
	size_t n;
};

static void names_finish(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	names->n = 0;
}
#define auto_names __attribute__((cleanup(names_finish)))

/* Put a name in its place among the newest. @return the one that has none any more, to free() */
static char *names_put(struct names *names, char *name)
{
	size_t at = names->n;

	while (at > 0 && strcmp(names->list[at - 1], name) < 0)
		at--;
	if (at == KEEP)
		return name;
	if (names->n == KEEP) {
		char *last = names->list[KEEP - 1];

		memmove(&names->list[at + 1], &names->list[at],
			(KEEP - 1 - at) * sizeof(names->list[0]));
		names->list[at] = name;
		return last;
	}
	memmove(&names->list[at + 1], &names->list[at], (names->n - at) * sizeof(names->list[0]));
	names->list[at] = name;
	names->n++;
	return NULL;
}

/* The newest copies made by the day; with `is_rotating` all others, and what a crash left, go. */
static int names_read(const char *dir_path, const char *database, bool is_rotating,
		      struct names *ret)
{
	char stem[NAME_MAX - 64];
	struct dirent *entry;
	DIR *dir = opendir(dir_path);

	if (!dir)
		return -errno;
	stem_of(database, stem, sizeof(stem));
	while ((entry = readdir(dir))) {
		char *name, *gone;

		if (!is_daily(entry->d_name, stem))
			continue;
		name = strdup(entry->d_name);
		if (!name) {
			closedir(dir);
			return -ENOMEM;
		}
		gone = names_put(ret, name);
		if (gone && is_rotating && unlinkat(dirfd(dir), gone, 0) < 0)
			log_warning("backup: %s/%s cannot be removed: %s", dir_path, gone,
				    strerrordesc_np(errno));
		free(gone);
	}
	closedir(dir);
	return 0;
}

int store_backup_newest(const char *database, char **ret)
{
	auto_names struct names names = {0};
	auto_free char *dir = dir_of(database);
	int r;

	if (!dir)
		return -ENOMEM;
	r = names_read(dir, database, false, &names);
	if (r < 0)
		return r;
	if (!names.n)
		return -ENOENT;
	return asprintf(ret, "%s/%s", dir, names.list[0]) < 0 ? -ENOMEM : 0;
}

void backup_hint(const char *database, char out[ERROR_MESSAGE_SIZE])
{
	auto_free char *copy = NULL;

	if (store_backup_newest(database, &copy) == 0)
		snprintf(out, ERROR_MESSAGE_SIZE,
			 "restore the copy %.200s (storyclipfs --repair ROOT does it)", copy);
	else
		snprintf(out, ERROR_MESSAGE_SIZE, "there is no copy of it in backup/ beside it");
}

/* ---- one copy ---- */

static int fail(sqlite3 *db, int rc, const char *what, const char *path, struct error *e)
{
	static const struct {
		int rc, err;
	} errors[] = {{SQLITE_FULL, -ENOSPC},     {SQLITE_BUSY, -EBUSY},
		      {SQLITE_LOCKED, -EBUSY},    {SQLITE_CORRUPT, -EUCLEAN},
		      {SQLITE_NOTADB, -EUCLEAN},  {SQLITE_CANTOPEN, -ENOENT},
		      {SQLITE_INTERRUPT, -EINTR}, {SQLITE_NOMEM, -ENOMEM}};
	int err = -EIO;

	for (size_t i = 0; i < SC_ARRAY_SIZE(errors); i++)
		if (errors[i].rc == (rc & 0xff))
			err = errors[i].err;
	return error_set_errno(e, err, SC_INTERNAL, "%s '%s': %s", what, path,
			       db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* Read only; without a -wal file nobody has it open, and nothing is made beside it. */
static int source_open(const char *path, sqlite3 **ret)
{
	auto_free char *wal = NULL, *uri = NULL, *escaped = NULL;
	struct stat st;

	if (asprintf(&wal, "%s-wal", path) < 0)
		return SQLITE_NOMEM;
	if (stat(wal, &st) == 0 && st.st_size > 0)
		return sqlite3_open_v2(path, ret, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	/* As a URI, whose special characters are written by their number. */
	escaped = malloc(3 * strlen(path) + 1);
	if (!escaped)
		return SQLITE_NOMEM;
	for (char *to = escaped;; path++) {
		if (*path && !strchr("%?#", *path)) {
			*to++ = *path;
			continue;
		}
		*to = '\0';
		if (!*path)
			break;
		to += sprintf(to, "%%%02X", (unsigned char)*path);
	}
	if (asprintf(&uri, "file:%s?immutable=1", escaped) < 0)
		return SQLITE_NOMEM;
	return sqlite3_open_v2(uri, ret,
			       SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
}

/* All pages as they are at one moment: the open transaction keeps it, whoever writes meanwhile. */
static int pages_copy(sqlite3 *from, sqlite3 *to, const atomic_bool *cancel)
{
	sqlite3_backup *backup;
	int rc;

	rc = sqlite3_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	backup = sqlite3_backup_init(to, "main", from, "main");
	if (!backup)
		return sqlite3_errcode(to);
	do {
		rc = sqlite3_backup_step(backup, PAGES_A_STEP);
	} while (rc == SQLITE_OK && !(cancel && atomic_load(cancel)));
	if (sqlite3_backup_finish(backup) != SQLITE_OK)
		return sqlite3_errcode(to);
	return rc == SQLITE_DONE ? SQLITE_OK : rc == SQLITE_OK ? SQLITE_INTERRUPT : rc;
}

/* One "ok" row, or the first thing that is wrong. */
static int row_is_ok(void *context, int n, char **values, char **names)
{
	if (n == 1 && values[0] && strcmp(values[0], "ok") != 0)
		snprintf(context, ERROR_MESSAGE_SIZE, "%s", values[0]);
	for (char *p = context; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return 0;
}

/* One file without -wal, which a person can open as it is. */
static int copy_finish(sqlite3 *to, char wrong[ERROR_MESSAGE_SIZE])
{
	int rc = sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA integrity_check(1)", row_is_ok, wrong, NULL);
	return rc;
}

/* The copy lies under `to`, unsynced; on failure nothing does. */
static int copy_unsynced(const char *database, const char *to, bool is_checked,
			 const atomic_bool *cancel, struct error *e)
{
	char wrong[ERROR_MESSAGE_SIZE] = "";
	sqlite3 *source = NULL, *target = NULL;
	int rc, r = 0;

	rc = source_open(database, &source);
	if (rc == SQLITE_OK)
		sqlite3_busy_timeout(source, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(source, "PRAGMA wal_autocheckpoint=0", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		r = fail(source, rc, "database", database, e);
	if (r == 0) {
		rc = sqlite3_open_v2(
			to, &target,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(target, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF",
					  NULL, NULL, NULL);
		if (rc != SQLITE_OK)
			r = fail(target, rc, "copy", to, e);
	}
	if (r == 0 && (rc = pages_copy(source, target, cancel)) != SQLITE_OK)
		r = fail(sqlite3_errcode(source) != SQLITE_OK ? source : target, rc,
			 "copying database", database, e);
	if (r == 0 && is_checked && (rc = copy_finish(target, wrong)) != SQLITE_OK)
		r = fail(target, rc, "database", database, e);
	if (r == 0 && wrong[0])
		r = error_set_errno(e, -EUCLEAN, SC_INTERNAL, "database '%s' is damaged: %.300s",
				    database, wrong);
	sqlite3_close(source);
	sqlite3_close(target);
	if (r < 0)
		unlink(to);
	return r;
}

int store_copy(const char *database, const char *to, struct error *e)
{
	return copy_unsynced(database, to, false, NULL, e);
}

static int sync_path(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* There must be room for it, and for what matters more. */
static int has_room(const char *database, int dir_fd, struct error *e)
{
	int64_t free_bytes = file_free_bytes(dir_fd);
	struct stat st;

	if (stat(database, &st) < 0 || free_bytes < 0 || free_bytes >= 2 * st.st_size + SPARE_BYTES)
		return 0;
	return error_set_errno(e, -ENOSPC, SC_NO_SPACE,
			       "no copy of database '%s' is made: only %lld bytes are free",
			       database, (long long)free_bytes);
}

int backup_make(const char *database, const char *what, const atomic_bool *cancel, struct error *e,
		char **ret)
{
	auto_free char *dir = dir_of(database), *tmp = NULL, *path = NULL;
	char name[NAME_MAX];
	auto_fd int dir_fd = -1;
	int r;

	if (!dir)
		return error_from_errno(e, -ENOMEM, "copying database '%s'", database);
	copy_name(database, what, name, sizeof(name));
	r = file_make_dirs(dir, 0700);
	if (r == 0 && (dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = -errno;
	if (r == 0 &&
	    (asprintf(&path, "%s/%s", dir, name) < 0 || asprintf(&tmp, "%s/.tmp", dir) < 0))
		r = -ENOMEM;
	if (r < 0)
		return error_from_errno(e, r, "making %s", dir);
	r = has_room(database, dir_fd, e);
	if (r < 0)
		return r;
	unlink(tmp); /* of a crash */
	r = copy_unsynced(database, tmp, true, cancel, e);
	if (r < 0)
		return r;
	r = sync_path(tmp);
	if (r == 0 && (chmod(tmp, 0600) < 0 || rename(tmp, path) < 0))
		r = -errno;
	if (r == 0)
		r = file_sync_dir(dir_fd);
	if (r < 0) {
		unlink(tmp);
		return error_from_errno(e, r, "copying database '%s' to '%s'", database, path);
	}
	if (ret)
		*ret = take_ptr(path);
	return 0;
}

/* ---- the thread ---- */

static int is_cancelled(void *cancel)
{
	return atomic_load((atomic_bool *)cancel);
}

/*
 * Whether the database in use is damaged. As a reader beside the store, never as a file that nobody
 * changes (source_open()): a log emptied just now would show half of the next commit.
 */
static void look_for_damage(struct backup *backup, const char *pragma)
{
	char wrong[ERROR_MESSAGE_SIZE] = "", hint[ERROR_MESSAGE_SIZE];
	struct error e = {0};
	sqlite3 *db = NULL;
	int rc, r = 0;

	rc = sqlite3_open_v2(backup->database, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		sqlite3_progress_handler(db, 10000, is_cancelled, &backup->is_stopping);
		rc = sqlite3_exec(db, pragma, row_is_ok, wrong, NULL);
	}
	if (rc != SQLITE_OK)
		r = fail(db, rc, "checking database", backup->database, &e);
	if (r == -EUCLEAN)
		snprintf(wrong, sizeof(wrong), "%s", sqlite3_errmsg(db));
	else if (r < 0 && r != -EINTR)
		log_warning("backup: %s", e.message);
	sqlite3_close(db);
	if (!wrong[0] || (r < 0 && r != -EUCLEAN))
		return;
	backup_hint(backup->database, hint);
	error_set(&e, SC_INTERNAL, "damaged (%.100s): %.300s", wrong, hint);
	log_error("database '%s': %s", backup->database, e.message);
	backup->wants.damaged(backup->wants.context, e.message);
}

/* A copy from the future (a clock that was wrong) keeps nobody from making one. */
static bool newest_is_fresh(const char *database)
{
	auto_free char *path = NULL;
	struct stat st;
	int64_t age;

	if (store_backup_newest(database, &path) < 0 || stat(path, &st) < 0)
		return false;
	age = clock_wall_ms(&clock_system) - (int64_t)st.st_mtim.tv_sec * 1000;
	return age >= 0 && age < FRESH_MS;
}

static void make_and_rotate(struct backup *backup)
{
	auto_names struct names names = {0};
	auto_free char *path = NULL;
	struct error e = {0};
	int r;

	r = backup_make(backup->database, "", &backup->is_stopping, &e, &path);
	if (r == -EINTR)
		return;
	if (r < 0) {
		/* The older copies stay: one of them may be needed soon. */
		log_error("backup: %s", e.message);
		if (r == -EUCLEAN)
			look_for_damage(backup, "PRAGMA integrity_check(1)");
		return;
	}
	log_info("backup: the database was copied to %s", path);
	names_read(backup->dir, backup->database, true, &names);
}

static void *backup_run(void *arg)
{
	struct backup *backup = arg;
	bool is_first = true;

	if (backup->wants.is_checking)
		look_for_damage(backup, "PRAGMA quick_check(1)");
	while (!atomic_load(&backup->is_stopping)) {
		if (!is_first || !newest_is_fresh(backup->database))
			make_and_rotate(backup);
		is_first = false;
		lock_acquire(&backup->lock);
		if (!atomic_load(&backup->is_stopping))
			cond_wait_for(&backup->stop, &backup->lock, EVERY_MS);
		lock_release(&backup->lock);
	}
	return NULL;
}

static void backup_free(struct backup *backup)
{
	lock_finish(&backup->lock);
	cond_finish(&backup->stop);
	free(backup->database);
	free(backup->dir);
	free(backup);
}

int backup_start(const struct backup_wants *wants, struct backup **ret)
{
	struct backup *backup = calloc(1, sizeof(*backup));
	int r;

	if (!backup)
		return -ENOMEM;
	lock_init(&backup->lock);
	cond_init(&backup->stop);
	backup->wants = *wants;
	backup->database = strdup(wants->database);
	backup->dir = dir_of(wants->database);
	r = backup->database && backup->dir ? 0 : -ENOMEM;
	if (r == 0)
		r = thread_start(&backup->thread, "backup", backup_run, backup);
	if (r < 0) {
		backup_free(backup);
		return r;
	}
	*ret = backup;
	return 0;
}

void backup_stop(struct backup *backup)
{
	if (!backup)
		return;
	lock_acquire(&backup->lock);
	atomic_store(&backup->is_stopping, true);
	cond_broadcast(&backup->stop);
	lock_release(&backup->lock);
	pthread_join(backup->thread, NULL);
	backup_free(backup);
}
