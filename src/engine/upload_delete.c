/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing an upload must never hit another file that has just got its name. So the name is first
 * moved aside, into the hold directory, and looked at there, where nobody else can reach it; what
 * is not the upload is put back. An end in between is seen to by the next start.
 */
#include "upload_delete.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "joblog.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"

/* A name of the hold directory that no job's hold has. */
static void aside_name(const struct job_snapshot *job, char out[NAME_MAX + 1])
{
	snprintf(out, NAME_MAX + 1, ".%s.deleted", job->id);
}

static bool is_upload(const struct job_snapshot *job, int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_dev == job->source_dev && st.st_ino == job->source_ino &&
	       st.st_size == job->source_size &&
	       (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == job->source_mtime_ns;
}

/* @return 1: removed, 0: it is another file and stays, or a negative errno */
static int settle_aside(struct engine *engine, const struct job_snapshot *job, int dir_fd,
			const char *name)
{
	char aside[NAME_MAX + 1];

	aside_name(job, aside);
	if (is_upload(job, engine->hold_fd, aside))
		return unlinkat(engine->hold_fd, aside, 0) < 0 ? -errno : 1;
	/* Should there be a newer one already, both are kept: this one lies in the hold directory.
	 */
	return renameat2(engine->hold_fd, aside, dir_fd, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static int remove_name(struct engine *engine, const struct job_snapshot *job, int dir_fd,
		       const char *name)
{
	char aside[NAME_MAX + 1];
	struct stat st;

	aside_name(job, aside);
	/* An earlier life of the daemon may have come as far as this. */
	if (fstatat(engine->hold_fd, aside, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return settle_aside(engine, job, dir_fd, name);
	if (!is_upload(job, dir_fd, name))
		return 0;
	if (renameat2(dir_fd, name, engine->hold_fd, aside, RENAME_NOREPLACE) == 0) {
		hook_reach("upload-aside");
		return settle_aside(engine, job, dir_fd, name);
	}
	/* Another volume below incoming/, or a file system without the flag. */
	if (errno != EXDEV && errno != EINVAL)
		return -errno;
	return unlinkat(dir_fd, name, 0) < 0 ? -errno : 1;
}

static int delete_file(struct engine *engine, const struct job_snapshot *job)
{
	const char *slash = strrchr(job->source_path, '/');
	auto_free char *parent =
		slash ? strndup(job->source_path, (size_t)(slash - job->source_path)) : strdup(".");
	auto_fd int fd = -1;
	int r;

	if (!parent)
		return -ENOMEM;
	r = file_open_beneath(engine->uploads_fd, parent, O_RDONLY | O_DIRECTORY, 0, &fd);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0)
		r = remove_name(engine, job, fd, slash ? slash + 1 : job->source_path);
	if (r == -ENOENT)
		return 0;
	if (r == 1)
		file_sync_dir(fd);
	return r;
}

/* Whether a job whose bytes are not held yet needs the name. */
static bool job_is_copied_from(struct engine *engine, const struct job_snapshot *job)
{
	struct job *other = NULL;
	bool is_needed = false;

	lock_acquire(&engine->jobs);
	while (!is_needed && (other = job_table_of_source(&engine->live, other, job->source_dev,
							  job->source_ino)))
		is_needed = other->shown.is_hold_copy && !other->is_held;
	lock_release(&engine->jobs);
	return is_needed;
}

void upload_delete(struct engine *engine, const struct job_snapshot *job)
{
	const struct engine_listener *listener = &engine->deps.listener;
	const struct upload_change change = {.kind = UPLOAD_DELETE, .row.path = job->source_path};
	int r;

	if (job_is_copied_from(engine, job)) {
		joblog_write(engine, job->id, "another job has yet to copy the upload: it stays until the "
					      "next mount");
		return;
	}
	r = delete_file(engine, job);
	if (r < 0) {
		log_error_with(r, "job %s: removing upload '%s'", job->id, job->source_path);
		joblog_write(engine, job->id, "the upload could not be removed: %s",
			     strerrordesc_np(-r) ? strerrordesc_np(-r) : "?");
		return; /* the next start tries again */
	}
	joblog_write(engine, job->id,
		     r ? "the upload was removed"
		       : "the upload's name is another file now: it stays");
	if (r && engine->is_created && listener->upload_deleted)
		listener->upload_deleted(listener->context, job->source_path);
	else if (r)
		store_uploads_apply(engine->deps.store, &change, 1, false);
	/* Not noted, it is only looked for once more. */
	r = store_job_upload_deleted(engine->deps.store, job->id);
	if (r < 0)
		log_error_with(r, "job %s: noting that its upload was removed", job->id);
}

/* ---- at the start ---- */

struct due {
	char (*ids)[JOB_ID_SIZE];
	size_t n;
};

static int collect(void *context, const char *job_id)
{
	struct due *due = context;
	char(*ids)[JOB_ID_SIZE] = realloc(due->ids, (due->n + 1) * sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	due->ids = ids;
	snprintf(ids[due->n++], JOB_ID_SIZE, "%s", job_id);
	return 0;
}

int upload_delete_left(struct engine *engine)
{
	struct due due = {0};
	int r;

	r = store_jobs_deleting_upload(engine->deps.store, collect, &due);
	for (size_t i = 0; i < due.n && r == 0; i++) {
		auto_snapshot struct job_snapshot job = {0};

		if (store_job_get(engine->deps.store, due.ids[i], &job) == 0)
			upload_delete(engine, &job);
	}
	free(due.ids);
	return r;
}
