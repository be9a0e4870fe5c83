/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A long history: N jobs that have ended, written by the store's own code, each with its directory in
 * OUTPUT_ROOT and an upload of its own.
 *
 *     make_jobs DATABASE OUTPUT_ROOT N [FIRST]
 *
 * Each row is a commit: let DATABASE lie on a tmpfs while it is made. The daemon must not run. Ids are
 * job_<ms>_<number>, FIRST (0) is the first number; three of four are done, the others failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storyclip/store.h"

#define BORN_MS INT64_C(1760000000000)

static int make_one(struct store *store, const char *outputs, long long i)
{
	char upload[64], source[80], input[128], path[4096];
	struct artifact clip = {.number = 1, .filename = "clip_001.mp4", .size_bytes = 491520,
				.duration_us = 5000000, .dropped = (char *)"[]"};
	struct job_snapshot job = {
		.version = (uint64_t)i + 1, .upload_id = upload, .input_json = input,
		.source_path = source, .warnings = (char *)"[]", .max_attempts = 2,
		.order_json = (char *)"{\"jobId\":\"x\",\"attempt\":1,\"cut\":\"exact\",\"maxClips\":50}",
		.attempt = 1, .created_at = BORN_MS + i, .source_at = BORN_MS + i,
		.started_at = BORN_MS + i + 1, .updated_at = BORN_MS + i + 120,
		.finished_at = BORN_MS + i + 120, .source_ino = (ino_t)i + 1, .source_size = 947688,
		.state = i % 4 == 3 ? JOB_FAILED : JOB_DONE,
	};
	int r;

	snprintf(job.id, sizeof(job.id), "job_%lld_%08lld", (long long)BORN_MS + i, i);
	snprintf(upload, sizeof(upload), "videos/upload_%08lld", i);
	snprintf(source, sizeof(source), "%s.mp4", upload);
	snprintf(input, sizeof(input), "{\"uploadId\":\"%s\",\"clipDuration\":5,\"maxClips\":50}", upload);
	if (job.state == JOB_DONE) {
		job.progress = 100;
		job.total_clips = job.clips_ready = 1;
		job.artifacts = &clip;
		job.n_artifacts = 1;
		snprintf(job.message, sizeof(job.message), "%s", JOB_MESSAGE_DONE);
	} else {
		error_set(&job.error, SC_INVALID_MEDIA, "no video in it");
		snprintf(job.message, sizeof(job.message), "%s", job.error.message);
	}
	r = store_job_insert(store, &job);
	if (r < 0 || job.state != JOB_DONE)
		return r;
	snprintf(path, sizeof(path), "%s/%s", outputs, job.id);
	return mkdir(path, 0755);
}

int main(int argc, char **argv)
{
	struct store *store = NULL;
	struct error e = {0};
	long long n, first;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: make_jobs DATABASE OUTPUT_ROOT N [FIRST]\n");
		return 2;
	}
	n = atoll(argv[3]);
	first = argc > 4 ? atoll(argv[4]) : 0;
	if (store_open(argv[1], 1000, &e, &store) < 0) {
		fprintf(stderr, "make_jobs: %s\n", e.message);
		return 1;
	}
	for (long long i = first; i < first + n; i++) {
		if (make_one(store, argv[2], i) < 0) {
			perror("make_jobs");
			store_close(store);
			return 1;
		}
	}
	store_close(store);
	return 0;
}
