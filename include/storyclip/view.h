/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshot in, bytes out: every text of the mount. Pure functions, no locks, no I/O; any thread.
 * They append to out; a failed allocation shows in buf_error(out).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storyclip/common/buf.h"
#include "storyclip/engine.h"
#include "storyclip/job.h"

/** jobs/<id>/status: one JSON object and a newline, INTERFACE.md "A job's life". */
void view_job_status(const struct job_snapshot *job, const char *cdn_base, struct buf *out);
/** jobs/<id>/progress: "42\n". */
void view_job_progress(const struct job_snapshot *job, const char *cdn_base, struct buf *out);
/** jobs/<id>/request: the request as it was accepted, and a newline. */
void view_job_request(const struct job_snapshot *job, const char *cdn_base, struct buf *out);

/** events: a change of a job as one JSON object and a newline. */
void view_event(const struct job_change *change, struct buf *out);
/** events: the line that stands for n changes that this reader has lost, the last of them `seq`. */
void view_event_lost(uint64_t seq, uint64_t n, struct buf *out);

/** What health shows, gathered by the file system. */
struct server_view {
	const char *version;
	int64_t since; /* wall ms of the mount */
	const char *libfuse;
	const char *ffmpeg; /* version text of the worker's libav */
	const char *sandbox; /* JSON object: what workers lock themselves in with; NULL: unknown */
	const struct settings *settings;
	struct engine_stats engine;
	unsigned int uploads_open;
	bool passthrough_on;
	char passthrough_why[ERROR_MESSAGE_SIZE]; /* "": it is on */
	uint64_t passthrough_opens;               /* since the mount */
	char watch_problem[ERROR_MESSAGE_SIZE]; /* "": arrivals behind the mount are heard of */
};
void view_health(const struct server_view *server, struct buf *out);

/** metrics: what is counted, in Prometheus' text format. */
struct metrics_requests {
	const char *operation;
	struct histogram_values took;
};
struct metrics_view {
	struct server_view server;
	struct store_counts stored;
	struct engine_counts counts;
	const struct metrics_requests *requests;
	size_t n_requests;
	unsigned int parked;
};
void view_metrics(const struct metrics_view *metrics, struct buf *out);

/** Head of jobs.json and uploads.json. */
struct list_view {
	const char *version; /* of the server */
	int64_t now;         /* wall ms: when the list was made */
	struct store_counts stored;
};
/** jobs.json: fields as in status, without what makes it long. */
void view_jobs(const struct list_view *list, const struct job_snapshot *jobs, size_t n,
	       struct buf *out);
/** uploads.json. */
void view_uploads(const struct list_view *list, const struct upload_summary *uploads, size_t n,
		  struct buf *out);
/** README of the mount: how to use it, in a page. */
void view_readme(struct buf *out);

/** JSON string with quotes; bytes that are not UTF-8 are written %XX. */
void view_json_string(struct buf *out, const char *s);

/**
 * An uploadId as a name in by-upload/: '/' is %2F, '%' is %25; over 255 bytes a hash of it.
 * @param out  at least 256 bytes
 */
void view_upload_name(const char *upload_id, char out[256]);
/** The reverse. @return 0 (*ret to free), -ENOENT for a hashed or malformed name */
int view_upload_id_from_name(const char *name, char **ret);
