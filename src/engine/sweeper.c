/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread `sweeper`. Its list is guarded by engine.jobs; it works with no lock held. */
#include "sweeper.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

#define LOOK_EVERY_MS 500
#define RETRY_MS      5000 /* a removal that the file system refused: EIO, a quota, no room */

struct sweep {
	struct sweep *next;
	char trash[NAME_MAX + 1]; /* "": a stuck process */
	int64_t again_at;         /* of the trash, monotonic ms; 0: it was not tried yet */
	pid_t pid;
	int pidfd;
	char job_id[JOB_ID_SIZE]; /* with trash: whose clips still have their own name, or "" */
	unsigned int attempt;
};

static void add(struct engine *engine, struct sweep *sweep)
{
	lock_acquire(&engine->jobs);
	sweep->next = engine->sweeps;
	engine->sweeps = sweep;
	cond_broadcast(&engine->tick);
	lock_release(&engine->jobs);
}

int sweeper_add_trash(struct engine *engine, const char *trash, const char *unmoved)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		return -ENOMEM;
	sweep->pidfd = -1;
	snprintf(sweep->trash, sizeof(sweep->trash), "%s", trash);
	snprintf(sweep->job_id, sizeof(sweep->job_id), "%s", unmoved ? unmoved : "");
	add(engine, sweep);
	return 0;
}

void sweeper_add_stuck(struct engine *engine, pid_t pid, int pidfd, const char *job_id,
		       unsigned int attempt)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep) {
		close(pidfd); /* it stays a zombie; its directory goes at the next start */
		return;
	}
	sweep->pid = pid;
	sweep->pidfd = pidfd;
	snprintf(sweep->job_id, sizeof(sweep->job_id), "%s", job_id);
	sweep->attempt = attempt;
	add(engine, sweep);
}

/* The rename that failed when the job was removed. Nobody can take the id while its directory is
 * there: if a job has it, the directory is that job's. */
static int move_to_trash(struct engine *engine, struct sweep *sweep)
{
	struct leaving leaving = {0};
	struct job_state_row row;
	int r = 0;

	if (!sweep->job_id[0])
		return 0;
	if (engine_try_leave(engine, &leaving, sweep->job_id)) {
		r = store_job_state(engine->deps.store, sweep->job_id, &row);
		if (r == -ENOENT)
			r = cleanup_to_trash(engine, sweep->job_id, sweep->trash);
	}
	engine_left(engine, &leaving);
	if (r == 0)
		sweep->job_id[0] = '\0';
	return r;
}

/* @return whether it is gone */
static bool sweep_trash(struct engine *engine, struct sweep *sweep)
{
	int64_t now = engine_now_ms(engine);
	int r;

	if (now < sweep->again_at)
		return false;
	r = move_to_trash(engine, sweep);
	if (r == 0)
		r = file_remove_tree(engine->output_fd, sweep->trash);
	if (r == 0)
		r = store_removal_done(engine->deps.store, sweep->trash);
	if (r < 0 && !sweep->again_at)
		log_error_with(
			r, "removing outputs/%s (tried again every %d s, and at the next start)",
			sweep->job_id[0] ? sweep->job_id : sweep->trash, RETRY_MS / 1000);
	if (r == 0 && sweep->again_at)
		log_info("removed outputs/%s at last", sweep->trash);
	sweep->again_at = now + RETRY_MS;
	return r == 0;
}

/* @return whether it is finished */
static bool sweep_one(struct engine *engine, struct sweep *sweep)
{
	struct pollfd fd = {.fd = sweep->pidfd, .events = POLLIN};
	struct leaving leaving = {0};

	if (sweep->trash[0])
		return sweep_trash(engine, sweep);
	if (poll(&fd, 1, 0) <= 0)
		return false;
	waitpid(sweep->pid, NULL, 0);
	log_warning("Watchdog: job %s: pid %ld has gone at last", sweep->job_id, (long)sweep->pid);
	cleanup_attempt(engine, sweep->job_id, sweep->attempt);
	/* A later attempt sees to what it finds itself. */
	if (engine_try_leave(engine, &leaving, sweep->job_id))
		cleanup_half_published(engine, sweep->job_id);
	engine_left(engine, &leaving);
	return true;
}

/* Only this thread takes entries off, and new ones come in front: so one may be used unlocked. */
static void drop(struct engine *engine, struct sweep *sweep)
{
	struct sweep **p;

	lock_acquire(&engine->jobs);
	for (p = &engine->sweeps; *p != sweep; p = &(*p)->next)
		;
	*p = sweep->next;
	lock_release(&engine->jobs);
	if (sweep->pidfd >= 0)
		close(sweep->pidfd);
	free(sweep);
}

static void sweep_all(struct engine *engine)
{
	struct sweep *sweep, *next;

	lock_acquire(&engine->jobs);
	sweep = engine->sweeps;
	lock_release(&engine->jobs);
	for (; sweep && !engine_is_stopping(engine); sweep = next) {
		next = sweep->next;
		if (sweep_one(engine, sweep))
			drop(engine, sweep);
	}
}

void *sweeper_run(void *arg)
{
	struct engine *engine = arg;
	const struct sweep *seen = NULL;
	bool is_stopping = false;

	while (!is_stopping) {
		sweep_all(engine);
		lock_acquire(&engine->jobs);
		/* Asleep while there is nothing; by the timer while something is stuck. */
		if (!engine->is_stopping && engine->sweeps == seen) {
			if (engine->sweeps)
				cond_wait_for(&engine->tick, &engine->jobs, LOOK_EVERY_MS);
			else
				cond_wait(&engine->tick, &engine->jobs);
		}
		seen = engine->sweeps;
		is_stopping = engine->is_stopping;
		lock_release(&engine->jobs);
	}
	return NULL;
}

void sweeper_finish(struct engine *engine)
{
	while (engine->sweeps) {
		struct sweep *sweep = engine->sweeps;

		engine->sweeps = sweep->next;
		if (sweep->pidfd >= 0)
			close(sweep->pidfd);
		free(sweep);
	}
}

unsigned int sweeper_stuck_locked(const struct engine *engine, pid_t *ret_pid)
{
	unsigned int n = 0;

	*ret_pid = 0;
	for (const struct sweep *sweep = engine->sweeps; sweep; sweep = sweep->next) {
		if (sweep->pid) {
			*ret_pid = sweep->pid;
			n++;
		}
	}
	return n;
}
