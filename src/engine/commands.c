/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others ask of jobs that are there: cancel, remove. Any thread; each blocks on the database.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "external.h"
#include "joblog.h"
#include "refusals.h"
#include "state.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "sweeper.h"

#define CANCEL_TRIES 10

/* ---- pause ---- */

int engine_pause(struct engine *engine, bool is_paused, const struct caller *caller,
		 struct error *e)
{
	if (caller->uid != 0)
		return error_set(e, SC_FORBIDDEN, "only root may pause and resume, not uid %u",
				 (unsigned int)caller->uid);
	lock_acquire(&engine->jobs);
	engine->is_paused = is_paused;
	cond_broadcast(&engine->runnable);
	lock_release(&engine->jobs);
	log_info("%s by root",
		 is_paused ? "paused: no job is started until it is resumed" : "resumed");
	return 0;
}

/* ---- cancel ---- */

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
	r = refuse_stranger(job_id, brief.owner_uid, caller, e);
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
	r = refuse_stranger(job_id, job->shown.owner_uid, caller, e);
	if (r == 0)
		r = cancel_live(engine, job, caller, e);
	engine_unref(engine, job);
	return r;
}

/* ---- remove ---- */

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
	r = refuse_stranger(job_id, brief.owner_uid, caller, e);
	if (r < 0)
		return r;
	if (!job_state_is_final(brief.state))
		return error_set(e, SC_JOB_ACTIVE, "job '%s' has not ended (%s); cancel it first",
				 job_id, job_state_name(brief.state));
	/* A person's change of which nothing has followed yet: whose the clips are is not noted. */
	external_settle_id(engine, job_id);
	return engine_wait_let_go(engine, job_id) ? 0 : refuse_held(job_id, e);
}

/* The job as it is last seen, for whoever reads the feed. */
static void last_snapshot(struct engine *engine, const char *job_id, struct job_snapshot *ret)
{
	if (!feed_is_read(engine) || engine_snapshot(engine, job_id, ret) < 0)
		snprintf(ret->id, sizeof(ret->id), "%s", job_id);
}

int engine_remove(struct engine *engine, const char *job_id, const struct caller *caller,
		  struct error *e)
{
	const unsigned int what = JOB_CHANGED_REMOVED | JOB_CHANGED_CLIPS;
	struct leaving leaving = {0};
	auto_snapshot struct job_snapshot last = {0};
	char trash[NAME_MAX + 1];
	uint64_t version;
	bool has_clips = false, is_moved = true;
	int r;

	r = check_removable(engine, job_id, caller, e);
	if (r < 0)
		return r;
	last_snapshot(engine, job_id, &last);
	lock_acquire(&engine->commit);
	lock_acquire(&engine->jobs);
	version = engine_next_version_locked(engine);
	/* Until clips and log are out of the way the id is nobody's. */
	engine_leave_locked(engine, &leaving, job_id);
	lock_release(&engine->jobs);
	snprintf(trash, sizeof(trash), ".%s.%lld-%llu.removed", job_id,
		 (long long)engine_wall_ms(engine), (unsigned long long)version);
	r = store_job_remove(engine->deps.store, job_id, trash, &has_clips);
	if (r == 0) {
		last.version = version;
		lock_acquire(&engine->jobs);
		feed_add_locked(engine, &last, what);
		lock_release(&engine->jobs);
	}
	lock_release(&engine->commit);
	if (r == 0) {
		hook_reach("remove-midway");
		is_moved = cleanup_to_trash(engine, job_id, has_clips ? trash : NULL) == 0;
	}
	engine_left(engine, &leaving);
	if (r == -ENOENT)
		return refuse_unknown(job_id, e); /* somebody else has removed it meanwhile */
	if (r < 0)
		return refuse_database(engine, r, e);
	if (sweeper_add_trash(engine, trash, is_moved ? NULL : job_id) < 0)
		log_warning("outputs/%s is removed at the next start", trash);
	engine_notify(engine, job_id, version, what);
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
	r = store_job_clip_deleted(engine->deps.store, job, urls);
	if (r == 0) {
		lock_acquire(&engine->jobs);
		feed_add_locked(engine, job, JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS);
		lock_release(&engine->jobs);
	}
	return r;
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
