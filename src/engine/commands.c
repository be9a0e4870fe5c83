/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others ask of the engine: submit, cancel, remove. Any thread; blocks on the database. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "hold.h"
#include "joblog.h"
#include "state.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "sweeper.h"

#define CANCEL_TRIES 10
#define LET_GO_MS    8000 /* longer than a slot needs to end a process or to give it up */

static int refuse_stopping(struct error *e)
{
	return error_set(e, SC_STOPPING,
			 "the mount is being stopped; ask again after the next start");
}

/* ---- submit ---- */

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
static int encode_order(const struct request *request, const char *job_id, char **ret)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct work_order order = {
		.attempt = 1,
		.cut = request->cut,
		.clip_duration_us = request->n_ranges ? 0 : request->clip_duration_us,
		.max_clips = request->max_clips,
		.ranges = request->ranges, /* borrowed */
		.n_ranges = request->n_ranges,
	};
	int r;

	snprintf(order.job_id, sizeof(order.job_id), "%s", job_id);
	r = work_order_encode(&order, &text);
	if (r < 0)
		return r;
	*ret = buf_take(&text, NULL);
	return *ret ? 0 : -ENOMEM;
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
	job->created_at = job->updated_at = engine_wall_ms(engine);
	job->source_dev = source->dev;
	job->source_ino = source->ino;
	job->source_size = source->size;
	job->source_mtime_ns = source->mtime_ns;
	job->source_state = source->is_incomplete ? SOURCE_INCOMPLETE
			    : source->is_ready    ? SOURCE_READY
						  : SOURCE_WAITING;
	snprintf(job->message, sizeof(job->message), "%s",
		 job->source_state == SOURCE_WAITING ? JOB_MESSAGE_WAITING : JOB_MESSAGE_QUEUED);
	job->upload_id = strdup(request->upload_id);
	job->user_id = request->user_id ? strdup(request->user_id) : NULL;
	job->input_json = strdup(input_json);
	job->source_path = strdup(source->path);
	job->warnings = strdup("[]");
	if (!job->upload_id || !job->input_json || !job->source_path || !job->warnings ||
	    (request->user_id && !job->user_id))
		return -ENOMEM;
	return encode_order(request, job->id, &job->order_json);
}

/* Whether a slot has a job of this id, be it only to clear away after it. */
static bool is_on_slot_locked(struct engine *engine, const char *job_id) SC_REQUIRES(&engine->jobs)
{
	for (unsigned int i = 0; i < engine->n_slots; i++)
		if (engine->slots[i].job && !strcmp(engine->slots[i].job->shown.id, job_id))
			return true;
	return false;
}

/* Take the id in memory: of two that ask for the same, one comes first. */
static int reserve(struct engine *engine, struct job *job, struct error *e)
{
	unsigned int max = engine->deps.settings->max_queue;
	int r = 0;

	lock_acquire(&engine->jobs);
	if (engine->is_stopping)
		r = refuse_stopping(e);
	else if (engine->queue.n >= max)
		r = error_set(e, SC_QUEUE_FULL, "%u jobs are waiting, max_queue allows %u",
			      engine->queue.n, max);
	else if (is_on_slot_locked(engine, job->shown.id) || job_table_add(&engine->live, job) < 0)
		r = error_set(e, SC_JOB_EXISTS, "job '%s' exists already", job->shown.id);
	lock_release(&engine->jobs);
	return r;
}

static int hold_source(struct engine *engine, const char *id, const struct job_source *source,
		       struct error *e)
{
	struct job_brief brief;
	struct stat st;
	int r;

	/* An ended job's id; the insert would find it too, but then its log would have a line. */
	if (store_job_brief(engine->deps.store, id, &brief) == 0)
		return error_set(e, SC_JOB_EXISTS, "job '%s' exists already", id);
	if (fstatat(engine->output_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(e, SC_JOB_EXISTS,
				 "OUTPUT_ROOT has a '%s' already; choose another jobId", id);
	r = hold_take(engine, id, source);
	if (r == -EEXIST) {
		/* No live job has this id (it was just reserved): an old one's, whose end was cut
		 * off. */
		hold_drop(engine, id);
		r = hold_take(engine, id, source);
	}
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

static int commit_row(struct engine *engine, struct job *job, struct error *e)
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
	r = store_job_insert(engine->deps.store, &row);
	if (r == 0) {
		lock_acquire(&engine->jobs);
		job->is_listed = true;
		job->queue.age = ++engine->age;
		engine_enqueue_locked(engine, job, 0);
		lock_release(&engine->jobs);
	}
	lock_release(&engine->commit);
	if (r == 0)
		return 0;
	if (r == -EEXIST)
		return error_set(e, SC_JOB_EXISTS, "job '%s' exists already", row.id);
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

/* Id, held bytes, row: each is given back when a later one fails. */
static int accept_job(struct engine *engine, struct job *job, const struct job_source *source,
		      const struct caller *caller, struct error *e)
{
	const char *id = job->shown.id;
	int r;

	r = reserve(engine, job, e);
	if (r < 0)
		return r;
	r = hold_source(engine, id, source, e);
	if (r == 0) {
		/* Before the row: a job that is seen has a log. */
		log_accepted(engine, job, caller);
		r = commit_row(engine, job, e);
		if (r < 0) {
			hold_drop(engine, id);
			if (e->code != SC_JOB_EXISTS)
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

int engine_submit(struct engine *engine, const struct request *request, const char *input_json,
		  const struct job_source *source, const struct caller *caller, struct error *e,
		  char ret_job_id[JOB_ID_SIZE])
{
	auto_snapshot struct job_snapshot snapshot = {0};
	struct job *job = NULL;
	uint64_t version;
	int r = 0;

	if (request->job_id[0])
		memcpy(snapshot.id, request->job_id, sizeof(snapshot.id));
	else
		r = generate_id(engine, snapshot.id);
	if (r == 0 && !job_id_is_valid(snapshot.id))
		return error_set(e, SC_INVALID_REQUEST, "'%.80s' is no jobId", snapshot.id);
	if (r == 0)
		r = fill_snapshot(engine, request, input_json, source, caller, &snapshot);
	if (r == 0 && !(job = job_create(&snapshot)))
		r = -ENOMEM;
	if (r < 0)
		return error_set_errno(e, r, SC_INTERNAL, "accepting a request: %s",
				       strerrordesc_np(-r));
	r = accept_job(engine, job, source, caller, e);
	if (r < 0) {
		engine_unref(engine, job);
		return r;
	}
	memcpy(ret_job_id, job->shown.id, JOB_ID_SIZE);
	hook_reach("engine-accepted");
	lock_acquire(&engine->jobs);
	version = job->shown.version;
	job_unref(job);
	lock_release(&engine->jobs);
	engine_notify(engine, ret_job_id, version, JOB_CHANGED_CREATED | JOB_CHANGED_TEXT);
	return 0;
}

/* ---- cancel ---- */

static int check_owner(const char *job_id, uid_t owner, const struct caller *caller,
		       struct error *e)
{
	if (caller->uid == 0 || caller->uid == owner)
		return 0;
	return error_set(e, SC_FORBIDDEN, "job '%s' belongs to uid %u", job_id,
			 (unsigned int)owner);
}

static int refuse_unknown(const char *job_id, struct error *e)
{
	return error_set(e, SC_JOB_NOT_FOUND, "there is no job '%.80s'", job_id);
}

static int refuse_database(struct engine *engine, int r, struct error *e)
{
	char why[ERROR_MESSAGE_SIZE];

	store_status(engine->deps.store, why);
	return error_set_errno(e, -EIO, SC_INTERNAL, "the database cannot be used: %.300s",
			       why[0] ? why : strerrordesc_np(-r));
}

/* It is not live: it has ended, or there is none. */
static int refuse_ended(struct engine *engine, const char *job_id, const struct caller *caller,
			struct error *e)
{
	struct job_brief brief;
	int r;

	r = store_job_brief(engine->deps.store, job_id, &brief);
	if (r == -ENOENT)
		return refuse_unknown(job_id, e);
	if (r < 0)
		return refuse_database(engine, r, e);
	r = check_owner(job_id, brief.owner_uid, caller, e);
	if (r < 0)
		return r;
	return error_set(e, SC_JOB_ENDED, "job '%s' has ended already (%s)", job_id,
			 job_state_name(brief.state));
}

/* The attempt may rise, or a person write, between the look and the move: then look again. */
static int cancel_live(struct engine *engine, struct job *job, const struct caller *caller,
		       struct error *e)
{
	const char *id = job->shown.id;
	int r = -EBUSY;

	for (int tries = 0; tries < CANCEL_TRIES; tries++) {
		bool is_ended, is_listed;
		unsigned int attempt;

		lock_acquire(&engine->jobs);
		is_ended = job->is_ended;
		is_listed = job->is_listed;
		attempt = job->shown.attempt;
		lock_release(&engine->jobs);
		if (!is_listed)
			return refuse_unknown(id, e);
		if (is_ended)
			return refuse_ended(engine, id, caller, e);
		r = engine_move(engine, job, attempt, &(struct move){.to = JOB_CANCELLED});
		if (r != -ESTALE)
			break;
	}
	return r < 0 ? refuse_database(engine, r, e) : 0;
}

int engine_cancel(struct engine *engine, const char *job_id, const struct caller *caller,
		  struct error *e)
{
	struct job *job;
	int r;

	if (engine_is_stopping(engine))
		return refuse_stopping(e);
	job = engine_find(engine, job_id);
	if (!job)
		return refuse_ended(engine, job_id, caller, e);
	r = check_owner(job_id, job->shown.owner_uid, caller, e);
	if (r == 0)
		r = cancel_live(engine, job, caller, e);
	engine_unref(engine, job);
	return r;
}

/* ---- remove ---- */

/* After its end a slot may still be clearing away. @return whether none is (any more) */
static bool wait_until_let_go(struct engine *engine, const char *job_id)
{
	int64_t until = clock_monotonic_ms(&clock_system) + LET_GO_MS;
	bool is_busy = true;

	lock_acquire(&engine->jobs);
	while (is_busy) {
		int64_t left = until - clock_monotonic_ms(&clock_system);

		is_busy = is_on_slot_locked(engine, job_id);
		if (!is_busy || left <= 0 || engine->is_stopping)
			break;
		cond_wait_for(&engine->left, &engine->jobs, left);
	}
	lock_release(&engine->jobs);
	return !is_busy;
}

/* Whether the caller may remove it now. */
static int check_removable(struct engine *engine, const char *job_id, const struct caller *caller,
			   struct error *e)
{
	struct job_brief brief;
	int r;

	if (engine_is_stopping(engine))
		return refuse_stopping(e);
	r = engine_brief(engine, job_id, &brief);
	if (r == -ENOENT)
		return refuse_unknown(job_id, e);
	if (r < 0)
		return refuse_database(engine, r, e);
	r = check_owner(job_id, brief.owner_uid, caller, e);
	if (r < 0)
		return r;
	if (!job_state_is_final(brief.state))
		return error_set(e, SC_JOB_ACTIVE, "job '%s' has not ended (%s); cancel it first",
				 job_id, job_state_name(brief.state));
	if (!wait_until_let_go(engine, job_id))
		return error_set(e, SC_JOB_ACTIVE, "job '%s': its worker is still being ended",
				 job_id);
	return 0;
}

int engine_remove(struct engine *engine, const char *job_id, const struct caller *caller,
		  struct error *e)
{
	char trash[NAME_MAX + 1];
	uint64_t version;
	bool has_clips = false;
	int r;

	r = check_removable(engine, job_id, caller, e);
	if (r < 0)
		return r;
	lock_acquire(&engine->commit);
	lock_acquire(&engine->jobs);
	version = engine_next_version_locked(engine);
	lock_release(&engine->jobs);
	snprintf(trash, sizeof(trash), ".%s.%lld-%llu.removed", job_id,
		 (long long)engine_wall_ms(engine), (unsigned long long)version);
	r = store_job_remove(engine->deps.store, job_id, trash, &has_clips);
	lock_release(&engine->commit);
	if (r == -ENOENT)
		return refuse_unknown(job_id, e); /* somebody else has removed it meanwhile */
	if (r < 0)
		return refuse_database(engine, r, e);
	hook_reach("remove-midway");
	cleanup_to_trash(engine, job_id, has_clips ? trash : NULL);
	if (sweeper_add_trash(engine, trash) < 0)
		log_warning("outputs/%s is removed at the next start", trash);
	engine_notify(engine, job_id, version, JOB_CHANGED_REMOVED | JOB_CHANGED_CLIPS);
	return 0;
}

static struct artifact *find_clip(const struct job_snapshot *job, unsigned int number)
{
	for (size_t i = 0; i < job->n_artifacts; i++)
		if (job->artifacts[i].number == number && !job->artifacts[i].is_deleted)
			return &job->artifacts[i];
	return NULL;
}

/* Under the commit lock, so that two removals do not undo each other. */
static int delete_clip(struct engine *engine, const char *job_id, unsigned int number,
		       struct job_snapshot *job, struct artifact **ret) SC_REQUIRES(&engine->commit)
{
	auto_free char *urls = NULL;
	struct artifact *clip;
	int r;

	r = store_job_get(engine->deps.store, job_id, job);
	if (r < 0)
		return r;
	clip = find_clip(job, number);
	if (!clip || job->state != JOB_DONE)
		return -ENOENT;
	clip->is_deleted = true;
	urls = engine_output_urls(engine, job_id, job->artifacts, job->n_artifacts);
	if (!urls)
		return -ENOMEM;
	if (engine_wall_ms(engine) > job->updated_at)
		job->updated_at = engine_wall_ms(engine);
	lock_acquire(&engine->jobs);
	job->version = engine_next_version_locked(engine);
	lock_release(&engine->jobs);
	*ret = clip;
	return store_job_clip_deleted(engine->deps.store, job, urls);
}

int engine_remove_clip(struct engine *engine, const char *job_id, unsigned int number,
		       const struct caller *caller, struct error *e)
{
	auto_snapshot struct job_snapshot job = {0};
	char path[JOB_ID_SIZE + 32];
	struct artifact *clip = NULL;
	int r;

	r = check_removable(engine, job_id, caller, e);
	if (r < 0)
		return r;
	lock_acquire(&engine->commit);
	r = delete_clip(engine, job_id, number, &job, &clip);
	lock_release(&engine->commit);
	if (r == -ENOENT || r == -ESTALE)
		return error_set(e, SC_JOB_NOT_FOUND, "job '%s' has no clip %u", job_id, number);
	if (r < 0)
		return refuse_database(engine, r, e);
	snprintf(path, sizeof(path), "%s/%s", job_id, clip->filename);
	if (unlinkat(engine->output_fd, path, 0) < 0 && errno != ENOENT)
		log_error_with(-errno, "deleting outputs/%s", path);
	joblog_write(engine, job_id, "%s deleted by uid %u", clip->filename,
		     (unsigned int)caller->uid);
	engine_notify(engine, job_id, job.version, JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS);
	return 0;
}
