/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovery, before any thread runs. A crash in the middle of it is recovered from by the same
 * steps. */
#include "recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "external.h"
#include "hold.h"
#include "joblog.h"
#include "storyclip/common/file.h"
#include "storyclip/common/log.h"
#include "sweeper.h"
#include "upload_delete.h"

#define NOT_BEFORE_MAX_MS 60000 /* however far the wall clock was set back meanwhile */
#define ATTEMPTS_BACK     100   /* of so many last attempts a copy is looked for in OUTPUT_ROOT */

/* Names collected while the store is being read, to be worked on afterwards. */
struct names {
	struct name {
		char id[JOB_ID_SIZE];
		unsigned int attempt;
		char *trash;
		bool has_clips, is_id_taken;
	} * list;
	size_t n, cap;
};

static void names_finish(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i].trash);
	free(names->list);
}
#define auto_names __attribute__((cleanup(names_finish)))

static struct name *names_add(struct names *names, const char *id)
{
	struct name *name;

	if (names->n == names->cap) {
		size_t cap = names->cap ? 2 * names->cap : 16;
		struct name *list = realloc(names->list, cap * sizeof(*list));

		if (!list)
			return NULL;
		names->list = list;
		names->cap = cap;
	}
	name = &names->list[names->n++];
	memset(name, 0, sizeof(*name));
	snprintf(name->id, sizeof(name->id), "%s", id);
	return name;
}

/* ---- what was half published ---- */

static int collect_half_published(void *context, const char *job_id, unsigned int attempt)
{
	struct name *name = names_add(context, job_id);

	if (!name)
		return -ENOMEM;
	name->attempt = attempt;
	return 0;
}

static int remove_half_published(struct engine *engine)
{
	auto_names struct names names = {0};
	int r;

	r = store_jobs_half_published(engine->deps.store, collect_half_published, &names);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		unsigned int last = names.list[i].attempt;
		unsigned int attempt = last > ATTEMPTS_BACK ? last - ATTEMPTS_BACK : 0;

		for (; attempt < last; attempt++)
			cleanup_attempt(engine, names.list[i].id, attempt + 1);
		cleanup_half_published(engine, names.list[i].id);
		log_info("job %s: removed what it had half published", names.list[i].id);
	}
	return r;
}

/* ---- removals that were cut off ---- */

static int collect_removal(void *context, const struct removal_row *row)
{
	struct name *name = names_add(context, row->job_id);

	if (!name)
		return -ENOMEM;
	name->has_clips = row->has_clips;
	name->is_id_taken = row->is_id_taken;
	name->trash = strdup(row->trash);
	return name->trash ? 0 : -ENOMEM;
}

static int finish_removals(struct engine *engine)
{
	auto_names struct names names = {0};
	int r;

	r = store_removals_each(engine->deps.store, collect_removal, &names);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		const struct name *name = &names.list[i];
		bool is_moved = true;

		/* A newer job could only get the id once the directory had been renamed. */
		if (!name->is_id_taken)
			is_moved = cleanup_to_trash(engine, name->id,
						    name->has_clips ? name->trash : NULL) == 0;
		r = sweeper_add_trash(engine, name->trash, is_moved ? NULL : name->id);
	}
	return r;
}

/* ---- jobs that had not ended ---- */

static int load_job(void *context, struct job_snapshot *snapshot)
{
	struct engine *engine = context;
	struct job *job = job_create(snapshot);
	int r = 0;

	if (!job)
		return -ENOMEM;
	lock_acquire(&engine->jobs);
	job->is_listed = true;
	job->queue.age = ++engine->age;
	r = job_table_add(&engine->live, job);
	job_unref(job); /* the table's remains */
	lock_release(&engine->jobs);
	return r;
}

static int64_t rest_of_backoff_ms(struct engine *engine, const struct job_snapshot *shown)
{
	int64_t left = shown->not_before ? shown->not_before - engine_wall_ms(engine) : 0;

	return left < 0 ? 0 : left < NOT_BEFORE_MAX_MS ? left : NOT_BEFORE_MAX_MS;
}

/* A copy that was not complete is made anew, from the file of that name if it is still as accepted. */
static void hold_again(struct engine *engine, struct job *job)
{
	bool is_held = hold_is_there(engine, job->shown.id);
	int fd = -1;

	if (!is_held)
		file_open_beneath(engine->uploads_fd, job->shown.source_path, O_RDONLY | O_NONBLOCK, 0,
				  &fd);
	lock_acquire(&engine->jobs);
	job->is_held = is_held;
	job->source_fd = fd;
	lock_release(&engine->jobs);
}

static int requeue(struct engine *engine, struct job *job)
{
	unsigned int attempt;
	enum job_state state;

	if (job->shown.is_hold_copy)
		hold_again(engine, job);
	lock_acquire(&engine->jobs);
	state = job->shown.state;
	attempt = job->shown.attempt;
	if (state == JOB_QUEUED)
		engine_enqueue_locked(engine, job, rest_of_backoff_ms(engine, &job->shown));
	lock_release(&engine->jobs);
	if (state == JOB_QUEUED)
		return 0;
	joblog_write(engine, job->shown.id, "attempt %u was cut off by the end of the daemon",
		     attempt);
	/* The end of the daemon is nobody's failure. */
	return engine_move(engine, job, attempt, &(struct move){.to = JOB_QUEUED});
}

static int load_jobs(struct engine *engine)
{
	struct job **jobs = NULL;
	size_t n = 0;
	int r;

	r = store_jobs_live(engine->deps.store, load_job, engine);
	if (r == 0)
		r = engine_live_jobs(engine, &jobs, &n);
	for (size_t i = 0; i < n; i++) {
		int moved = r < 0 ? 0 : requeue(engine, jobs[i]);

		/* A person who is faster even now is followed by the first look of `external`. */
		if (moved < 0 && moved != -ESTALE)
			r = moved;
		engine_unref(engine, jobs[i]);
	}
	free(jobs);
	if (r == 0 && n)
		log_info("%zu jobs taken up again", n);
	return r;
}

/* ---- work directories ---- */

/* Split "<id>.<attempt>". @return whether it is such a name */
static bool split_work_name(const char *name, char id[JOB_ID_SIZE], unsigned int *ret_attempt)
{
	const char *dot = strrchr(name, '.');
	char again[ATTEMPT_NAME_SIZE];

	if (!dot || dot == name || (size_t)(dot - name) > JOB_ID_MAX)
		return false;
	if (sscanf(dot + 1, "%9u", ret_attempt) != 1)
		return false;
	memcpy(id, name, (size_t)(dot - name));
	id[dot - name] = '\0';
	attempt_work_name(id, *ret_attempt, again);
	return !strcmp(again, name) && job_id_is_valid(id);
}

static int sweep_work(struct engine *engine)
{
	int fd = openat(engine->work_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		char id[JOB_ID_SIZE];
		struct job_brief brief;
		unsigned int attempt;

		if (!split_work_name(entry->d_name, id, &attempt) || attempt == 0 ||
		    store_job_brief(engine->deps.store, id, &brief) < 0 || attempt > brief.attempt)
			continue; /* the database does not know it: somebody else's */
		r = file_remove_tree(engine->work_fd, entry->d_name);
		if (r < 0)
			log_error_with(r, "removing work/%s", entry->d_name);
	}
	closedir(dir);
	return 0;
}

int recover(struct engine *engine, struct error *e)
{
	int r;

	/* Before anything is read: what is written later is seen by the thread `external`. */
	r = store_data_version(engine->deps.store, &engine->data_version);
	if (r == 0)
		r = store_job_max_version(engine->deps.store, &engine->version);
	if (r == 0)
		r = external_check(engine);
	if (r == 0)
		r = remove_half_published(engine);
	if (r == 0)
		r = finish_removals(engine);
	if (r == 0)
		r = load_jobs(engine);
	if (r < 0) {
		char why[ERROR_MESSAGE_SIZE];

		store_status(engine->deps.store, why);
		return error_set_errno(
			e, r, SC_INTERNAL, "taking up the jobs of database '%s': %.200s",
			engine->deps.settings->database, why[0] ? why : strerrordesc_np(-r));
	}
	r = upload_delete_left(engine);
	if (r == 0)
		r = sweep_work(engine);
	if (r == 0)
		r = hold_sweep(engine);
	if (r < 0)
		log_error_with(r, "looking for leftovers");
	return 0;
}
