/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the intake tells and asks about the files that jobs hold. Any thread. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "joblog.h"
#include "state.h"
#include "storyclip/common/log.h"

/* The next queued job of this source after `after` (whose reference is given back), with one. */
static struct job *next_waiting_locked(struct engine *engine, dev_t dev, ino_t ino)
	SC_REQUIRES(&engine->jobs)
{
	struct job *job = NULL;

	while ((job = job_table_of_source(&engine->live, job, dev, ino)))
		if (job->shown.state == JOB_QUEUED && job->shown.source_state == SOURCE_WAITING)
			return job_ref(job);
	return NULL;
}

/* Its row may say "waiting" a little longer: the scan of the next start would say it again. */
static void set_ready(struct engine *engine, struct job *job, int64_t size, int64_t mtime_ns,
		      uint64_t *ret_version) SC_REQUIRES(&engine->commit)
{
	struct job_snapshot row;
	int r;

	lock_acquire(&engine->jobs);
	job->shown.source_state = SOURCE_READY;
	job->shown.source_size = size;
	job->shown.source_mtime_ns = mtime_ns;
	snprintf(job->shown.message, sizeof(job->shown.message), "%s", JOB_MESSAGE_QUEUED);
	job->shown.updated_at = job_wall_ms(job, engine_wall_ms(engine));
	job->shown.version = engine_next_version_locked(engine);
	*ret_version = job->is_listed ? job->shown.version : 0;
	row = job->shown;
	if (*ret_version)
		feed_add_locked(engine, &row, JOB_CHANGED_TEXT);
	lock_release(&engine->jobs);
	if (!*ret_version)
		return; /* not yet inserted: its row will have all this */
	r = store_job_source(engine->deps.store, &row);
	if (r < 0 && r != -ESTALE)
		log_error_with(r, "job %s: noting that its upload is complete", row.id);
	/* Only now may it run: a claim comes after the note. */
	lock_acquire(&engine->jobs);
	job->queue.is_ready = true;
	cond_signal(&engine->runnable);
	lock_release(&engine->jobs);
}

void engine_source_ready(struct engine *engine, dev_t dev, ino_t ino, int64_t size,
			 int64_t mtime_ns)
{
	struct job *job = NULL;

	do {
		uint64_t version = 0;

		lock_acquire(&engine->commit);
		lock_acquire(&engine->jobs);
		job = next_waiting_locked(engine, dev, ino);
		lock_release(&engine->jobs);
		if (job)
			set_ready(engine, job, size, mtime_ns, &version);
		lock_release(&engine->commit);
		if (version) {
			joblog_write(engine, job->shown.id, "the upload is closed: %lld bytes",
				     (long long)size);
			engine_notify(engine, job->shown.id, version, JOB_CHANGED_TEXT);
		}
		if (job)
			engine_unref(engine, job);
	} while (job);
}

/* Whether its bytes are still those of the upload's own inode. Under engine.jobs. */
static bool uses_source(const struct job *job)
{
	return !job->shown.is_hold_copy || !job->is_held;
}

/* Look at the file by what holds it. @return whether there is such */
static bool look_at_source(struct engine *engine, dev_t dev, ino_t ino, struct stat *st)
{
	char id[JOB_ID_SIZE] = "";
	struct job *job = NULL;
	auto_fd int fd = -1;
	int r;

	lock_acquire(&engine->jobs);
	while ((job = job_table_of_source(&engine->live, job, dev, ino)) && !uses_source(job))
		;
	if (job && job->shown.is_hold_copy)
		fd = fcntl(job->source_fd, F_DUPFD_CLOEXEC, 3);
	else if (job)
		memcpy(id, job->shown.id, sizeof(id));
	lock_release(&engine->jobs);
	if (fd >= 0)
		r = fstat(fd, st);
	else
		r = id[0] ? fstatat(engine->hold_fd, id, st, AT_SYMLINK_NOFOLLOW) : -1;
	return r == 0 && st->st_ino == ino;
}

void engine_source_touched(struct engine *engine, dev_t dev, ino_t ino)
{
	struct job *job = NULL;
	struct stat st;

	if (!look_at_source(engine, dev, ino, &st))
		return;
	lock_acquire(&engine->jobs);
	while ((job = job_table_of_source(&engine->live, job, dev, ino))) {
		/* Of one that is still written it will be told with its size. */
		if (job->shown.source_state == SOURCE_WAITING ||
		    job->shown.source_size != st.st_size || !uses_source(job))
			continue;
		job->shown.source_mtime_ns =
			(int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
		job->is_touched = true; /* the thread `external` writes it */
	}
	cond_broadcast(&engine->left); /* a slot that wonders about the times */
	lock_release(&engine->jobs);
}

/* The row cannot be written now, and the caller is not to wait: a slot will write it. */
static void leave_to_slot(struct engine *engine, struct job *job, const struct error *e)
{
	lock_acquire(&engine->jobs);
	if (!job->is_ended && job->shown.state == JOB_QUEUED) {
		job->verdict = *e;
		job->queue.is_ready = true;
		cond_signal(&engine->runnable);
	}
	lock_release(&engine->jobs);
}

void engine_source_failed(struct engine *engine, dev_t dev, ino_t ino, enum sc_code code,
			  const char *message)
{
	struct job **jobs = NULL;
	struct error e = {0};
	size_t n = 0;

	error_set(&e, code, "%s", message);
	if (engine_live_jobs(engine, &jobs, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		struct job *job = jobs[i];
		unsigned int attempt;
		bool is_meant;
		int r;

		lock_acquire(&engine->jobs);
		attempt = job->shown.attempt;
		is_meant = !job->is_ended && job->shown.state == JOB_QUEUED &&
			   job->shown.source_dev == dev && job->shown.source_ino == ino;
		lock_release(&engine->jobs);
		r = is_meant ? engine_move(engine, job, attempt,
					   &(struct move){.to = JOB_FAILED, .error = &e})
			     : 0;
		if (r < 0 && r != -ESTALE)
			leave_to_slot(engine, job, &e);
		engine_unref(engine, job);
	}
	free(jobs);
}

unsigned int engine_source_links(struct engine *engine, dev_t dev, ino_t ino)
{
	struct job *job = NULL;
	unsigned int n = 0;

	lock_acquire(&engine->jobs);
	while ((job = job_table_of_source(&engine->live, job, dev, ino)))
		n += !job->shown.is_hold_copy;
	lock_release(&engine->jobs);
	return n;
}

bool engine_source_is_frozen(struct engine *engine, dev_t dev, ino_t ino)
{
	struct job *job = NULL;
	bool is_frozen = false;

	lock_acquire(&engine->jobs);
	while (!is_frozen && (job = job_table_of_source(&engine->live, job, dev, ino)))
		is_frozen = uses_source(job);
	lock_release(&engine->jobs);
	return is_frozen;
}

bool engine_source_is_awaited(struct engine *engine, dev_t dev, ino_t ino)
{
	struct job *job = NULL;
	bool is_awaited = false;

	lock_acquire(&engine->jobs);
	while (!is_awaited && (job = job_table_of_source(&engine->live, job, dev, ino)))
		is_awaited =
			job->shown.state == JOB_QUEUED && job->shown.source_state == SOURCE_WAITING;
	lock_release(&engine->jobs);
	return is_awaited;
}

int engine_sources_each(struct engine *engine,
			int (*each)(void *context, dev_t dev, ino_t ino, bool is_waiting),
			void *context)
{
	struct job **jobs = NULL;
	size_t n = 0;
	int r;

	r = engine_live_jobs(engine, &jobs, &n);
	for (size_t i = 0; i < n; i++) {
		struct job *job = jobs[i];
		bool is_waiting, is_live;

		lock_acquire(&engine->jobs);
		is_live = !job->is_ended;
		is_waiting = job->shown.source_state == SOURCE_WAITING;
		lock_release(&engine->jobs);
		if (r == 0 && is_live)
			r = each(context, job->shown.source_dev, job->shown.source_ino, is_waiting);
		engine_unref(engine, job);
	}
	free(jobs);
	return r;
}
