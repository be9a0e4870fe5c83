/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The database: whose file it is, rows there and back, transitions and their fence, a person beside us. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "store_v1.h"
#include "storyclip/common/file.h"
#include "storyclip/store.h"

static char dir[] = "/tmp/storyclip-store-XXXXXX";

static const char *in_dir(const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

/* What a person does in the sqlite3 shell. @return rows changed, or -1 */
static int by_hand(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	char *message = NULL;
	int n = -1;

	if (sqlite3_open(path, &db) == SQLITE_OK) {
		sqlite3_busy_timeout(db, 2000);
		if (sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK)
			n = sqlite3_changes(db);
		else
			fprintf(stderr, "%s: %s\n", sql, message);
	}
	sqlite3_free(message);
	sqlite3_close(db);
	return n;
}

static int64_t ask(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t value = -1;

	if (sqlite3_open(path, &db) == SQLITE_OK &&
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

static void fill_job(struct job_snapshot *job, const char *id, char *upload)
{
	memset(job, 0, sizeof(*job));
	snprintf(job->id, sizeof(job->id), "%s", id);
	snprintf(job->message, sizeof(job->message), "%s", JOB_MESSAGE_QUEUED);
	job->version = 7;
	job->upload_id = upload;
	job->input_json = (char *)"{\"uploadId\":\"a\"}";
	job->warnings = (char *)"[]";
	job->source_path = (char *)"dir/a.mp4";
	job->order_json = (char *)"{}";
	job->owner_uid = 4000000000u;
	job->owner_gid = 12;
	job->cut = CUT_KEYFRAME;
	job->max_attempts = 2;
	job->created_at = job->updated_at = 1760693132895;
	job->source_dev = 0x8000000000000001u;
	job->source_ino = 42;
	job->source_size = 123456789012;
	job->source_mtime_ns = 1760693132895123456;
	job->source_state = SOURCE_WAITING;
}

static void insert(struct store *store, const char *id, char *upload)
{
	struct job_snapshot job;

	fill_job(&job, id, upload);
	CHECK_INT(store_job_insert(store, &job), 0);
}

static int move(struct store *store, const char *id, enum job_state from, unsigned int from_attempt,
		enum job_state to, unsigned int attempt, uint64_t version)
{
	struct job_snapshot after = {.state = to, .attempt = attempt, .version = version,
				     .warnings = (char *)"[]", .updated_at = 2, .progress = 10};
	const struct job_transition t = {.job_id = id, .from = from, .from_attempt = from_attempt,
					 .to = &after};

	if (job_state_is_final(to))
		after.finished_at = 3;
	if (to == JOB_FAILED)
		error_set(&after.error, SC_STALLED, "Stalled at 10%%");
	return store_job_transition(store, &t);
}

static void test_whose_file(void)
{
	const char *foreign = in_dir("foreign.db"), *text = in_dir("text.db"), *newer = in_dir("newer.db");
	struct store *store = NULL;
	struct error e = {0};
	struct stat st;
	int fd;

	CHECK(by_hand(foreign, "CREATE TABLE notes (t); INSERT INTO notes VALUES (1)") >= 0);
	CHECK_INT(store_open(foreign, 100, &e, &store), -EINVAL);
	CHECK_CONTAINS(e.message, foreign);
	CHECK_INT(ask(foreign, "SELECT count(*) FROM sqlite_schema"), 1);

	fd = open(text, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < 400; i++)
		CHECK_INT(file_write_all(fd, "no database\n", 12), 0);
	close(fd);
	CHECK_INT(store_open(text, 100, &e, &store), -EUCLEAN);
	CHECK_CONTAINS(e.message, text);

	store = must_open(newer);
	store_close(store);
	CHECK(by_hand(newer, "PRAGMA user_version=99") >= 0);
	CHECK_INT(store_open(newer, 100, &e, &store), -EINVAL);
	CHECK_CONTAINS(e.message, "schema 99");

	CHECK_INT(stat(newer, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(ask(newer, "PRAGMA application_id"), 0x53434653);

	CHECK(store_open(in_dir("no/such/dir.db"), 100, &e, &store) < 0);
	CHECK_CONTAINS(e.message, "no/such/dir.db");
}

static void test_round_trip(struct store *store)
{
	auto_snapshot struct job_snapshot got = {0};
	struct job_snapshot job;
	struct job_brief brief;
	char upload[] = "f\xffoo/b'ar"; /* not UTF-8, with a quote */

	fill_job(&job, "round", upload);
	job.user_id = (char *)"u1";
	CHECK_INT(store_job_insert(store, &job), 0);
	CHECK_INT(store_job_insert(store, &job), -EEXIST);
	CHECK_INT(store_job_get(store, "round", &got), 0);
	CHECK_STR(got.id, "round");
	CHECK_STR(got.upload_id, upload);
	CHECK_STR(got.user_id, "u1");
	CHECK_STR(got.input_json, job.input_json);
	CHECK_STR(got.source_path, "dir/a.mp4");
	CHECK_STR(got.order_json, "{}");
	CHECK_STR(got.message, JOB_MESSAGE_QUEUED);
	CHECK_INT(got.version, 7);
	CHECK_INT(got.state, JOB_QUEUED);
	CHECK_INT(got.owner_uid, 4000000000u);
	CHECK_INT(got.owner_gid, 12);
	CHECK_INT(got.cut, CUT_KEYFRAME);
	CHECK_INT(got.max_attempts, 2);
	CHECK_INT(got.created_at, job.created_at);
	CHECK_INT(got.started_at, 0);
	CHECK(got.source_dev == job.source_dev);
	CHECK_INT(got.source_ino, 42);
	CHECK_INT(got.source_size, job.source_size);
	CHECK_INT(got.source_mtime_ns, job.source_mtime_ns);
	CHECK_INT(got.source_state, SOURCE_WAITING);
	CHECK_INT(got.error.err, 0);
	CHECK_INT(store_job_brief(store, "round", &brief), 0);
	CHECK_INT(brief.version, 7);
	CHECK_INT(brief.owner_uid, 4000000000u);
	CHECK_INT(store_job_get(store, "nobody", &got), -ENOENT);
	CHECK_INT(store_job_brief(store, "nobody", &brief), -ENOENT);

	job.source_state = SOURCE_READY;
	job.source_size = 5;
	CHECK_INT(store_job_source(store, &job), 0);
	job_snapshot_finish(&got);
	CHECK_INT(store_job_get(store, "round", &got), 0);
	CHECK_INT(got.source_state, SOURCE_READY);
	CHECK_INT(got.source_size, 5);
}

static void test_done(struct store *store, const char *path)
{
	auto_snapshot struct job_snapshot got = {0};
	struct artifact clips[2] = {
		{.number = 1, .method = CLIP_HEAD, .size_bytes = 10, .start_us = 1, .duration_us = 2,
		 .hidden_head_us = 3, .hidden_tail_us = 4, .hidden_bytes = 5,
		 .dropped = (char *)"[\"subtitle 2\"]"},
		{.number = 1000, .is_audio = true, .method = CLIP_COPY, .size_bytes = 1LL << 40,
		 .dropped = (char *)"[]"},
	};
	struct job_snapshot done = {.state = JOB_DONE, .attempt = 1, .version = 9, .progress = 100,
				    .message = JOB_MESSAGE_DONE, .warnings = (char *)"[\"w\"]",
				    .total_clips = 2, .clips_ready = 2, .artifacts = clips,
				    .n_artifacts = 2, .started_at = 5, .finished_at = 6, .updated_at = 6};
	struct job_transition t = {.job_id = "done", .from = JOB_RUNNING, .from_attempt = 1, .to = &done,
				   .output_urls = "[\"x\"]"};
	char upload[] = "a";
	bool was = false;

	insert(store, "done", upload);
	CHECK_INT(store_job_publishing(store, "done", 1), -ESTALE);
	CHECK_INT(move(store, "done", JOB_QUEUED, 0, JOB_RUNNING, 1, 8), 0);
	CHECK_INT(store_job_publishing(store, "done", 1), 0);
	CHECK_INT(store_job_was_publishing(store, "done", &was), 0);
	CHECK(was);
	CHECK_INT(store_job_transition(store, &t), 0);
	CHECK_INT(store_job_transition(store, &t), -ESTALE);
	CHECK_INT(store_job_was_publishing(store, "done", &was), 0);
	CHECK(!was);
	CHECK_INT(store_job_get(store, "done", &got), 0);
	CHECK_INT(got.state, JOB_DONE);
	CHECK_INT(got.n_artifacts, 2);
	CHECK_STR(got.artifacts[0].filename, "clip_001.mp4");
	CHECK_STR(got.artifacts[0].dropped, "[\"subtitle 2\"]");
	CHECK_INT(got.artifacts[0].method, CLIP_HEAD);
	CHECK_INT(got.artifacts[0].hidden_bytes, 5);
	CHECK_STR(got.artifacts[1].filename, "clip_1000.m4a");
	CHECK_INT(got.artifacts[1].size_bytes, 1LL << 40);
	CHECK_STR(got.warnings, "[\"w\"]");
	CHECK_INT(got.finished_at, 6);
	CHECK_INT(ask(path, "SELECT COUNT(*) FROM jobs WHERE status='done' AND progress=100"), 1);

	got.artifacts[0].is_deleted = true;
	got.version = 10;
	CHECK_INT(store_job_clip_deleted(store, &got, "[]"), 0);
	job_snapshot_finish(&got);
	CHECK_INT(store_job_get(store, "done", &got), 0);
	CHECK(got.artifacts[0].is_deleted);
	CHECK(!got.artifacts[1].is_deleted);
	CHECK_INT(ask(path, "SELECT output_urls='[]' FROM jobs WHERE job_id='done'"), 1);
}

static void test_fence(struct store *store, const char *path)
{
	auto_snapshot struct job_snapshot got = {0};
	char upload[] = "a";

	insert(store, "fence", upload);
	CHECK_INT(move(store, "nobody", JOB_QUEUED, 0, JOB_RUNNING, 1, 1), -ENOENT);
	CHECK_INT(move(store, "fence", JOB_RUNNING, 0, JOB_DONE, 1, 1), -ESTALE);
	CHECK_INT(move(store, "fence", JOB_QUEUED, 0, JOB_RUNNING, 1, 11), 0);
	CHECK_INT(store_job_progress(store, "fence", 1, 42, "Exporting clips...", 50), 0);
	CHECK_INT(ask(path, "SELECT progress FROM jobs WHERE job_id='fence'"), 42);
	/* A worker of another attempt is not heard. */
	CHECK_INT(store_job_progress(store, "fence", 2, 77, "late", 51), 0);
	CHECK_INT(ask(path, "SELECT progress FROM jobs WHERE job_id='fence'"), 42);
	CHECK_INT(move(store, "fence", JOB_RUNNING, 2, JOB_DONE, 2, 12), -ESTALE);
	/* A person was faster: nothing of ours undoes that. */
	CHECK_INT(by_hand(path, "UPDATE jobs SET status='error' WHERE job_id='fence'"), 1);
	CHECK_INT(move(store, "fence", JOB_RUNNING, 1, JOB_DONE, 1, 13), -ESTALE);
	CHECK_INT(store_job_progress(store, "fence", 1, 99, "late", 52), 0);
	CHECK_INT(store_job_get(store, "fence", &got), 0);
	CHECK_INT(got.state, JOB_FAILED);
	CHECK_INT(got.error.code, SC_MANUAL);
	CHECK_INT(got.progress, 42);
}

struct found {
	int n;
	char last[JOB_ID_SIZE];
	char status[32];
};

static int find_row(void *context, const struct job_state_row *row)
{
	struct found *found = context;

	found->n++;
	snprintf(found->last, sizeof(found->last), "%s", row->id);
	snprintf(found->status, sizeof(found->status), "%s", row->status);
	return 0;
}

static int find_published(void *context, const char *job_id, unsigned int attempt)
{
	struct found *found = context;

	found->n++;
	snprintf(found->last, sizeof(found->last), "%s", job_id);
	return 0;
}

static void test_by_hand(struct store *store, const char *path)
{
	auto_snapshot struct job_snapshot got = {0};
	struct found found = {0};
	struct job_snapshot to = {.state = JOB_FAILED, .version = 20, .finished_at = 99, .updated_at = 99,
				  .message = "set to 'error' by hand"};
	int64_t before, after;

	/* "fence" was set to 'error' above; complete it. */
	CHECK_INT(store_jobs_external(store, find_row, &found), 0);
	CHECK_INT(found.n, 1);
	CHECK_STR(found.last, "fence");
	CHECK_STR(found.status, "error");
	CHECK_INT(store_job_complete_external(store, "fence", "failed", &to), -ESTALE);
	CHECK_INT(store_data_version(store, &before), 0);
	CHECK_INT(store_job_complete_external(store, "fence", "error", &to), 0);
	CHECK_INT(store_data_version(store, &after), 0);
	CHECK_INT(after, before); /* our own commits do not count */
	CHECK_INT(store_job_get(store, "fence", &got), 0);
	CHECK_INT(got.state, JOB_FAILED);
	CHECK_INT(got.finished_at, 99);
	CHECK_INT(got.progress, 42);
	CHECK_STR(got.message, "set to 'error' by hand");
	CHECK_STR(got.error.message, "set to 'error' by hand");

	/* A done job that a person fails with a reason: its clips are to go. */
	CHECK_INT(by_hand(path, "UPDATE jobs SET status='failed', error_msg='bad sound' "
				"WHERE job_id='done'"), 1);
	CHECK_INT(store_data_version(store, &after), 0);
	CHECK(after != before);
	found.n = 0;
	CHECK_INT(store_jobs_external(store, find_row, &found), 0);
	CHECK_INT(found.n, 1);
	CHECK_INT(store_job_complete_external(store, "done", "failed", &to), 0);
	job_snapshot_finish(&got);
	CHECK_INT(store_job_get(store, "done", &got), 0);
	CHECK_STR(got.message, "bad sound");
	CHECK_INT(got.error.code, SC_MANUAL);
	CHECK_INT(got.n_artifacts, 0);
	CHECK_INT(got.finished_at, 6);
	found.n = 0;
	CHECK_INT(store_jobs_external(store, find_row, &found), 0);
	CHECK_INT(found.n, 0);
	CHECK_INT(store_jobs_half_published(store, find_published, &found), 0);
	CHECK_INT(found.n, 1);
	CHECK_STR(found.last, "done");
	CHECK_INT(store_job_unpublished(store, "done"), 0);
	found.n = 0;
	CHECK_INT(store_jobs_half_published(store, find_published, &found), 0);
	CHECK_INT(found.n, 0);
}

static int take_removal(void *context, const struct removal_row *row)
{
	struct found *found = context;

	found->n++;
	snprintf(found->last, sizeof(found->last), "%s", row->job_id);
	snprintf(found->status, sizeof(found->status), "%s %d%s", row->trash,
		 row->has_clips, row->is_id_taken ? " taken" : "");
	return 0;
}

static void test_removal(struct store *store)
{
	struct job_snapshot job;
	struct found found = {0};
	char upload[] = "a";
	bool has_clips = true;

	insert(store, "gone", upload);
	CHECK_INT(store_job_remove(store, "gone", ".t1", &has_clips), -ENOENT); /* it has not ended */
	CHECK_INT(move(store, "gone", JOB_QUEUED, 0, JOB_CANCELLED, 0, 30), 0);
	CHECK_INT(store_job_remove(store, "gone", ".t1", &has_clips), 0);
	CHECK(!has_clips);
	CHECK_INT(store_job_remove(store, "gone", ".t2", &has_clips), -ENOENT);
	CHECK_INT(store_removals_each(store, take_removal, &found), 0);
	CHECK_INT(found.n, 1);
	CHECK_STR(found.status, ".t1 0");
	fill_job(&job, "gone", upload);
	CHECK_INT(store_job_insert(store, &job), 0);
	CHECK_INT(store_removals_each(store, take_removal, &found), 0);
	CHECK_STR(found.status, ".t1 0 taken");
	CHECK_INT(store_removal_done(store, ".t1"), 0);
	found.n = 0;
	CHECK_INT(store_removals_each(store, take_removal, &found), 0);
	CHECK_INT(found.n, 0);
}

static void test_removal_of_clips(struct store *store)
{
	struct found found = {0};
	char upload[] = "a";
	bool has_clips = false;

	insert(store, "clips", upload);
	CHECK_INT(move(store, "clips", JOB_QUEUED, 0, JOB_RUNNING, 1, 12), 0);
	CHECK_INT(move(store, "clips", JOB_RUNNING, 1, JOB_DONE, 1, 13), 0);
	CHECK_INT(store_job_remove(store, "clips", ".t3", &has_clips), 0);
	CHECK(has_clips);
	CHECK_INT(store_removals_each(store, take_removal, &found), 0);
	CHECK_STR(found.status, ".t3 1");
	CHECK_INT(store_removal_done(store, ".t3"), 0);
}

static int count_live(void *context, struct job_snapshot *job)
{
	++*(int *)context;
	return 0;
}

static void test_lists(struct store *store)
{
	struct job_list_row rows[3];
	struct upload_id_row ids[2];
	char a[] = "list/a", b[] = "list/b", name[16], newest[JOB_ID_SIZE];
	int64_t after = 0;
	uint64_t version = 0;
	int n, live = 0, seen = 0, live_before = 0;

	CHECK_INT(store_jobs_live(store, count_live, &live_before), 0);
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "list%d", i);
		insert(store, name, i % 2 ? b : a);
	}
	CHECK_INT(store_job_newest_of_upload(store, a, newest), 0);
	CHECK_STR(newest, "list6");
	CHECK_INT(store_job_newest_of_upload(store, b, newest), 0);
	CHECK_STR(newest, "list5");
	CHECK_INT(store_job_newest_of_upload(store, "list/c", newest), -ENOENT);
	CHECK_INT(store_jobs_live(store, count_live, &live), 0);
	CHECK_INT(live, live_before + 7);
	while ((n = store_jobs_page(store, after, rows, 3)) > 0) {
		for (int i = 0; i < n; i++) {
			CHECK(rows[i].cookie > after);
			after = rows[i].cookie;
			seen += !strncmp(rows[i].id, "list", 4);
		}
	}
	CHECK_INT(n, 0);
	CHECK_INT(seen, 7);
	seen = 0;
	for (after = 0; (n = store_upload_ids_page(store, after, ids, 2)) > 0;) {
		for (int i = 0; i < n; i++) {
			after = ids[i].cookie;
			seen += !strcmp(ids[i].upload_id, a) || !strcmp(ids[i].upload_id, b);
			free(ids[i].upload_id);
		}
	}
	CHECK_INT(seen, 2);
	CHECK_INT(store_job_max_version(store, &version), 0);
	CHECK_INT(version, 20);
}

static int count_uploads(void *context, const struct upload_row *row)
{
	++*(int *)context;
	return 0;
}

static void test_uploads(struct store *store, const char *path)
{
	const struct upload_change puts[] = {
		{UPLOAD_PUT, {"d/a\xff.mp4", 10, 5000000, UPLOAD_OPEN, 100}, NULL},
		{UPLOAD_PUT, {"d/sub/b", 20, 6000000, UPLOAD_COMPLETE, 100}, NULL},
		{UPLOAD_PUT, {"d0", 1, 1, UPLOAD_COMPLETE, 100}, NULL},
		{UPLOAD_PUT, {"d-x", 1, 1, UPLOAD_COMPLETE, 100}, NULL},
		{UPLOAD_PUT, {"e/old", 1, 1, UPLOAD_COMPLETE, 100}, NULL},
		{UPLOAD_PUT, {"d/a\xff.mp4", 11, 7000000, UPLOAD_COMPLETE, 200}, NULL},
	};
	const struct upload_change rename = {UPLOAD_RENAME, {.path = "d"}, "e"};
	const struct upload_change delete = {UPLOAD_DELETE, {.path = "e/sub/b"}, NULL};
	struct upload_row row;
	int n = 0;

	CHECK_INT(store_uploads_apply(store, puts, SC_ARRAY_SIZE(puts), true), 0);
	CHECK_INT(store_upload_get(store, "d/a\xff.mp4", &row), 0);
	CHECK_INT(row.size, 11);
	CHECK_INT(row.mtime_ns, 7000000);
	CHECK_INT(row.state, UPLOAD_COMPLETE);
	CHECK_INT(row.created_at, 100); /* kept */
	CHECK_INT(ask(path, "SELECT mtime FROM uploads WHERE path='d0'"), 0);
	CHECK_INT(store_uploads_apply(store, &rename, 1, false), 0);
	CHECK_INT(store_upload_get(store, "d/a\xff.mp4", &row), -ENOENT);
	CHECK_INT(store_upload_get(store, "e/a\xff.mp4", &row), 0);
	CHECK_INT(row.size, 11);
	CHECK_INT(store_upload_get(store, "e/sub/b", &row), 0);
	CHECK_INT(store_upload_get(store, "e/old", &row), -ENOENT);
	CHECK_INT(store_upload_get(store, "d0", &row), 0);
	CHECK_INT(store_upload_get(store, "d-x", &row), 0);
	CHECK_INT(store_uploads_apply(store, &delete, 1, true), 0);
	CHECK_INT(store_uploads_each(store, count_uploads, &n), 0);
	CHECK_INT(n, 3);
}

static int list_inodes(void *context, ino_t ino)
{
	uint64_t *sum = context;

	*sum = *sum * 100 + ino;
	return 0;
}

static void check_sidecar_time(struct store *store, ino_t ino, int64_t mtime_ns)
{
	struct sidecar_row got;

	CHECK_INT(store_sidecar_get(store, ino, "", &got), 0);
	CHECK_INT(got.mtime_ns, mtime_ns);
}

static void test_sidecars(struct store *store)
{
	struct sidecar_row row = {.ino = 7, .request = "{\"a\":1}", .born_ns = 1, .size = 10,
				  .mtime_ns = 100, .path = "v\xff.mp4.process", .job_id = "j1",
				  .created_at = 5};
	struct sidecar_row got;
	uint64_t sum = 0;

	CHECK_INT(store_sidecar_get(store, 7, row.request, &got), -ENOENT);
	CHECK_INT(store_sidecar_put(store, &row), 0);
	CHECK_INT(store_sidecar_get(store, 7, row.request, &got), 0);
	CHECK_STR(got.job_id, "j1");
	CHECK(got.born_ns == 1 && got.size == 10 && got.mtime_ns == 100 && !got.is_accepted);
	row.is_accepted = true;
	CHECK_INT(store_sidecar_put(store, &row), 0);
	CHECK_INT(store_sidecar_get(store, 7, row.request, &got), 0);
	CHECK(got.is_accepted);
	/* of an upload each other request is another one, the empty one too */
	CHECK_INT(store_sidecar_get(store, 7, "", &got), -ENOENT);
	row.request = "";
	CHECK_INT(store_sidecar_put(store, &row), 0);
	row.ino = 8;
	CHECK_INT(store_sidecar_put(store, &row), 0);
	CHECK_INT(store_sidecars_each(store, list_inodes, &sum), 0);
	CHECK_INT(sum, 708);
	/* times that were set, of the same size only */
	CHECK_INT(store_sidecar_touched(store, 7, 10, 100, 200), 0);
	CHECK_INT(store_sidecar_touched(store, 8, 11, 100, 200), 0);
	check_sidecar_time(store, 7, 200);
	check_sidecar_time(store, 8, 100);
	/* … and of those only what had one time before */
	CHECK_INT(store_sidecar_touched(store, 8, 10, 99, 300), 0);
	CHECK_INT(store_sidecar_touched(store, 7, 10, 200, 300), 0);
	check_sidecar_time(store, 7, 300);
	check_sidecar_time(store, 8, 100);
	CHECK_INT(store_sidecar_delete(store, 7, ""), 0);
	CHECK_INT(store_sidecar_get(store, 7, "", &got), -ENOENT);
	CHECK_INT(store_sidecar_get(store, 7, "{\"a\":1}", &got), 0);
	CHECK_INT(store_sidecar_delete(store, 7, NULL), 0);
	CHECK_INT(store_sidecar_get(store, 7, "{\"a\":1}", &got), -ENOENT);
	CHECK_INT(store_sidecar_get(store, 8, "", &got), 0);
}

static void test_locked(struct store *store, const char *path)
{
	char upload[] = "a", message[ERROR_MESSAGE_SIZE];
	struct job_snapshot job;
	sqlite3 *other = NULL;

	fill_job(&job, "locked", upload);
	REQUIRE(sqlite3_open(path, &other) == SQLITE_OK);
	REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	CHECK_INT(store_job_insert(store, &job), -EBUSY);
	store_status(store, message);
	CHECK_CONTAINS(message, "locked");
	CHECK_INT(store_job_progress(store, "list1", 0, 1, "", 1), -EBUSY);
	CHECK_INT(store_job_brief(store, "locked", &(struct job_brief){0}), -ENOENT); /* reads go on */
	sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(other);
	CHECK_INT(store_job_insert(store, &job), 0);
	store_status(store, message);
	CHECK_STR(message, "");
}

static void test_meta(struct store *store)
{
	char value[16];

	CHECK_INT(store_meta_get(store, "unclean", value, sizeof(value)), -ENOENT);
	CHECK_INT(store_meta_set(store, "unclean", "1"), 0);
	CHECK_INT(store_meta_set(store, "unclean", "2"), 0);
	CHECK_INT(store_meta_get(store, "unclean", value, sizeof(value)), 0);
	CHECK_STR(value, "2");
}

/* A listing of a long history must not be walked row by row: the small indexes are really used. */
static void test_indexes(const char *path)
{
	static const char *const queries[] = {
		"EXPLAIN QUERY PLAN SELECT job_id FROM jobs WHERE status IN ('queued','running') ORDER BY cookie",
		"EXPLAIN QUERY PLAN SELECT job_id FROM jobs WHERE is_publishing=1 AND status<>'done' ORDER BY cookie",
		"EXPLAIN QUERY PLAN SELECT job_id FROM jobs WHERE "
		"(status NOT IN ('queued','running','done','failed','cancelled') "
		"OR (status IN ('done','failed','cancelled') AND finished_at IS NULL) "
		"OR (status IN ('failed','cancelled') AND artifacts<>'[]') "
		"OR (status='failed' AND error_code IS NULL)) ORDER BY cookie",
	};
	sqlite3 *db = NULL;

	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	for (size_t i = 0; i < SC_ARRAY_SIZE(queries); i++) {
		sqlite3_stmt *stmt = NULL;

		REQUIRE(sqlite3_prepare_v2(db, queries[i], -1, &stmt, NULL) == SQLITE_OK);
		REQUIRE(sqlite3_step(stmt) == SQLITE_ROW);
		CHECK_CONTAINS((const char *)sqlite3_column_text(stmt, 3), "INDEX jobs_");
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
}

static void test_from_version_1(void)
{
	const char *path = in_dir("v1.db");
	auto_snapshot struct job_snapshot job = {0};
	struct upload_row upload = {0};
	struct store *store;

	CHECK(by_hand(path, store_v1) >= 0);
	store = must_open(path);
	CHECK_INT(ask(path, "PRAGMA user_version"), 7);
	CHECK_INT(ask(path, "SELECT sum(n) FROM job_counts"), 2);
	CHECK_INT(ask(path, "SELECT n FROM upload_counts"), 1);
	CHECK_INT(store_job_get(store, "old", &job), 0);
	CHECK_INT(job.state, JOB_QUEUED);
	CHECK_INT(job.attempt, 3);
	CHECK_INT(job.owner_uid, 7);
	CHECK_INT(job.version, 9);
	CHECK_INT(job.source_at, 1000); /* its upload was taken when it was accepted */
	CHECK(!job.deletes_upload && !job.is_hold_copy && !job.idempotency_key);
	CHECK_INT(job.priority, 0);
	CHECK_INT(store_upload_get(store, "a.mp4", &upload), 0);
	CHECK_INT(upload.size, 3);
	/* and it goes on: rows of the new kind, and a second opening, which has nothing to do */
	insert(store, "new", (char *)"c");
	store_close(store);
	store = must_open(path);
	CHECK_INT(ask(path, "SELECT count(*) FROM jobs"), 3);
	store_close(store);
}

static void test_keys_and_priority(void)
{
	const char *path = in_dir("keys.db");
	struct store *store = must_open(path);
	auto_snapshot struct job_snapshot back = {0};
	auto_free char *json = NULL;
	char id[JOB_ID_SIZE] = "";
	struct job_snapshot job;

	fill_job(&job, "a", (char *)"up");
	job.priority = -20;
	job.idempotency_key = (char *)"k";
	job.deletes_upload = true;
	job.source_at = 5;
	CHECK_INT(store_job_insert(store, &job), 0);
	snprintf(job.id, sizeof(job.id), "b");
	CHECK_INT(store_job_insert(store, &job), -EEXIST);
	job.owner_uid = 1; /* another user's keys are others */
	CHECK_INT(store_job_insert(store, &job), 0);
	CHECK_INT(store_job_of_key(store, 1, "k", id, &json), 0);
	CHECK_STR(id, "b");
	CHECK_STR(json, "{\"uploadId\":\"a\"}");
	CHECK_INT(store_job_of_key(store, 2, "k", id, &json), -ENOENT);
	CHECK_INT(store_job_get(store, "a", &back), 0);
	CHECK_INT(back.priority, -20);
	CHECK_STR(back.idempotency_key, "k");
	CHECK(back.deletes_upload && !back.is_hold_copy);
	CHECK_INT(back.source_at, 5);
	store_close(store);
}

static void test_retry(void)
{
	const char *path = in_dir("retry.db");
	struct store *store = must_open(path);
	auto_snapshot struct job_snapshot back = {0};
	struct job_name_row rows[4];
	struct job_snapshot job;

	insert(store, "a", (char *)"up");
	insert(store, "b", (char *)"up");
	CHECK_INT(move(store, "a", JOB_QUEUED, 0, JOB_RUNNING, 1, 8), 0);
	CHECK_INT(move(store, "a", JOB_RUNNING, 1, JOB_FAILED, 1, 9), 0);
	CHECK_INT(store_job_names_of(store, JOB_FAILED, 0, rows, 4), 1);
	CHECK_STR(rows[0].id, "a");
	fill_job(&job, "a", (char *)"up");
	job.attempt = 1;
	job.version = 10;
	job.source_path = (char *)"other.mp4";
	CHECK_INT(store_job_retry(store, &job, JOB_CANCELLED), -ESTALE);
	CHECK_INT(store_job_retry(store, &job, JOB_FAILED), 0);
	CHECK_INT(store_job_retry(store, &job, JOB_FAILED), -ESTALE);
	CHECK_INT(store_job_get(store, "a", &back), 0);
	CHECK_INT(back.state, JOB_QUEUED);
	CHECK_INT(back.error.err, 0);
	CHECK_INT(back.finished_at, 0);
	CHECK_STR(back.source_path, "other.mp4");
	CHECK_INT(store_job_names_of(store, JOB_QUEUED, 0, rows, 4), 2);
	CHECK_INT(store_job_names_of(store, JOB_QUEUED, rows[0].cookie, rows, 4), 1);
	CHECK_INT(store_job_names_of(store, JOB_FAILED, 0, rows, 4), 0);
	store_close(store);
}

int main(void)
{
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *path;
	struct store *store;

	REQUIRE(mkdtemp(dir));
	test_whose_file();
	test_from_version_1();
	test_keys_and_priority();
	test_retry();
	path = strdup(in_dir("a.db"));
	store = must_open(path);
	test_round_trip(store);
	test_done(store, path);
	test_fence(store, path);
	test_by_hand(store, path);
	test_removal(store);
	test_removal_of_clips(store);
	test_lists(store);
	test_uploads(store, path);
	test_sidecars(store);
	test_locked(store, path);
	test_meta(store);
	test_indexes(path);
	store_close(store);

	/* Everything is there again. */
	store = must_open(path);
	CHECK_INT(store_job_brief(store, "round", &(struct job_brief){0}), 0);
	store_close(store);
	free((char *)path);
	file_remove_tree(tmp_fd, dir + strlen("/tmp/"));
	close(tmp_fd);
	return check_result();
}
