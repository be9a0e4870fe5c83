/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One attempt of one job: lock itself in, read the order, probe, plan, cut. What media says is
 * turned into reports here; what becomes of them is the engine's business.
 *
 * A process of its own, so that a stuck or crashing codec can be ended by force. One thread; libav
 * may have decoder threads beneath it. It needs no right but to read one descriptor and to write
 * into one directory.
 */
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lock_in.h"
#include "storyclip/child.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "storyclip/media.h"
#include "storyclip/sandbox.h"

#define PROGRESS_PREPARED 10
#define PROGRESS_ANALYZING 30
#define PROGRESS_EXPORTED 90

struct worker {
	struct work_order order;
	struct media_listener listener;
	struct media_source *source;
	struct media_plan plan;
	struct child_reporter reporter;
	/* Progress through the plan, by the length of the clips; 0 while nothing is planned. */
	double total_us;
	double made_us;
	double clip_part;
	size_t n_made;
	double prepared;   /* of what comes before the first clip, 0 to 1 */
	bool is_preparing; /* there was such work: it counts as half of all */
	int64_t clip_began_ms;
	int64_t source_bytes;
	int64_t hashed_bytes; /* while the upload is compared with its SHA-256 */
};

static void worker_finish(struct worker *w)
{
	media_plan_finish(&w->plan);
	media_close(w->source);
	work_order_finish(&w->order);
}

static double range_us(const struct worker *w, size_t i)
{
	const struct clip_range *range = &w->plan.ranges[i];

	return i < w->plan.n_ranges ? (double)range->end_us - (double)range->start_us : 0;
}

static int progress_of(const struct worker *w)
{
	double done;

	if (w->total_us <= 0)
		return -1;
	done = (w->made_us + w->clip_part * range_us(w, w->n_made)) / w->total_us;
	if (w->is_preparing)
		done = (w->prepared + done) / 2;
	return PROGRESS_ANALYZING + (int)(done * (PROGRESS_EXPORTED - PROGRESS_ANALYZING));
}

static void on_worked(void *context, uint64_t units)
{
	struct worker *w = context;

	child_worked(&w->reporter, units, progress_of(w));
}

static void on_synced(void *context, int64_t us)
{
	struct worker *w = context;

	w->reporter.synced_us += us;
}

static void on_prepared(void *context, double part)
{
	struct worker *w = context;

	w->is_preparing = true;
	w->prepared = part;
	child_worked(&w->reporter, 1, progress_of(w));
}

static void on_clip_progress(void *context, double part)
{
	struct worker *w = context;

	if (part > 0 && part <= 1)
		w->clip_part = part;
}

static void on_log(void *context, const char *line)
{
	child_say(REPORT_LOG, "%s", line);
}

static void on_warning(void *context, const char *line)
{
	child_say(REPORT_WARNING, "%s", line);
}

static void on_made(void *context, const struct artifact *artifact)
{
	struct report report = {.kind = REPORT_CLIP, .progress = -1, .artifact = *artifact};
	struct worker *w = context;
	int64_t now_ms = clock_monotonic_ms(&clock_system);

	w->made_us += range_us(w, w->n_made);
	w->clip_part = 0;
	w->n_made++;
	child_report(&report);
	child_say(REPORT_LOG,
		  "%s: %.6f to %.6f s, %s, %" PRId64 " bytes (%" PRId64 " hidden, %" PRId64
		  " shared with the upload, %" PRId64 " written), %" PRId64 " ms",
		  artifact->filename, (double)artifact->start_us / 1e6,
		  (double)(artifact->start_us + artifact->duration_us) / 1e6,
		  clip_method_name(artifact->method), artifact->size_bytes, artifact->hidden_bytes,
		  artifact->shared_bytes, artifact->size_bytes - artifact->shared_bytes,
		  now_ms - w->clip_began_ms);
	w->clip_began_ms = now_ms;
	child_worked(&w->reporter, 1, progress_of(w));
}

static int worker_take_order(struct worker *w, struct error *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r;

	r = child_read_order(&text, &len);
	if (r < 0)
		return error_from_errno(e, r, "reading the order");
	return work_order_parse(text, len, e, &w->order);
}

static void on_hashed(void *context, uint64_t bytes)
{
	struct worker *w = context;
	double part;

	w->hashed_bytes += (int64_t)bytes;
	part = w->hashed_bytes < w->source_bytes
		       ? (double)w->hashed_bytes / (double)w->source_bytes
		       : 1;
	child_worked(&w->reporter, bytes,
		     PROGRESS_PREPARED + (int)(part * (PROGRESS_ANALYZING - 1 - PROGRESS_PREPARED)));
}

/* libav takes a while to load: only where it will be needed, or could not be loaded later. */
static int worker_load(const struct work_order *order, struct error *e)
{
	if (!order->sha256[0] && !media_wants_library(PROTO_SOURCE_FD, order->cut) &&
	    sandbox_reaches_program())
		return 0;
	return media_library_load(e);
}

/* Lock in; then: is the upload the one that the request means? */
static int worker_compare(struct worker *w, struct error *e)
{
	const struct work_order *order = &w->order;
	char sha256[SHA256_SIZE];
	struct stat st;
	int r;

	if (fstat(PROTO_SOURCE_FD, &st) < 0)
		return error_from_errno(e, -errno, "looking at the upload");
	w->source_bytes = st.st_size;
	lock_in(w->source_bytes);
	if (order->size && order->size != st.st_size)
		return error_set(e, SC_UPLOAD_MISMATCH,
				 "the upload has %" PRId64 " bytes, not the %" PRId64 " that were "
				 "announced; copy it again",
				 (int64_t)st.st_size, order->size);
	if (!order->sha256[0])
		return 0;
	r = media_sha256(PROTO_SOURCE_FD, on_hashed, w, e, sha256);
	if (r < 0)
		return r;
	child_flush(&w->reporter);
	if (strcmp(sha256, order->sha256) != 0)
		return error_set(e, SC_UPLOAD_MISMATCH,
				 "the upload's SHA-256 is %s, not the %s that was announced; copy it "
				 "again",
				 sha256, order->sha256);
	child_say(REPORT_LOG, "the upload's SHA-256 is the announced one");
	return 0;
}

static int worker_probe(struct worker *w, struct error *e)
{
	int r;

	hook_reach("worker-start");
	child_phase(&w->reporter, PROGRESS_ANALYZING, JOB_MESSAGE_ANALYZING);
	r = media_open(PROTO_SOURCE_FD, &w->listener, e, &w->source);
	if (r < 0)
		return r;
	child_say(REPORT_LOG, "%s of %.6f s, cut %s",
		  media_has_video(w->source) ? "video" : "sound only",
		  (double)media_duration_us(w->source) / 1e6, cut_mode_name(w->order.cut));
	hook_reach("worker-probed");
	return 0;
}

/* The larger of the picture that is there and the one that is wanted. */
static int64_t worker_pixels(const struct worker *w)
{
	int64_t is = media_pixels(w->source),
		wanted = (int64_t)w->order.encode.width * w->order.encode.height;

	return wanted > is ? wanted : is;
}

static int worker_plan(struct worker *w, struct error *e)
{
	const struct media_split split = {.clip_duration_us = w->order.clip_duration_us,
					  .parts = w->order.parts,
					  .ranges = w->order.ranges,
					  .n_ranges = w->order.n_ranges,
					  .max_clips = w->order.max_clips};
	struct report report = {.kind = REPORT_PLAN, .progress = -1};
	int r;

	r = media_plan(w->source, w->order.cut, &split, e, &w->plan);
	if (r < 0)
		return r;
	for (size_t i = 0; i < w->plan.n_ranges; i++)
		w->total_us += range_us(w, i);
	lock_in_allow_cut(w->source_bytes, worker_pixels(w), w->total_us);
	report.total_clips = (unsigned int)w->plan.n_ranges;
	child_report(&report);
	return 0;
}

static int worker_cut(struct worker *w, struct error *e)
{
	child_phase(&w->reporter, PROGRESS_ANALYZING, JOB_MESSAGE_EXPORTING);
	w->clip_began_ms = clock_monotonic_ms(&clock_system);
	return media_cut(w->source, w->order.cut, &w->order.encode, w->order.is_strict, &w->plan,
			 PROTO_CLIPS_FD, on_made, w, e);
}

static int worker_run(struct worker *w, struct error *e)
{
	int r;

	r = worker_take_order(w, e);
	if (r < 0)
		return r;
	r = worker_load(&w->order, e);
	if (r < 0)
		return r;
	r = worker_compare(w, e);
	if (r < 0)
		return r;
	r = worker_probe(w, e);
	if (r < 0)
		return r;
	r = worker_plan(w, e);
	if (r < 0)
		return r;
	return worker_cut(w, e);
}

int worker_main(void)
{
	struct worker w = {.reporter = CHILD_REPORTER};
	struct error e = {0};
	int r, status;

	w.listener = (struct media_listener){
		.context = &w,
		.worked = on_worked,
		.prepared = on_prepared,
		.clip_progress = on_clip_progress,
		.synced = on_synced,
		.log = on_log,
		.warning = on_warning,
	};
	r = child_start();
	if (r < 0) {
		log_error_with(r, "storyclip-worker is started by storyclipfs, not by hand");
		return EXIT_FAILURE;
	}
	r = worker_run(&w, &e);
	if (r < 0)
		r = lock_in_explain(r, &e);
	status = child_end(&w.reporter, r, &e);
	worker_finish(&w);
	return status;
}
