/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of the database: taken from a busy one, three kept, none of a damaged one; and the copy before a migration. */
#include "../../src/store/backup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "store_v1.h"
#include "storyclip/common/file.h"
#include "storyclip/store.h"

static char dir[] = "/tmp/storyclip-backup-XXXXXX";

/* A directory and a database in it for each test. */
static const char *world(const char *name, char database[128])
{
	char path[120];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	REQUIRE(mkdir(path, 0700) == 0);
	snprintf(database, 128, "%.100s/story.db", path);
	return database;
}

static bool by_hand(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	bool is_well;

	is_well = sqlite3_open(path, &db) == SQLITE_OK &&
		  sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(db);
	return is_well;
}

static int64_t ask(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t value = -1;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

static struct store *must_open(const char *path)
{
	struct store *store = NULL;
	struct error e = {0};

	if (store_open(path, 200, &e, &store) < 0)
		fprintf(stderr, "%s\n", e.message);
	REQUIRE(store);
	return store;
}

/* How many names in backup/ begin so. */
static unsigned int count(const char *database, const char *beginning)
{
	char path[160];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%.*s/backup", (int)(strrchr(database, '/') - database),
		 database);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		n += !strncmp(entry->d_name, beginning, strlen(beginning));
	if (d)
		closedir(d);
	return n;
}

/* A file in backup/, last written so many seconds ago. */
static void put_old(const char *database, const char *name, time_t seconds)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%.*s/backup", (int)(strrchr(database, '/') - database),
		 database);
	mkdir(path, 0700);
	snprintf(path + strlen(path), 100, "/%s", name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	CHECK_INT(futimens(fd, (struct timespec[2]){{time(NULL) - seconds, 0},
						    {time(NULL) - seconds, 0}}),
		  0);
	close(fd);
}

/* store_close() ends the thread; the copy of the start is made by then or given up: so wait for it. */
static void run_until(struct store *store, const char *database, const char *beginning,
		      unsigned int n)
{
	CHECK_INT(store_backups_start(store), 0);
	for (int i = 0; i < 2000 && count(database, beginning) != n; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	CHECK_INT(count(database, beginning), n);
}

static void test_copy_of_a_busy_one(void)
{
	char database[128];
	struct store *store = must_open(world("busy", database));
	auto_free char *copy = NULL;
	struct error e = {0};
	sqlite3 *db = NULL;
	struct stat st;

	CHECK_INT(store_meta_set(store, "before", "1"), 0);
	/* Somebody is in the middle of a write: a copy does not wait for it, nor does it hold it up. */
	CHECK_INT(sqlite3_open(database, &db), SQLITE_OK);
	CHECK_INT(sqlite3_exec(db,
			       "BEGIN IMMEDIATE; INSERT INTO meta VALUES ('during', '1')", NULL,
			       NULL, NULL),
		  SQLITE_OK);
	run_until(store, database, "story-2", 1);
	CHECK_INT(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	CHECK_INT(store_backup_newest(database, &copy), 0);
	REQUIRE(copy);
	CHECK_INT(ask(copy, "SELECT count(*) FROM meta WHERE key='before'"), 1);
	CHECK_INT(ask(copy, "SELECT count(*) FROM meta WHERE key='during'"), 0);
	CHECK_INT(ask(copy, "PRAGMA application_id"), 0x53434653);
	CHECK_INT(stat(copy, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(count(database, ".tmp"), 0);
	store_close(store);

	/* It is a database that the program takes. */
	CHECK_INT(rename(copy, database), 0);
	store = must_open(database);
	CHECK_INT(ask(database, "SELECT count(*) FROM meta WHERE key='before'"), 1);
	store_close(store);
	CHECK_INT(store_backup_newest("/nowhere/a.db", &copy), -ENOENT);
	CHECK_INT(store_copy("/nowhere/a.db", "/nowhere/b.db", &e), -ENOENT);
}

static void test_three_are_kept(void)
{
	static const char *const kept[] = {
		"story-2026-01-03T00:00:00Z.db.gz", "story-schema2-2020-01-01T00:00:00Z.db",
		"other-2020-01-01T00:00:00Z.db", "story-mine.db"};
	char database[128];
	struct store *store = must_open(world("three", database));

	for (size_t i = 0; i < SC_ARRAY_SIZE(kept); i++)
		put_old(database, kept[i], 7200);
	put_old(database, "story-2026-01-02T00:00:00Z.db", 7300);
	put_old(database, "story-2026-01-04T00:00:00Z.db", 7200);
	put_old(database, "story-2026-01-01T00:00:00Z.db", 7400);
	put_old(database, "story-2026-01-03T00:00:00Z.db", 7250);
	put_old(database, ".tmp", 7200);
	run_until(store, database, "story-2026-01-02", 0);
	store_close(store);
	CHECK_INT(count(database, "story-2026-01-01"), 0);
	CHECK_INT(count(database, "story-2026-01-03T00:00:00Z.db"), 2); /* and .db.gz */
	CHECK_INT(count(database, "story-2026-01-04"), 1);
	CHECK_INT(count(database, "story-2"), 4); /* with the new one and .db.gz */
	CHECK_INT(count(database, ".tmp"), 0);
	for (size_t i = 0; i < SC_ARRAY_SIZE(kept); i++)
		CHECK_INT(count(database, kept[i]), 1);
}

/* A daemon that is started again and again does not replace three good copies by three of now. */
static void test_fresh_one_is_enough(void)
{
	char database[128];
	struct store *store = must_open(world("fresh", database));

	put_old(database, "story-2026-01-01T00:00:00Z.db", 600);
	CHECK_INT(store_backups_start(store), 0);
	store_close(store);
	CHECK_INT(count(database, "story-2"), 1);
	/* but one from the future is no reason to make none */
	store = must_open(database);
	put_old(database, "story-2026-01-01T00:00:00Z.db", -86400);
	run_until(store, database, "story-2", 2);
	store_close(store);
}

static void damage(const char *path, int64_t from)
{
	char junk[4096];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	REQUIRE(fd >= 0);
	CHECK_INT(fstat(fd, &st), 0);
	memset(junk, 0x5a, sizeof(junk));
	for (int64_t at = from; at < st.st_size; at += 4096)
		CHECK_INT(file_pwrite_all(fd, junk, sizeof(junk), at), 0);
	close(fd);
}

static void test_damaged(void)
{
	char database[128], hint[ERROR_MESSAGE_SIZE];
	struct store *store = must_open(world("damaged", database));
	auto_free char *copy = NULL;
	struct error e = {0};

	for (int i = 0; i < 200; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key %d", i);
		CHECK_INT(store_meta_set(store, key, "a value that takes some room in a page"), 0);
	}
	store_close(store);
	backup_hint(database, hint);
	CHECK_CONTAINS(hint, "no copy");
	CHECK_INT(backup_make(database, "", NULL, &e, &copy), 0);
	damage(database, 3 * 4096);
	store = NULL;
	CHECK_INT(store_open(database, 200, &e, &store), -EUCLEAN);
	CHECK_CONTAINS(e.message, "is damaged");
	CHECK_CONTAINS(e.message, copy);
	CHECK_CONTAINS(e.message, "--repair");
	/* What is damaged is not copied over what is not. */
	CHECK_INT(backup_make(database, "again-", NULL, &e, NULL), -EUCLEAN);
	CHECK_INT(count(database, "story-again"), 0);
	CHECK_INT(count(database, ".tmp"), 0);

	damage(database, 0);
	CHECK_INT(store_open(database, 200, &e, &store), -EUCLEAN);
	CHECK_CONTAINS(e.message, copy);
}

/* The page where a table or index begins becomes zeros: nothing that an open reads. */
static void damage_root_of(const char *database, const char *name)
{
	char sql[128];
	static const char zeros[4096];
	int64_t page;
	int fd;

	snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_schema WHERE name='%.60s'", name);
	page = ask(database, sql);
	REQUIRE(page > 1);
	fd = open(database, O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_INT(file_pwrite_all(fd, zeros, sizeof(zeros), (page - 1) * 4096), 0);
	close(fd);
}

/* A life that ends in the middle; nothing of it is in the log any more. */
static void live_and_die(const char *database)
{
	pid_t pid = fork();
	int status = -1;

	REQUIRE(pid >= 0);
	if (pid == 0) {
		must_open(database);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK(by_hand(database, "PRAGMA wal_checkpoint(TRUNCATE)"));
}

static void wait_for_damage(struct store *store, char message[ERROR_MESSAGE_SIZE])
{
	message[0] = '\0';
	for (int i = 0; i < 2000 && !message[0]; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		store_status(store, message);
	}
}

static void test_found_behind_the_start(void)
{
	char database[128], other[160], message[ERROR_MESSAGE_SIZE];
	struct store *store = must_open(world("behind", database));
	auto_free char *copy = NULL, *whole = NULL;
	struct error e = {0};

	store_close(store);
	CHECK_INT(backup_make(database, "", NULL, &e, &copy), 0);
	CHECK_INT(asprintf(&whole, "%s.whole", database) > 0, 1);
	CHECK_INT(store_copy(database, whole, &e), 0);
	damage_root_of(database, "jobs_by_created");
	/* who wants all of it checked gets that */
	store = NULL;
	CHECK_INT(store_open(database, 200, &e, &store), -EUCLEAN);
	/* a copy has not been closed by anybody */
	snprintf(other, sizeof(other), "%s.other", database);
	CHECK_INT(store_copy(database, other, &e), 0);
	CHECK_INT(store_open_fast(other, 200, &e, &store), -EUCLEAN);
	/* and after a clean end the thread finds it */
	REQUIRE(store_open_fast(database, 200, &e, &store) == 0);
	store_status(store, message);
	CHECK_STR(message, "");
	CHECK_INT(store_backups_start(store), 0);
	wait_for_damage(store, message);
	CHECK_CONTAINS(message, "damaged (");
	CHECK_CONTAINS(message, copy);
	CHECK_INT(store_meta_set(store, "still", "written"), 0);
	store_status(store, message);
	CHECK_CONTAINS(message, copy);
	store_close(store);
	/* which was no clean end */
	store = NULL;
	CHECK_INT(store_open_fast(database, 200, &e, &store), -EUCLEAN);
	CHECK_CONTAINS(e.message, copy);

	/* An unclean end of a whole one. */
	CHECK_INT(rename(whole, database), 0);
	store_close(must_open(database));
	live_and_die(database);
	damage_root_of(database, "jobs_by_created");
	CHECK_INT(store_open_fast(database, 200, &e, &store), -EUCLEAN);
	CHECK_CONTAINS(e.message, "is damaged");
}

/* Nothing is found in a whole one, and a close in the middle of the look ends it. */
static void test_nothing_found(void)
{
	char database[128], message[ERROR_MESSAGE_SIZE];
	struct store *store = must_open(world("whole", database));
	struct error e = {0};

	store_close(store);
	for (int i = 0; i < 2; i++) {
		store = NULL;
		REQUIRE(store_open_fast(database, 200, &e, &store) == 0);
		if (i == 0)
			CHECK_INT(store_backups_start(store), 0);
		else
			run_until(store, database, "story-2", 1);
		store_status(store, message);
		CHECK_STR(message, "");
		store_close(store);
	}
}

static void test_before_a_migration(void)
{
	char database[128];
	struct store *store = NULL;
	struct error e = {0};

	CHECK(by_hand(world("v1", database), store_v1));
	store_close(must_open(database));
	CHECK_INT(count(database, "story-schema1-"), 1);
	CHECK(ask(database, "PRAGMA user_version") > 1);
	/* and none for one that needs none */
	store_close(must_open(database));
	CHECK_INT(count(database, "story-"), 1);

	/* A step that fails takes those before it back. */
	CHECK(by_hand(world("stuck", database), store_v1));
	CHECK(by_hand(database, "CREATE TABLE sidecars (ours)"));
	CHECK(store_open(database, 200, &e, &store) < 0);
	CHECK_INT(ask(database, "PRAGMA user_version"), 1);
	CHECK_INT(ask(database, "SELECT count(*) FROM pragma_table_info('jobs') WHERE name='source_at'"),
		  0);
	CHECK_INT(ask(database, "SELECT count(*) FROM jobs"), 2);
	CHECK_INT(count(database, "story-schema1-"), 1);
}

int main(void)
{
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	REQUIRE(mkdtemp(dir));
	test_copy_of_a_busy_one();
	test_three_are_kept();
	test_fresh_one_is_enough();
	test_damaged();
	test_found_behind_the_start();
	test_nothing_found();
	test_before_a_migration();
	file_remove_tree(tmp_fd, dir + strlen("/tmp/"));
	close(tmp_fd);
	return check_result();
}
