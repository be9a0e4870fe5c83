/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a job comes to be: a request is accepted, or a job that failed is taken up again. Id in
 * memory, held bytes, row: each is given back when a later one fails. Any thread; blocks on the
 * disk.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "external.h"
#include "hold.h"
#include "joblog.h"
#include "refusals.h"
#include "space.h"
#include "state.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"

static int generate_id(struct engine *engine, char out[JOB_ID_SIZE])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	unsigned char random[8];
	char text[sizeof(random) + 1];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		text[i] = digits[random[i] % 36];
	text[sizeof(random)] = '\0';
	snprintf(out, JOB_ID_SIZE, "job_%lld_%s", (long long)engine_wall_ms(engine), text);
	return 0;
}

/* What the worker will be told, but for the attempt. */
static int encode_order(const struct engine *engine, const struct request *request,
			const char *job_id, char **ret)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct work_order order = {
		.attempt = 1,
		.cut = request->cut,
		.clip_duration_us =
			request->n_ranges || request->parts ? 0 : request->clip_duration_us,
		.parts = request->parts,
		.max_clips = request->max_clips,
		.ranges = request->ranges, /* borrowed */
		.n_ranges = request->n_ranges,
		.is_strict = request->has_strict ? request->strict
						 : engine->deps.settings->strict == SWITCH_ON,
		.encode = request->encode,
		.size = request->size,
	};
	int r;

	memcpy(order.sha256, request->sha256, sizeof(order.sha256));
	snprintf(order.job_id, sizeof(order.job_id), "%s", job_id);
	r = work_order_encode(&order, &text);
	if (r < 0)
		return r;
	*ret = buf_take(&text, NULL);
	return *ret ? 0 : -ENOMEM;
}

static enum source_state source_state_of(const struct job_source *source)
{
	return source->is_incomplete ? SOURCE_INCOMPLETE
	       : source->is_ready    ? SOURCE_READY
				     : SOURCE_WAITING;
}

static void fill_source(struct engine *engine, const struct job_source *source,
			struct job_snapshot *job)
{
	job->source_at = engine_wall_ms(engine);
	job->source_dev = source->dev;
	job->source_ino = source->ino;
	job->source_size = source->size;
	job->source_mtime_ns = source->mtime_ns;
	job->source_state = source_state_of(source);
	snprintf(job->message, sizeof(job->message), "%s",
		 job->source_state == SOURCE_WAITING ? JOB_MESSAGE_WAITING : JOB_MESSAGE_QUEUED);
}

static int fill_snapshot(struct engine *engine, const struct request *request,
			 const char *input_json, const struct job_source *source,
			 const struct caller *caller, struct job_snapshot *job)
{
	job->cut = request->cut;
	job->owner_uid = caller->uid;
	job->owner_gid = caller->gid;
	job->max_attempts =
		request->max_attempts ? request->max_attempts : engine->deps.settings->max_attempts;
	job->priority = request->priority;
	job->deletes_upload = request->delete_upload;
	job->created_at = job->updated_at = engine_wall_ms(engine);
	fill_source(engine, source, job);
	job->upload_id = strdup(request->upload_id);
	job->user_id = request->user_id ? strdup(request->user_id) : NULL;
	job->idempotency_key = request->idempotency_key ? strdup(request->idempotency_key) : NULL;
	job->input_json = strdup(input_json);
	job->source_path = strdup(source->path);
	job->warnings = strdup("[]");
	if (!job->upload_id || !job->input_json || !job->source_path || !job->warnings ||
	    (request->user_id && !job->user_id) ||
	    (request->idempotency_key && !job->idempotency_key))
		return -ENOMEM;
	return encode_order(engine, request, job->id, &job->order_json);
}

/* Take the id in memory: of two that ask for the same, one comes first. */
static int reserve(struct engine *engine, struct job *job, bool is_retry, struct error *e)
{
	unsigned int max = engine->deps.settings->max_queue;
	unsigned int max_of_uid = engine->deps.settings->max_jobs_per_uid;
	uid_t uid = job->shown.owner_uid; /* nobody else sees the job yet */
	int r = 0;

	lock_acquire(&engine->jobs);
	/* Waiting for it and taking it are one step: nobody begins to put it away in between. */
	if (is_retry && !engine_wait_let_go_locked(engine, job->shown.id))
		r = refuse_held(job->shown.id, e);
	else if (engine->is_stopping)
		r = refuse_stopping(e);
	else if (engine->queue.n >= max)
		r = error_set(e, SC_QUEUE_FULL, "%u jobs are waiting, max_queue allows %u",
			      engine->queue.n, max);
	else if (max_of_uid && job_table_of_uid(&engine->live, uid) >= max_of_uid)
		r = error_set(e, SC_TOO_MANY_JOBS,
			      "uid %u has %u jobs that have not ended, max_jobs_per_uid allows %u",
			      (unsigned int)uid, job_table_of_uid(&engine->live, uid), max_of_uid);
	else if (engine_is_held_locked(engine, job->shown.id) ||
		 job_table_add(&engine->live, job) < 0)
		r = error_set(e, SC_JOB_EXISTS, "job '%s' exists already", job->shown.id);
	lock_release(&engine->jobs);
	return r;
}

/* A new job's id must be nobody's. */
static int check_unused(struct engine *engine, const char *id, struct error *e)
{
	struct job_brief brief;
	struct stat st;

	/* An ended job's id; the insert would find it too, but by then its log would have a line.
	 */
	if (store_job_brief(engine->deps.store, id, &brief) == 0)
		return error_set(e, SC_JOB_EXISTS, "job '%s' exists already", id);
	if (fstatat(engine->output_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(e, SC_JOB_EXISTS,
				 "OUTPUT_ROOT has a '%s' already; choose another jobId", id);
	return 0;
}

/* No hard links here: the bytes are held by the open file until the job's first phase has copied
 * them. */
static int hold_by_copy(struct engine *engine, struct job *job, const struct job_source *source,
			struct error *e)
{
	int64_t min, free_bytes = space_look(engine, engine->hold_fd, &min);
	int fd;

	if (free_bytes >= 0 && (free_bytes < min || free_bytes - min < source->size))
		return error_set(
			e, SC_NO_SPACE,
			"upload '%s' has to be copied, and UPLOAD_TMP_DIR has %lld bytes free",
			source->path, (long long)free_bytes);
	fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return error_from_errno(e, -errno, "holding upload '%s'", source->path);
	lock_acquire(&engine->jobs);
	job->shown.is_hold_copy = true;
	job->source_fd = fd;
	lock_release(&engine->jobs);
	return 0;
}

static int hold_source(struct engine *engine, struct job *job, const struct job_source *source,
		       struct error *e)
{
	const char *id = job->shown.id;
	int r;

	r = hold_take(engine, id, source);
	if (r == -EEXIST) {
		/* No live job has this id (it was just reserved): an old one's, whose end was cut
		 * off. */
		hold_drop(engine, id);
		r = hold_take(engine, id, source);
	}
	if (hold_needs_copy(r))
		return hold_by_copy(engine, job, source, e);
	if (r == -ENOENT || r == -ESTALE)
		return error_set(e, SC_UPLOAD_NOT_FOUND, "upload '%s' has just gone", source->path);
	if (r == -ENOSPC || r == -EDQUOT)
		return error_from_errno(e, r, "holding upload '%s'", source->path);
	if (r < 0)
		return error_set_errno(e, -EIO, SC_INTERNAL, "cannot hold upload '%s': %s",
				       source->path,
				       strerrordesc_np(-r) ? strerrordesc_np(-r) : "unknown error");
	return 0;
}

/* The row is made, or, of a job that is taken up again, changed. @param was  NULL, or its state */
static int commit_row(struct engine *engine, struct job *job, const enum job_state *was,
		      unsigned int what, struct error *e, uint64_t *ret_version)
{
	struct job_snapshot row;
	char why[ERROR_MESSAGE_SIZE];
	int r;

	lock_acquire(&engine->commit);
	/* Under both: what became of the source meanwhile is in it or comes after it. */
	lock_acquire(&engine->jobs);
	job->shown.version = engine_next_version_locked(engine);
	row = job->shown; /* its pointers do not change while nobody else sees the job */
	lock_release(&engine->jobs);
	r = was ? store_job_retry(engine->deps.store, &row, *was)
		: store_job_insert(engine->deps.store, &row);
	if (r == 0) {
		lock_acquire(&engine->jobs);
		phases_lap(&job->phases, PHASE_ACCEPT);
		job->is_listed = true;
		job->queue.age = ++engine->age;
		feed_add_locked(engine, &row, what);
		*ret_version = row.version;
		engine_enqueue_locked(engine, job, 0);
		lock_release(&engine->jobs);
	}
	lock_release(&engine->commit);
	if (r == 0)
		return 0;
	if (r == -EEXIST)
		return error_set(e, SC_JOB_EXISTS, "job '%s' exists already", row.id);
	if (r == -ESTALE)
		return error_set(e, SC_JOB_NOT_FOUND, "job '%s' has just been removed or changed",
				 row.id);
	if (r == -ENOSPC)
		return error_from_errno(e, r, "writing the database");
	store_status(engine->deps.store, why);
	return error_set_errno(e, -EIO, SC_INTERNAL, "the database cannot be written: %.300s",
			       why[0] ? why : strerrordesc_np(-r));
}

static void log_accepted(struct engine *engine, const struct job *job, const struct caller *caller)
{
	auto_fd int fd = joblog_open(engine, job->shown.id);

	if (fd < 0)
		log_error_with(fd, "job %s: making its log", job->shown.id);
	joblog_write_fd(engine, fd, "accepted from uid %u: upload %s, cut %s",
			(unsigned int)caller->uid, job->shown.upload_id,
			cut_mode_name(job->shown.cut));
}

static void log_retried(struct engine *engine, const struct job *job, const struct caller *caller)
{
	joblog_write(engine, job->shown.id, "taken up again by uid %u", (unsigned int)caller->uid);
}

/* From here on nobody opens the file for writing unseen; who has begun before is waited for. */
static void look_again(struct engine *engine, struct job *job, struct job_source *source)
{
	source->look_again(source->context, source);
	lock_acquire(&engine->jobs);
	if (job->shown.source_state != source_state_of(source) ||
	    job->shown.source_size != source->size)
		fill_source(engine, source, &job->shown);
	lock_release(&engine->jobs);
}

/*
 * @param was  NULL for a new job, else the state in which one had ended
 * @param what  how the listener will be told of it, with *ret_version
 */
static int accept_job(struct engine *engine, struct job *job, struct job_source *source,
		      const struct caller *caller, const enum job_state *was, unsigned int what,
		      struct error *e, uint64_t *ret_version)
{
	const char *id = job->shown.id;
	int r;

	r = reserve(engine, job, was != NULL, e);
	if (r < 0)
		return r;
	if (was)
		cleanup_half_published(engine, id); /* what could not be removed when it ended */
	r = was ? 0 : check_unused(engine, id, e);
	if (r == 0)
		r = space_check(engine, job->shown.cut, source->size, e);
	if (r == 0)
		r = hold_source(engine, job, source, e);
	if (r == 0 && source->look_again)
		look_again(engine, job, source);
	if (r == 0) {
		/* Before the row: a job that is seen has a log. */
		(was ? log_retried : log_accepted)(engine, job, caller);
		r = commit_row(engine, job, was, what, e, ret_version);
		if (r < 0) {
			hold_drop(engine, id);
			if (!was && e->code != SC_JOB_EXISTS)
				joblog_remove(engine, id);
		}
	}
	if (r < 0) {
		lock_acquire(&engine->jobs);
		job_table_remove(&engine->live, job);
		lock_release(&engine->jobs);
	}
	return r;
}

/* What *snapshot owns becomes a job's. Accept it and tell of it. */
static int accept_snapshot(struct engine *engine, struct job_snapshot *snapshot,
			   struct job_source *source, const struct caller *caller,
			   const enum job_state *was, struct error *e)
{
	unsigned int what = JOB_CHANGED_TEXT | (was ? JOB_CHANGED_CLIPS : JOB_CHANGED_CREATED);
	struct job *job = job_create(snapshot);
	char id[JOB_ID_SIZE];
	uint64_t version = 0;
	int r;

	if (!job)
		return error_from_errno(e, -ENOMEM, "accepting a request");
	phases_begin(&job->phases);
	memcpy(id, job->shown.id, sizeof(id));
	r = accept_job(engine, job, source, caller, was, what, e, &version);
	if (r == 0)
		hook_reach("engine-accepted");
	lock_acquire(&engine->jobs);
	job_unref(job);
	lock_release(&engine->jobs);
	if (r == 0)
		engine_notify(engine, id, version, what);
	return r;
}

int engine_duplicate(struct engine *engine, const struct request *request, const char *input_json,
		     const struct caller *caller, struct error *e, char ret_job_id[JOB_ID_SIZE])
{
	auto_free char *first_json = NULL;
	int r;

	if (!request->idempotency_key)
		return 0;
	r = store_job_of_key(engine->deps.store, caller->uid, request->idempotency_key, ret_job_id,
			     &first_json);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return refuse_database(engine, r, e);
	if (!strcmp(first_json, input_json))
		return 1;
	return error_set(e, SC_KEY_REUSED,
			 "idempotencyKey '%.80s' was used for another request, which made job '%s'",
			 request->idempotency_key, ret_job_id);
}

int engine_submit(struct engine *engine, const struct request *request, const char *input_json,
		  struct job_source *source, const struct caller *caller, struct error *e,
		  char ret_job_id[JOB_ID_SIZE])
{
	auto_snapshot struct job_snapshot snapshot = {0};
	char id[JOB_ID_SIZE];
	int r = 0;

	if (request->job_id[0])
		memcpy(snapshot.id, request->job_id, sizeof(snapshot.id));
	else
		r = generate_id(engine, snapshot.id);
	if (r == 0 && !job_id_is_valid(snapshot.id))
		return error_set(e, SC_INVALID_REQUEST, "'%.80s' is no jobId", snapshot.id);
	if (r == 0)
		r = fill_snapshot(engine, request, input_json, source, caller, &snapshot);
	if (r < 0)
		return error_set_errno(e, r, SC_INTERNAL, "accepting a request: %s",
				       strerrordesc_np(-r));
	memcpy(id, snapshot.id, sizeof(id));
	r = accept_snapshot(engine, &snapshot, source, caller, NULL, e);
	if (r < 0)
		return r;
	memcpy(ret_job_id, id, JOB_ID_SIZE);
	return 0;
}

/* ---- again ---- */

static int read_retryable(struct engine *engine, const char *job_id, const struct caller *caller,
			  struct error *e, struct job_snapshot *ret)
{
	int r;

	if (engine_is_stopping(engine))
		return refuse_stopping(e);
	r = job_id_is_valid(job_id) ? store_job_get(engine->deps.store, job_id, ret) : -ENOENT;
	if (r == -ENOENT)
		return refuse_unknown(job_id, e);
	if (r < 0)
		return refuse_database(engine, r, e);
	r = refuse_stranger(job_id, ret->owner_uid, caller, e);
	if (r < 0)
		return r;
	if (ret->state != JOB_FAILED && ret->state != JOB_CANCELLED)
		return error_set(e, SC_INVALID_REQUEST,
				 "job '%s' is %s; only failed and cancelled jobs can be retried",
				 job_id, job_state_name(ret->state));
	return 0;
}

int engine_check_retry(struct engine *engine, const char *job_id, const struct caller *caller,
		       struct error *e, char **ret_upload_id)
{
	auto_snapshot struct job_snapshot job = {0};
	int r;

	r = read_retryable(engine, job_id, caller, e, &job);
	if (r == 0)
		*ret_upload_id = take_ptr(job.upload_id);
	return r;
}

/* As if it had just been accepted, but for its age, its number of attempts and its log. */
static int begin_again(struct engine *engine, const struct job_source *source,
		       struct job_snapshot *job)
{
	int64_t now = engine_wall_ms(engine);

	fill_source(engine, source, job);
	free(job->source_path);
	free(job->warnings);
	job->source_path = strdup(source->path);
	job->warnings = strdup("[]");
	if (!job->source_path || !job->warnings)
		return -ENOMEM;
	artifacts_free(job->artifacts, job->n_artifacts);
	job->artifacts = NULL;
	job->n_artifacts = 0;
	job->state = JOB_QUEUED;
	job->progress = 0;
	job->failures = job->total_clips = job->clips_ready = 0;
	job->started_at = job->finished_at = job->not_before = 0;
	job->updated_at = now > job->updated_at ? now : job->updated_at;
	job->is_hold_copy = false;
	memset(&job->error, 0, sizeof(job->error));
	return 0;
}

int engine_retry(struct engine *engine, const char *job_id, struct job_source *source,
		 const struct caller *caller, struct error *e)
{
	auto_snapshot struct job_snapshot asked = {0}, job = {0};
	enum job_state was;
	int r;

	r = read_retryable(engine, job_id, caller, e, &asked);
	if (r < 0)
		return r;
	/* A person's change of which nothing has followed yet: its clips are still there. */
	external_settle_id(engine, job_id);
	if (!engine_wait_let_go(engine, job_id))
		return refuse_held(job_id, e);
	r = read_retryable(engine, job_id, caller, e, &job); /* as it is now */
	if (r < 0)
		return r;
	was = job.state;
	r = begin_again(engine, source, &job);
	if (r < 0)
		return error_from_errno(e, r, "retrying job '%s'", job_id);
	return accept_snapshot(engine, &job, source, caller, &was, e);
}
