/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking at jobs: a live one from memory, an ended one from the database (by the connection that
 * only reads, so that nobody waits for a commit). Any thread.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "joblog.h"
#include "space.h"
#include "state.h"
#include "storyclip/common/file.h"
#include "sweeper.h"

static int copy_string(const char *from, char **to)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

/* A live job has no artifacts to show yet. */
static int copy_snapshot(const struct job_snapshot *from, struct job_snapshot *ret)
{
	auto_snapshot struct job_snapshot to = *from;

	to.upload_id = to.user_id = to.input_json = to.warnings = to.source_path = to.order_json =
		NULL;
	to.idempotency_key = NULL;
	to.artifacts = NULL;
	to.n_artifacts = 0;
	if (copy_string(from->upload_id, &to.upload_id) < 0 ||
	    copy_string(from->user_id, &to.user_id) < 0 ||
	    copy_string(from->input_json, &to.input_json) < 0 ||
	    copy_string(from->warnings, &to.warnings) < 0 ||
	    copy_string(from->source_path, &to.source_path) < 0)
		return -ENOMEM;
	*ret = to;
	memset(&to, 0, sizeof(to)); /* what it owned is the caller's now */
	return 0;
}

static struct job *find_listed_locked(struct engine *engine, const char *job_id)
	SC_REQUIRES(&engine->jobs)
{
	struct job *job = job_table_find(&engine->live, job_id);

	return job && job->is_listed ? job : NULL;
}

int engine_snapshot(struct engine *engine, const char *job_id, struct job_snapshot *ret)
{
	struct job *job;
	int r = -ENOENT;

	lock_acquire(&engine->jobs);
	job = find_listed_locked(engine, job_id);
	if (job)
		r = copy_snapshot(&job->shown, ret);
	lock_release(&engine->jobs);
	return job ? r : store_job_get(engine->deps.store, job_id, ret);
}

int engine_brief(struct engine *engine, const char *job_id, struct job_brief *ret)
{
	struct job *job;

	lock_acquire(&engine->jobs);
	job = find_listed_locked(engine, job_id);
	if (job)
		*ret = (struct job_brief){
			.state = job->shown.state,
			.version = job->shown.version,
			.owner_uid = job->shown.owner_uid,
			.owner_gid = job->shown.owner_gid,
			.attempt = job->shown.attempt,
			.created_at = job->shown.created_at,
			.updated_at = job->shown.updated_at,
		};
	lock_release(&engine->jobs);
	return job ? 0 : store_job_brief(engine->deps.store, job_id, ret);
}

int engine_job_names(struct engine *engine, int64_t after, struct job_name_row *rows, size_t n)
{
	return store_job_names(engine->deps.store, after, rows, n);
}

int engine_job_names_of(struct engine *engine, enum job_state state, int64_t after,
			struct job_name_row *rows, size_t n)
{
	return store_job_names_of(engine->deps.store, state, after, rows, n);
}

int engine_newest_of_upload(struct engine *engine, const char *upload_id, char ret[JOB_ID_SIZE])
{
	return store_job_newest_of_upload(engine->deps.store, upload_id, ret);
}

int engine_upload_ids_page(struct engine *engine, int64_t after, struct upload_id_row *rows,
			   size_t n)
{
	return store_upload_ids_page(engine->deps.store, after, rows, n);
}

int engine_store_counts(struct engine *engine, struct store_counts *ret)
{
	return store_counts(engine->deps.store, ret);
}

int engine_uploads_newest(struct engine *engine, struct upload_summary *uploads, size_t n)
{
	return store_uploads_newest(engine->deps.store, uploads, n);
}

/* A row of a job that had not ended is behind what memory knows; and the job may have ended since. */
static int refresh(struct engine *engine, struct job_snapshot *job)
{
	auto_snapshot struct job_snapshot now = {0};
	int r;

	if (job_state_is_final(job->state))
		return 0;
	r = engine_snapshot(engine, job->id, &now);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* removed: then this text is as of just before */
	const struct job_snapshot old = *job;

	*job = now;
	now = old;
	return 0;
}

int engine_jobs_newest(struct engine *engine, struct job_snapshot *jobs, size_t n)
{
	int used = store_jobs_newest(engine->deps.store, jobs, n);
	int r = 0;

	for (int i = 0; i < used && r == 0; i++)
		r = refresh(engine, &jobs[i]);
	for (int i = 0; i < used && r < 0; i++)
		job_snapshot_finish(&jobs[i]);
	return r < 0 ? r : used;
}

/* ---- clips ---- */

/* Up to n clips with number > after of a list in order of number. */
static size_t pick_clips(const struct artifact *list, size_t n_list, unsigned int attempt,
			 unsigned int after, struct clip_info *clips, size_t n)
{
	size_t low = 0, high = n_list, used = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list[middle].number <= after)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n_list && used < n; low++) {
		if (list[low].is_deleted)
			continue;
		clips[used] = (struct clip_info){.number = list[low].number,
						 .size_bytes = list[low].size_bytes,
						 .attempt = attempt};
		memcpy(clips[used].filename, list[low].filename, sizeof(clips[used].filename));
		used++;
	}
	return used;
}

/* The ended job that was asked for last is kept, since a listing asks for each of its clips. */
static int pick_ended(struct engine *engine, const char *job_id, unsigned int after,
		      struct clip_info *clips, size_t n)
{
	auto_snapshot struct job_snapshot job = {0};
	struct job_brief brief;
	bool is_kept;
	size_t used = 0;
	int r;

	r = store_job_brief(engine->deps.store, job_id, &brief);
	if (r < 0)
		return r;
	lock_acquire(&engine->jobs);
	is_kept = !strcmp(engine->ended.id, job_id) && engine->ended.version == brief.version;
	if (is_kept)
		used = pick_clips(engine->ended.artifacts, engine->ended.n_artifacts,
				  engine->ended.attempt, after, clips, n);
	lock_release(&engine->jobs);
	if (is_kept)
		return (int)used;
	r = store_job_get(engine->deps.store, job_id, &job);
	if (r < 0)
		return r;
	if (job.state != JOB_DONE)
		return 0;
	used = pick_clips(job.artifacts, job.n_artifacts, job.attempt, after, clips, n);
	lock_acquire(&engine->jobs);
	const struct job_snapshot old = engine->ended;

	engine->ended = job;
	job = old;
	lock_release(&engine->jobs);
	return (int)used;
}

static int pick(struct engine *engine, const char *job_id, unsigned int after,
		struct clip_info *clips, size_t n)
{
	struct job *job;
	size_t used = 0;

	lock_acquire(&engine->jobs);
	job = find_listed_locked(engine, job_id);
	if (job)
		used = pick_clips(job->clips, job->n_clips, job->shown.attempt, after, clips, n);
	lock_release(&engine->jobs);
	return job ? (int)used : pick_ended(engine, job_id, after, clips, n);
}

/*
 * Where a clip may lie, in the order in which it moves. Looked through twice, since it may move
 * between two looks.
 */
static int open_clip(struct engine *engine, const char *job_id, const struct clip_info *clip,
		     int flags, int *ret_fd)
{
	char work[ATTEMPT_NAME_SIZE], tmp[ATTEMPT_NAME_SIZE], path[ATTEMPT_NAME_SIZE + 64];
	int r = -ENOENT;

	attempt_work_name(job_id, clip->attempt, work);
	attempt_tmp_name(job_id, clip->attempt, tmp);
	for (int tries = 0; tries < 2 && r == -ENOENT; tries++) {
		snprintf(path, sizeof(path), "%s/clips/%s", work, clip->filename);
		r = file_open_beneath(engine->work_fd, path, flags, 0, ret_fd);
		if (r != -ENOENT)
			break;
		snprintf(path, sizeof(path), "%s/%s", tmp, clip->filename);
		r = file_open_beneath(engine->output_fd, path, flags, 0, ret_fd);
		if (r != -ENOENT)
			break;
		snprintf(path, sizeof(path), "%s/%s", job_id, clip->filename);
		r = file_open_beneath(engine->output_fd, path, flags, 0, ret_fd);
	}
	return r;
}

static void look_at_clip(struct engine *engine, const char *job_id, struct clip_info *clip)
{
	auto_fd int fd = -1;
	struct stat st;

	if (open_clip(engine, job_id, clip, O_PATH | O_NOFOLLOW, &fd) == 0 && fstat(fd, &st) == 0)
		clip->mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

int engine_clips_page(struct engine *engine, const char *job_id, unsigned int after,
		      struct clip_info *clips, size_t n)
{
	int used = pick(engine, job_id, after, clips, n);

	for (int i = 0; i < used; i++)
		look_at_clip(engine, job_id, &clips[i]);
	return used;
}

static int find_clip(struct engine *engine, const char *job_id, unsigned int number,
		     struct clip_info *ret)
{
	int r;

	if (!number)
		return -ENOENT;
	r = pick(engine, job_id, number - 1, ret, 1);
	if (r < 0)
		return r;
	return r == 1 && ret->number == number ? 0 : -ENOENT;
}

int engine_clip(struct engine *engine, const char *job_id, unsigned int number,
		struct clip_info *ret)
{
	int r = find_clip(engine, job_id, number, ret);

	if (r == 0)
		look_at_clip(engine, job_id, ret);
	return r;
}

int engine_clip_open(struct engine *engine, const char *job_id, unsigned int number, int *ret_fd)
{
	struct clip_info clip;
	int r;

	r = find_clip(engine, job_id, number, &clip);
	return r < 0 ? r : open_clip(engine, job_id, &clip, O_RDONLY | O_NOFOLLOW, ret_fd);
}

int engine_log_open(struct engine *engine, const char *job_id, int *ret_fd)
{
	char name[JOB_ID_SIZE + 8];
	struct job_brief brief;
	int fd, r;

	r = engine_brief(engine, job_id, &brief);
	if (r < 0)
		return r;
	joblog_name(job_id, name, sizeof(name));
	fd = openat(engine->logs_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		fd = memfd_create("storyclip-log",
				  MFD_CLOEXEC); /* a job without one: an empty file */
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

void engine_stats(struct engine *engine, struct engine_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	lock_acquire(&engine->jobs);
	/* Whoever was told that a job has ended finds its worker idle, though its slot may not have let go of it. */
	for (unsigned int i = 0; i < engine->n_slots; i++) {
		const struct job *job = engine->slots[i].job;

		if (job && job->is_ended)
			ret->workers_leaving++;
		else if (job)
			ret->workers_busy++;
	}
	ret->workers_of = engine->n_slots;
	ret->queued = engine->queue.n;
	ret->watchdog_last_run = engine->watchdog_last_run;
	ret->watchdog_stalled = engine->watchdog_stalled;
	ret->stuck_processes = sweeper_stuck_locked(engine, &ret->stuck_pid);
	ret->is_stopping = engine->is_stopping;
	ret->is_paused = engine->is_paused;
	lock_release(&engine->jobs);
	ret->free_uploads = space_look(engine, engine->hold_fd, &ret->min_uploads);
	ret->free_work = space_look(engine, engine->work_fd, &ret->min_work);
	ret->free_outputs = space_look(engine, engine->output_fd, &ret->min_outputs);
	store_status(engine->deps.store, ret->database_error);
}
