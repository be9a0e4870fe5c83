/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the database looks like, as numbered steps from an empty one: forward only, all that are
 * missing in one transaction, behind a copy. A step that was released is never changed; a change is
 * a new step.
 */
#include <stdio.h>
#include <string.h>

#include "db.h"
#include "storyclip/common/log.h"

/* Of step 7. Requests beside uploads, and the answers to them, have rows as well, but are no uploads. */
#define IS_UPLOAD(path) path " NOT GLOB '*.process' AND " path " NOT GLOB '*.process.error'"
#define COUNT_NEW_UPLOAD                                                                           \
	" INSERT INTO upload_counts VALUES (NEW.state, 1, NEW.size)"                               \
	" ON CONFLICT (state) DO UPDATE SET n=n+1, bytes=bytes+excluded.bytes;"
#define UNCOUNT_OLD_UPLOAD                                                                         \
	" UPDATE upload_counts SET n=n-1, bytes=bytes-OLD.size WHERE state=OLD.state;"

/*
 * Names of columns that people query are those of INTERFACE.md, "The database". There is no CHECK
 * on status: somebody may write any word into it, and is understood (engine/external.c).
 */
static const char *const migrations[] = {
	/* 1 */
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE jobs ("
	" cookie INTEGER PRIMARY KEY AUTOINCREMENT," /* position in listings, never used again */
	" job_id TEXT NOT NULL UNIQUE,"
	" upload_id TEXT NOT NULL,"
	" user_id TEXT,"
	" owner_uid INTEGER NOT NULL,"
	" owner_gid INTEGER NOT NULL,"
	" idempotency_key TEXT,"
	" status TEXT NOT NULL,"
	" progress INTEGER NOT NULL DEFAULT 0,"
	" message TEXT NOT NULL DEFAULT '',"
	" error_code TEXT,"
	" error_msg TEXT,"
	" attempt INTEGER NOT NULL DEFAULT 0," /* the fencing number */
	" failures INTEGER NOT NULL DEFAULT 0,"
	" max_attempts INTEGER NOT NULL,"
	" priority INTEGER NOT NULL DEFAULT 0,"
	" cut TEXT NOT NULL,"
	" total_clips INTEGER NOT NULL DEFAULT 0,"
	" clips_ready INTEGER NOT NULL DEFAULT 0,"
	" input_json TEXT NOT NULL,"
	" output_urls TEXT NOT NULL DEFAULT '[]',"
	" artifacts TEXT NOT NULL DEFAULT '[]',"
	" warnings TEXT NOT NULL DEFAULT '[]',"
	" source_path TEXT NOT NULL,"
	" source_dev INTEGER NOT NULL,"
	" source_ino INTEGER NOT NULL,"
	" source_size INTEGER NOT NULL,"
	" source_mtime_ns INTEGER NOT NULL,"
	" source_state TEXT NOT NULL,"
	" order_json TEXT NOT NULL,"
	" is_publishing INTEGER NOT NULL DEFAULT 0," /* OUTPUT_ROOT/<id> may be there, and ours */
	" not_before INTEGER,"
	" version INTEGER NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" started_at INTEGER,"
	" updated_at INTEGER NOT NULL,"
	" finished_at INTEGER);"
	"CREATE INDEX jobs_by_upload ON jobs (upload_id);"
	"CREATE INDEX jobs_by_created ON jobs (created_at);"
	"CREATE INDEX jobs_by_version ON jobs (version);"
	"CREATE INDEX jobs_live ON jobs (cookie) WHERE status IN ('queued','running');"
	"CREATE INDEX jobs_half_changed ON jobs (cookie) WHERE " JOB_IS_HALF_CHANGED ";"
	"CREATE INDEX jobs_half_published ON jobs (cookie) WHERE is_publishing=1;"
	"CREATE TABLE removals ("
	" trash TEXT PRIMARY KEY," /* name in OUTPUT_ROOT that the clips get on their way out */
	" job_id TEXT NOT NULL,"
	" has_clips INTEGER NOT NULL) WITHOUT ROWID;" /* OUTPUT_ROOT/<id> was the job's */
	"CREATE TABLE uploads ("
	" path TEXT PRIMARY KEY,"
	" upload_id TEXT NOT NULL,"
	" size INTEGER NOT NULL,"
	" mtime INTEGER NOT NULL," /* ms, for people */
	" mtime_ns INTEGER NOT NULL,"
	" state TEXT NOT NULL,"
	" created_at INTEGER NOT NULL) WITHOUT ROWID;",
	/* 2 */
	"ALTER TABLE jobs ADD COLUMN source_at INTEGER;" /* when its upload was taken */
	"UPDATE jobs SET source_at=created_at;"
	"ALTER TABLE jobs ADD COLUMN deletes_upload INTEGER NOT NULL DEFAULT 0;" /* and has not yet
										  */
	"ALTER TABLE jobs ADD COLUMN is_hold_copy INTEGER NOT NULL DEFAULT 0;"   /* no hard link */
	"CREATE INDEX jobs_by_status ON jobs (status, cookie);"
	"CREATE UNIQUE INDEX jobs_by_key ON jobs (owner_uid, idempotency_key)"
	" WHERE idempotency_key IS NOT NULL;"
	"CREATE INDEX jobs_deleting_upload ON jobs (cookie) WHERE deletes_upload=1;",
	/* 3: each request beside an upload (<upload>.process) that was carried out */
	"CREATE TABLE sidecars ("
	" ino INTEGER NOT NULL,"     /* the upload's, as its name may change … */
	" request TEXT NOT NULL,"    /* … the sidecar's bytes … */
	" born_ns INTEGER NOT NULL," /* … and the upload as it was: written anew, one of these
					changes */
	" size INTEGER NOT NULL,"
	" mtime_ns INTEGER NOT NULL,"
	" path TEXT NOT NULL," /* for people */
	" job_id TEXT NOT NULL,"
	" is_accepted INTEGER NOT NULL," /* 0: the job may not be there yet */
	" created_at INTEGER NOT NULL,"
	" PRIMARY KEY (ino, request)) WITHOUT ROWID;",
	/* 4: how many there are, kept with each change: counting a million rows takes too long */
	"CREATE TABLE job_counts (status TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO job_counts SELECT status, count(*) FROM jobs GROUP BY status;"
	"CREATE TRIGGER jobs_counted_in AFTER INSERT ON jobs BEGIN"
	" INSERT INTO job_counts VALUES (NEW.status, 1)"
	" ON CONFLICT (status) DO UPDATE SET n=n+1; END;"
	"CREATE TRIGGER jobs_counted_out AFTER DELETE ON jobs BEGIN"
	" UPDATE job_counts SET n=n-1 WHERE status=OLD.status; END;"
	"CREATE TRIGGER jobs_counted_over AFTER UPDATE OF status ON jobs"
	" WHEN NEW.status<>OLD.status BEGIN"
	" UPDATE job_counts SET n=n-1 WHERE status=OLD.status;"
	" INSERT INTO job_counts VALUES (NEW.status, 1)"
	" ON CONFLICT (status) DO UPDATE SET n=n+1; END;"
	"CREATE TABLE upload_counts"
	" (state TEXT PRIMARY KEY, n INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO upload_counts SELECT state, count(*), sum(size) FROM uploads GROUP BY state;"
	"CREATE TRIGGER uploads_counted_in AFTER INSERT ON uploads BEGIN"
	" INSERT INTO upload_counts VALUES (NEW.state, 1, NEW.size)"
	" ON CONFLICT (state) DO UPDATE SET n=n+1, bytes=bytes+excluded.bytes; END;"
	"CREATE TRIGGER uploads_counted_out AFTER DELETE ON uploads BEGIN"
	" UPDATE upload_counts SET n=n-1, bytes=bytes-OLD.size WHERE state=OLD.state; END;"
	"CREATE TRIGGER uploads_counted_over AFTER UPDATE OF state, size ON uploads BEGIN"
	" UPDATE upload_counts SET n=n-1, bytes=bytes-OLD.size WHERE state=OLD.state;"
	" INSERT INTO upload_counts VALUES (NEW.state, 1, NEW.size)"
	" ON CONFLICT (state) DO UPDATE SET n=n+1, bytes=bytes+excluded.bytes; END;"
	"CREATE INDEX uploads_by_created ON uploads (created_at);",
	/* 5: listings read these and not the rows, of which each is a page or more */
	"CREATE INDEX jobs_listed ON jobs (cookie, job_id, owner_uid, owner_gid, created_at);"
	"DROP INDEX jobs_by_status;"
	"CREATE INDEX jobs_by_status ON jobs (status, cookie, job_id);",
	/* 6: by age */
	"CREATE INDEX jobs_by_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;",
	/* 7: requests beside uploads are not counted as uploads */
	"DROP TRIGGER uploads_counted_in; DROP TRIGGER uploads_counted_out;"
	"DROP TRIGGER uploads_counted_over;"
	"DELETE FROM upload_counts;"
	"INSERT INTO upload_counts SELECT state, count(*), sum(size) FROM uploads"
	" WHERE " IS_UPLOAD("path") " GROUP BY state;"
	"CREATE TRIGGER uploads_counted_in AFTER INSERT ON uploads"
	" WHEN " IS_UPLOAD("NEW.path") " BEGIN" COUNT_NEW_UPLOAD " END;"
	"CREATE TRIGGER uploads_counted_out AFTER DELETE ON uploads"
	" WHEN " IS_UPLOAD("OLD.path") " BEGIN" UNCOUNT_OLD_UPLOAD " END;"
	"CREATE TRIGGER uploads_counted_from AFTER UPDATE OF path, state, size ON uploads"
	" WHEN " IS_UPLOAD("OLD.path") " BEGIN" UNCOUNT_OLD_UPLOAD " END;"
	"CREATE TRIGGER uploads_counted_to AFTER UPDATE OF path, state, size ON uploads"
	" WHEN " IS_UPLOAD("NEW.path") " BEGIN" COUNT_NEW_UPLOAD " END;",
};

int schema_check_owner(struct db *db, const char *path, struct error *e)
{
	int64_t id = 0, version = 0, tables = 0;
	int r;

	r = db_get_int(db, "PRAGMA application_id", &id);
	if (r == 0)
		r = db_get_int(db, "PRAGMA user_version", &version);
	if (r == 0)
		r = db_get_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r == -EUCLEAN)
		return r; /* open_connections() says it, with what to do */
	if (r < 0)
		return error_set_errno(e, r, SC_INTERNAL, "database '%s' cannot be used: %s", path,
				       db->error);
	if (id == DB_APPLICATION_ID || (id == 0 && version == 0 && tables == 0))
		return 0;
	return error_set_errno(e, -EINVAL, SC_INTERNAL,
			       "database '%s' belongs to another program (application_id 0x%08x, "
			       "%lld tables and indexes): choose another file",
			       path, (unsigned int)id, (long long)tables);
}

/* All steps or none: a program that is stopped midway leaves the database as it was. */
static int migrate_from(struct db *db, size_t step)
{
	char pragmas[96];
	int r;

	r = db_transaction_begin(db);
	if (r < 0)
		return r;
	for (; r == 0 && step < SC_ARRAY_SIZE(migrations); step++)
		r = db_exec(db, migrations[step]);
	if (r == 0) {
		snprintf(pragmas, sizeof(pragmas),
			 "PRAGMA user_version=%zu; PRAGMA application_id=%d", step,
			 DB_APPLICATION_ID);
		r = db_exec(db, pragmas);
	}
	return db_transaction_end(db, r);
}

/* So that the program of before can be had again, with what it knew. */
static int copy_before(const char *path, int64_t version, struct error *e)
{
	auto_free char *copy = NULL;
	char what[32];
	int r;

	snprintf(what, sizeof(what), "schema%lld-", (long long)version);
	r = backup_make(path, what, NULL, e, &copy);
	if (r == 0)
		log_info("database '%s' has schema %lld and is brought to %zu; as it was it is "
			 "kept in %s",
			 path, (long long)version, SC_ARRAY_SIZE(migrations), copy);
	return r;
}

int schema_migrate(struct db *db, const char *path, struct error *e)
{
	int64_t version;
	int r;

	r = db_get_int(db, "PRAGMA user_version", &version);
	if (r == 0 && version > (int64_t)SC_ARRAY_SIZE(migrations))
		return error_set_errno(
			e, -EINVAL, SC_INTERNAL,
			"database '%s' has schema %lld, newer than this program's %zu: "
			"use the newer program",
			path, (long long)version, SC_ARRAY_SIZE(migrations));
	if (r == 0 && version > 0 && version < (int64_t)SC_ARRAY_SIZE(migrations)) {
		r = copy_before(path, version, e);
		if (r < 0)
			return r;
	}
	if (r == 0 && version < (int64_t)SC_ARRAY_SIZE(migrations))
		r = migrate_from(db, (size_t)version);
	if (r < 0)
		return error_set_errno(e, r, SC_INTERNAL, "database '%s': %s", path, db->error);
	return 0;
}
