/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* README, health, metrics, jobs.json, uploads.json. Handler threads. */
#include "root_texts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs_state.h"
#include "storyclip/common/file.h"
#include "storyclip/common/log.h"
#include "storyclip/view.h"

#define JOBS_SHOWN    200
#define UPLOADS_SHOWN 200

void root_render_readme(struct fs *fs, struct buf *out)
{
	view_readme(out);
}

static void look_at_server(struct fs *fs, struct server_view *server)
{
	*server = (struct server_view){
		.version = fs->deps.version,
		.since = fs->since,
		.libfuse = fs_libfuse_version(),
		.ffmpeg = fs->deps.ffmpeg,
		.sandbox = fs->deps.sandbox,
		.settings = fs->deps.settings,
		.uploads_open = intake_open_uploads(fs->intake),
	};
	server->passthrough_on = passthrough_is_on(fs, server->passthrough_why);
	server->passthrough_opens = atomic_load(&fs->counters.passthrough_opens);
	engine_stats(fs->engine, &server->engine);
	intake_watch_problem(fs->intake, server->watch_problem);
}

void root_render_health(struct fs *fs, struct buf *out)
{
	struct server_view server;

	look_at_server(fs, &server);
	view_health(&server, out);
}

/* A text that cannot be made is an error of the look-up (textfile.c). */
static void give_up(struct buf *out, int r, const char *name)
{
	log_error_with(r, "making %s", name);
	out->is_failed = true;
}

void root_render_metrics(struct fs *fs, struct buf *out)
{
	struct metrics_view view = {.parked = parked_count(fs)};
	struct metrics_requests requests[TIMED_OPS];
	int r;

	r = engine_store_counts(fs->engine, &view.stored);
	if (r < 0) {
		give_up(out, r, "metrics");
		return;
	}
	look_at_server(fs, &view.server);
	engine_counts(fs->engine, &view.counts);
	for (unsigned int op = 0; op < TIMED_OPS; op++) {
		requests[op].operation = ops_timed_name((enum timed_op)op);
		histogram_read(&fs->metrics.requests[op], histogram_request_us, &requests[op].took);
	}
	view.requests = requests;
	view.n_requests = TIMED_OPS;
	view_metrics(&view, out);
}

uint64_t root_changes_of_jobs(struct fs *fs)
{
	return atomic_load(&fs->changes);
}

void root_render_jobs(struct fs *fs, struct buf *out)
{
	struct job_snapshot *jobs = calloc(JOBS_SHOWN, sizeof(*jobs));
	struct list_view list = {.version = fs->deps.version,
				 .now = clock_wall_ms(fs->deps.clock)};
	int n = jobs ? engine_store_counts(fs->engine, &list.stored) : -ENOMEM;

	if (n == 0)
		n = engine_jobs_newest(fs->engine, jobs, JOBS_SHOWN);
	if (n < 0)
		give_up(out, n, "jobs.json");
	else
		view_jobs(&list, jobs, (size_t)n, out);
	for (int i = 0; i < n; i++)
		job_snapshot_finish(&jobs[i]);
	free(jobs);
}

/* The row of an upload that is being written is as of its first byte. */
static void look_at_open(struct fs *fs, struct upload_summary *upload)
{
	auto_fd int fd = -1;
	struct stat st;

	if (upload->state != UPLOAD_OPEN ||
	    file_open_beneath(fs->incoming.root_fd, upload->path, O_PATH | O_NOFOLLOW, 0, &fd) < 0 ||
	    fstat(fd, &st) < 0)
		return;
	upload->size = st.st_size;
	upload->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

void root_render_uploads(struct fs *fs, struct buf *out)
{
	struct upload_summary *uploads = calloc(UPLOADS_SHOWN, sizeof(*uploads));
	struct list_view list = {.version = fs->deps.version,
				 .now = clock_wall_ms(fs->deps.clock)};
	int n = uploads ? engine_store_counts(fs->engine, &list.stored) : -ENOMEM;

	if (n == 0)
		n = engine_uploads_newest(fs->engine, uploads, UPLOADS_SHOWN);
	for (int i = 0; i < n; i++)
		look_at_open(fs, &uploads[i]);
	if (n < 0)
		give_up(out, n, "uploads.json");
	else
		view_uploads(&list, uploads, (size_t)n, out);
	for (int i = 0; i < n; i++)
		free(uploads[i].path);
	free(uploads);
}
