/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last step of an attempt: its clips come to their place, and the job is done. */
#include "attempt_steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "joblog.h"
#include "runner.h"
#include "storyclip/common/hook.h"

#define MAX_PROGRESS_PUBLISHER 99
#define PROGRESS_PUBLISHING    95

/* From the mark on, OUTPUT_ROOT/<id> is ours to remove; so it must not be somebody else's now. */
static int mark_publishing(struct attempt *a, struct error *e)
{
	int64_t begun_us = clock_precise_us();
	struct stat st;
	int r;

	/* Of an earlier attempt, whose removal has failed? */
	if (fstatat(a->engine->output_fd, a->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		cleanup_half_published(a->engine, a->id);
	if (fstatat(a->engine->output_fd, a->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(e, SC_IO_ERROR, "OUTPUT_ROOT/%s is there already, and not ours",
				 a->id);
	r = store_job_publishing(a->engine->deps.store, a->id, a->number);
	a->job->phases.sync_us += clock_precise_us() - begun_us;
	phases_lap(&a->job->phases, PHASE_MARK);
	if (r == -ESTALE)
		return -ECANCELED; /* somebody has ended the job; the slot will see who */
	return r < 0 ? error_from_errno(e, r, "noting that the clips are being published") : 0;
}

static int count_clips(struct attempt *a, struct error *e)
{
	bool has_clips;

	lock_acquire(&a->engine->jobs);
	has_clips = a->job->n_clips > 0;
	lock_release(&a->engine->jobs);
	return has_clips ? 0
			 : error_set(e, SC_INTERNAL, "the worker says done, but has made no clip");
}

int attempt_publish(struct attempt *a, struct error *e)
{
	const struct settings *settings = a->engine->deps.settings;
	/* Under root the clips are those of the worker's own uid, which nobody must get. */
	const bool is_root = geteuid() == 0;
	const struct publish_order order = {
		.attempt = a->number,
		.owner_uid = settings->has_output_owner ? settings->output_uid
			     : is_root                  ? 0
							: (uid_t)-1,
		.owner_gid = settings->has_output_owner ? settings->output_gid
			     : is_root                  ? 0
							: (gid_t)-1,
	};
	struct publish_order with_id = order;
	auto_buf struct buf text = BUF_EMPTY;
	const struct runner_plan plan = {
		.program = "storyclip-publish",
		.noun = "publisher",
		.order = &text,
		.fds = {a->work_fd, a->engine->output_fd},
		.log_fd = a->log_fd,
		.max_progress = MAX_PROGRESS_PUBLISHER,
		.clips_fd = -1,
	};
	int r;

	hook_reach("engine-before-publish");
	r = count_clips(a, e);
	if (r < 0)
		return r;
	if (engine_is_stopping(a->engine))
		return -ECANCELED;
	memcpy(with_id.job_id, a->id, sizeof(with_id.job_id));
	r = publish_order_encode(&with_id, &text);
	if (r < 0)
		return error_from_errno(e, r, "writing the publisher's order");
	r = mark_publishing(a, e);
	if (r < 0)
		return r;
	attempt_show_phase(a, PROGRESS_PUBLISHING, JOB_MESSAGE_PUBLISHING, MAX_PROGRESS_PUBLISHER);
	r = runner_run(a->slot, a->job, a->number, &plan, e, &a->is_stuck);
	phases_lap(&a->job->phases, PHASE_PUBLISH);
	if (r < 0 && e->code == SC_JOB_EXISTS) {
		/* Somebody has made that directory since we looked: it is not ours. */
		store_job_unpublished(a->engine->deps.store, a->id);
		e->code = SC_IO_ERROR;
	}
	if (r < 0)
		return r;
	joblog_write_fd(a->engine, a->log_fd, "published");
	hook_reach("engine-published");
	r = engine_move_surely(a->engine, a->job, a->number,
			       &(struct move){.to = JOB_DONE, .is_of_attempt = true});
	if (r < 0)
		return -ECANCELED; /* cancelled, stalled, changed by hand, or stopping */
	hook_reach("engine-done");
	return 0;
}
