/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing what is ours, and never what is not. Any thread, no lock held. */
#include "cleanup.h"

#include <stdio.h>

#include "hold.h"
#include "joblog.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"

void attempt_work_name(const char *job_id, unsigned int attempt, char out[ATTEMPT_NAME_SIZE])
{
	snprintf(out, ATTEMPT_NAME_SIZE, "%s.%u", job_id, attempt);
}

void attempt_tmp_name(const char *job_id, unsigned int attempt, char out[ATTEMPT_NAME_SIZE])
{
	snprintf(out, ATTEMPT_NAME_SIZE, ".%s.%u.tmp", job_id, attempt);
}

/* A failure is logged and forgotten: the next start finds the same leftovers again. */
static int remove_tree(int dir_fd, const char *name, const char *what)
{
	int r = file_remove_tree(dir_fd, name);

	if (r < 0)
		log_error_with(r, "removing %s/%s", what, name);
	return r;
}

void cleanup_half_published(struct engine *engine, const char *job_id)
{
	bool is_ours = false;

	/* The mark is set (and synced) before the publisher starts. Without it, and for a done job,
	 * the directory is not ours to remove. */
	if (store_job_was_publishing(engine->deps.store, job_id, &is_ours) < 0 || !is_ours)
		return;
	hook_reach("engine-unpublishing");
	if (remove_tree(engine->output_fd, job_id, "outputs") == 0)
		store_job_unpublished(engine->deps.store, job_id);
}

void cleanup_attempt(struct engine *engine, const char *job_id, unsigned int attempt)
{
	char name[ATTEMPT_NAME_SIZE];

	attempt_work_name(job_id, attempt, name);
	remove_tree(engine->work_fd, name, "work");
	attempt_tmp_name(job_id, attempt, name);
	remove_tree(engine->output_fd, name, "outputs");
}

void cleanup_ended(struct engine *engine, const char *job_id)
{
	cleanup_half_published(engine, job_id);
	hook_reach("engine-letting-go");
	hold_drop(engine, job_id);
}

int cleanup_to_trash(struct engine *engine, const char *job_id, const char *trash)
{
	int r = 0;

	if (trash && renameat(engine->output_fd, job_id, engine->output_fd, trash) < 0 &&
	    errno != ENOENT)
		r = -errno;
	joblog_remove(engine, job_id);
	return r;
}
