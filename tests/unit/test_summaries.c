/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers and newest rows, as jobs.json, uploads.json and metrics show them; plans of big listings. */
#include <sqlite3.h>
#include <unistd.h>

#include "check.h"
#include "storyclip/common/macros.h"
#include "storyclip/store.h"

static char dir[] = "/tmp/test-summaries.XXXXXX";
static char path[64];

static void insert(struct store *store, const char *id, const char *upload)
{
	struct job_snapshot job = {
		.version = 7,
		.upload_id = (char *)upload,
		.input_json = (char *)"{}",
		.warnings = (char *)"[]",
		.source_path = (char *)"a.mp4",
		.order_json = (char *)"{}",
		.max_attempts = 2,
		.created_at = 1000,
		.updated_at = 1000,
	};

	snprintf(job.id, sizeof(job.id), "%s", id);
	CHECK_INT(store_job_insert(store, &job), 0);
}

static void end(struct store *store, const char *id, enum job_state state)
{
	struct artifact clip = {.number = 1, .filename = "clip_001.mp4", .size_bytes = 5,
				.dropped = (char *)"[]"};
	struct job_snapshot to = {.state = state, .attempt = 1, .version = 8, .updated_at = 2000,
				  .warnings = (char *)"[]", .finished_at = 2000,
				  .artifacts = &clip, .n_artifacts = state == JOB_DONE};
	const struct job_transition t = {.job_id = id, .from = JOB_QUEUED, .to = &to};

	CHECK_INT(store_job_transition(store, &t), 0);
}

static void check_jobs(struct store *store, unsigned int queued, unsigned int done,
		       unsigned int failed, unsigned int cancelled)
{
	struct store_counts counts;

	CHECK_INT(store_counts(store, &counts), 0);
	CHECK_INT(counts.jobs[JOB_QUEUED], queued);
	CHECK_INT(counts.jobs[JOB_RUNNING], 0);
	CHECK_INT(counts.jobs[JOB_DONE], done);
	CHECK_INT(counts.jobs[JOB_FAILED], failed);
	CHECK_INT(counts.jobs[JOB_CANCELLED], cancelled);
}

static void by_hand(const char *sql)
{
	sqlite3 *db = NULL;

	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	REQUIRE(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

static void test_job_counts(struct store *store)
{
	bool has_clips;

	check_jobs(store, 0, 0, 0, 0);
	for (int i = 0; i < 5; i++) {
		char id[8];

		snprintf(id, sizeof(id), "j%d", i);
		insert(store, id, i % 2 ? "a" : "a.mp4");
	}
	check_jobs(store, 5, 0, 0, 0);
	end(store, "j0", JOB_DONE);
	end(store, "j1", JOB_CANCELLED);
	check_jobs(store, 3, 1, 0, 1);
	/* a person's hand counts too, in his own words */
	by_hand("UPDATE jobs SET status='error' WHERE job_id='j2'");
	check_jobs(store, 2, 1, 1, 1);
	by_hand("UPDATE jobs SET status='queued' WHERE job_id='j2'; UPDATE jobs SET progress=3");
	check_jobs(store, 3, 1, 0, 1);
	CHECK_INT(store_job_remove(store, "j1", "t", &has_clips), 0);
	check_jobs(store, 3, 1, 0, 0);
}

static void test_newest_jobs(struct store *store)
{
	struct job_snapshot jobs[8];
	int n = store_jobs_newest(store, jobs, 8);

	CHECK_INT(n, 4);
	CHECK_STR(jobs[0].id, "j4");
	CHECK_STR(jobs[3].id, "j0");
	CHECK_INT(jobs[3].state, JOB_DONE);
	CHECK_INT(jobs[3].n_artifacts, 0); /* left out, the job has one */
	while (n > 0)
		job_snapshot_finish(&jobs[--n]);
	CHECK_INT(store_jobs_newest(store, jobs, 2), 2);
	CHECK_STR(jobs[1].id, "j3");
	job_snapshot_finish(&jobs[0]);
	job_snapshot_finish(&jobs[1]);
}

/* The ended ones page by page, also where several ended in the same moment. */
static void test_ended_jobs(struct store *store)
{
	struct ended_row last = {.finished_at = INT64_MIN}, row;
	char ids[64] = "";

	insert(store, "e1", "e");
	insert(store, "e2", "e");
	end(store, "e2", JOB_FAILED);
	end(store, "e1", JOB_DONE);
	while (strlen(ids) < 40 && store_jobs_ended(store, &last, 2000, &row, 1) == 1) {
		CHECK(row.finished_at <= 2000);
		strcat(ids, row.id);
		last = row;
	}
	CHECK_STR(ids, "j0e1e2");
	CHECK_INT(store_jobs_ended(store, &last, 2000, &row, 1), 0);
	last = (struct ended_row){.finished_at = INT64_MIN};
	CHECK_INT(store_jobs_ended(store, &last, 1999, &row, 1), 0);
}

static void put(struct store *store, const char *name, int64_t size, enum upload_state state,
		int64_t created_at)
{
	const struct upload_change change = {.kind = UPLOAD_PUT,
					     .row = {name, size, 5000000, state, created_at}};

	CHECK_INT(store_uploads_apply(store, &change, 1, false), 0);
}

static void check_complete(struct store *store, int n, int bytes)
{
	struct store_counts counts;

	CHECK_INT(store_counts(store, &counts), 0);
	CHECK_INT(counts.uploads[UPLOAD_COMPLETE], n);
	CHECK_INT(counts.upload_bytes[UPLOAD_COMPLETE], bytes);
}

static void test_uploads(struct store *store)
{
	struct upload_change gone = {.kind = UPLOAD_DELETE, .row.path = "x/b.mp4"};
	static const struct upload_change moved = {.kind = UPLOAD_RENAME, .row.path = "x",
						   .new_path = "y"};
	static const struct upload_change to_upload = {.kind = UPLOAD_RENAME, .row.path = "a.mp4.process",
						       .new_path = "d.mp4"};
	static const struct upload_change to_request = {.kind = UPLOAD_RENAME, .row.path = "d.mp4",
							.new_path = "a.mp4.process"};
	struct upload_summary uploads[4];
	struct store_counts counts;
	int n;

	put(store, "a.mp4", 100, UPLOAD_OPEN, 1);
	put(store, "x/b.mp4", 10, UPLOAD_COMPLETE, 3);
	put(store, "x/c.mp4", 1, UPLOAD_INCOMPLETE_STATE, 2);
	put(store, "a.mp4", 120, UPLOAD_COMPLETE, 9); /* created_at stays */
	CHECK_INT(store_uploads_apply(store, &moved, 1, false), 0);
	CHECK_INT(store_counts(store, &counts), 0);
	CHECK_INT(counts.uploads[UPLOAD_OPEN], 0);
	CHECK_INT(counts.upload_bytes[UPLOAD_OPEN], 0);
	CHECK_INT(counts.uploads[UPLOAD_COMPLETE], 2);
	CHECK_INT(counts.upload_bytes[UPLOAD_COMPLETE], 130);
	CHECK_INT(counts.upload_bytes[UPLOAD_INCOMPLETE_STATE], 1);
	n = store_uploads_newest(store, uploads, 4);
	CHECK_INT(n, 3);
	CHECK_STR(uploads[0].path, "y/b.mp4");
	CHECK_STR(uploads[0].job_id, "");
	CHECK_STR(uploads[2].path, "a.mp4");
	CHECK_INT(uploads[2].size, 120);
	/* j3 named it "a", j4 "a.mp4": the newest of both */
	CHECK_STR(uploads[2].job_id, "j4");
	CHECK_INT(uploads[2].job_state, JOB_QUEUED);
	while (n > 0)
		free(uploads[--n].path);
	/* a request beside it is none */
	put(store, "a.mp4.process", 2, UPLOAD_COMPLETE, 10);
	put(store, "a.mp4.process.error", 2, UPLOAD_COMPLETE, 10);
	CHECK_INT(store_uploads_newest(store, uploads, 1), 1);
	CHECK_STR(uploads[0].path, "y/b.mp4");
	free(uploads[0].path);
	check_complete(store, 2, 130);
	put(store, "a.mp4.process", 9, UPLOAD_COMPLETE, 10);
	CHECK_INT(store_uploads_apply(store, &to_upload, 1, false), 0);
	check_complete(store, 3, 139);
	CHECK_INT(store_uploads_apply(store, &to_request, 1, false), 0);
	check_complete(store, 2, 130);
	gone.row.path = "a.mp4.process";
	CHECK_INT(store_uploads_apply(store, &gone, 1, false), 0);
	gone.row.path = "a.mp4.process.error";
	CHECK_INT(store_uploads_apply(store, &gone, 1, false), 0);
	/* not UTF-8: a request named it as it is shown, or a sidecar as it is */
	put(store, "caf\xe9.mp4", 7, UPLOAD_COMPLETE, 9);
	insert(store, "shown", "caf%E9.mp4");
	CHECK_INT(store_uploads_newest(store, uploads, 1), 1);
	CHECK_STR(uploads[0].job_id, "shown");
	free(uploads[0].path);
	insert(store, "stem", "caf%E9");
	CHECK_INT(store_uploads_newest(store, uploads, 1), 1);
	CHECK_STR(uploads[0].job_id, "stem");
	free(uploads[0].path);
	insert(store, "raw", "caf\xe9.mp4");
	CHECK_INT(store_uploads_newest(store, uploads, 1), 1);
	CHECK_STR(uploads[0].job_id, "raw");
	free(uploads[0].path);
	gone.row.path = "caf\xe9.mp4";
	CHECK_INT(store_uploads_apply(store, &gone, 1, false), 0);
	gone.row.path = "x/b.mp4";
	CHECK_INT(store_uploads_apply(store, &gone, 1, false), 0);
	CHECK_INT(store_counts(store, &counts), 0);
	CHECK_INT(counts.uploads[UPLOAD_COMPLETE], 2); /* that name is gone already */
}

/* What is asked for each name, each page and each look costs a look-up, however long the history is. */
static void test_plans(void)
{
	static const struct {
		const char *sql, *plan;
	} rows[] = {
		/* stat of any job, and its text */
		{"SELECT status, version, owner_uid FROM jobs WHERE job_id='x'",
		 "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (job_id=?)"},
		{"SELECT cookie, job_id, owner_uid, owner_gid, created_at FROM jobs INDEXED BY jobs_listed "
		 "WHERE cookie > 5 ORDER BY cookie LIMIT 9",
		 "SEARCH jobs USING COVERING INDEX jobs_listed (cookie>?)"},
		{"SELECT cookie, job_id FROM jobs INDEXED BY jobs_by_status "
		 "WHERE status='done' AND cookie > 5 ORDER BY cookie LIMIT 9",
		 "SEARCH jobs USING COVERING INDEX jobs_by_status (status=? AND cookie>?)"},
		{"SELECT job_id FROM jobs WHERE upload_id='x' ORDER BY cookie DESC LIMIT 1",
		 "SEARCH jobs USING INDEX jobs_by_upload (upload_id=?)"},
		{"SELECT max(cookie) FROM jobs WHERE upload_id='x'",
		 "SEARCH jobs USING COVERING INDEX jobs_by_upload (upload_id=?)"},
		/* at each start */
		{"SELECT job_id FROM jobs INDEXED BY jobs_deleting_upload "
		 "WHERE deletes_upload=1 AND status='done' ORDER BY cookie",
		 "SCAN jobs USING INDEX jobs_deleting_upload"},
		{"SELECT job_id FROM jobs INDEXED BY jobs_by_finished WHERE (finished_at, cookie) > (5, 6) "
		 "AND finished_at <= 9 AND status NOT IN ('queued','running') "
		 "ORDER BY finished_at, cookie LIMIT 64",
		 "SEARCH jobs USING INDEX jobs_by_finished (finished_at>? AND finished_at<?)"},
		{"SELECT path FROM uploads WHERE path NOT GLOB '*.process' AND path NOT GLOB '*.process.error' "
		 "ORDER BY created_at DESC LIMIT 200",
		 "SCAN uploads USING COVERING INDEX uploads_by_created"},
	};
	sqlite3 *db = NULL;

	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		char sql[512];
		sqlite3_stmt *stmt = NULL;

		snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", rows[i].sql);
		REQUIRE(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
		REQUIRE(sqlite3_step(stmt) == SQLITE_ROW);
		CHECK_STR((const char *)sqlite3_column_text(stmt, 3), rows[i].plan);
		/* and nothing is sorted afterwards */
		CHECK_INT(sqlite3_step(stmt), SQLITE_DONE);
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
}

int main(void)
{
	struct store *store = NULL;
	struct error e = {0};

	REQUIRE(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	REQUIRE(store_open(path, 200, &e, &store) == 0);
	test_job_counts(store);
	test_newest_jobs(store);
	test_ended_jobs(store);
	test_uploads(store);
	test_plans();
	store_close(store);
	unlink(path);
	rmdir(dir);
	return check_result();
}
