/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of the mount itself: health and README. Pure functions, any thread. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "storyclip/common/clock.h"
#include "storyclip/view.h"

/* A list of sentences, each made at once and quoted. */
struct reasons {
	struct buf *out;
	bool has_some;
};

static void add_reason(struct reasons *reasons, const char *fmt, ...) SC_PRINTF(2, 3);
static void add_reason(struct reasons *reasons, const char *fmt, ...)
{
	char text[ERROR_MESSAGE_SIZE * 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_add_str(reasons->out, reasons->has_some ? "," : "");
	view_json_string(reasons->out, text);
	reasons->has_some = true;
}

struct volume {
	const char *path;
	int64_t free_bytes; /* or a negative errno */
	int64_t min_bytes;
};
enum { VOLUMES = 3 };

static void volumes_of(const struct server_view *server, struct volume volumes[VOLUMES])
{
	volumes[0] = (struct volume){server->settings->upload_tmp_dir, server->engine.free_uploads,
				     server->engine.min_uploads};
	volumes[1] = (struct volume){server->settings->process_work_dir, server->engine.free_work,
				     server->engine.min_work};
	volumes[2] = (struct volume){server->settings->output_root, server->engine.free_outputs,
				     server->engine.min_outputs};
}

/* Why not all is well: what a person should look at. @return the status that this makes */
static const char *add_reasons(const struct server_view *server, struct buf *out)
{
	const char *status;
	const struct engine_stats *engine = &server->engine;
	struct reasons reasons = {.out = out};
	struct volume volumes[VOLUMES];

	volumes_of(server, volumes);
	if (engine->database_error[0])
		add_reason(&reasons, "database: %s", engine->database_error);
	if (engine->stuck_processes)
		add_reason(&reasons, "%u processes were killed but do not end, one is %ld",
			   engine->stuck_processes, (long)engine->stuck_pid);
	for (size_t i = 0; i < VOLUMES; i++)
		if (volumes[i].free_bytes == -ESTALE)
			add_reason(&reasons,
				   "%s was removed or replaced while the mount used it: mount again",
				   volumes[i].path);
		else if (volumes[i].free_bytes < 0)
			add_reason(&reasons, "%s: %s", volumes[i].path,
				   strerror((int)-volumes[i].free_bytes));
		else if (volumes[i].free_bytes < volumes[i].min_bytes)
			add_reason(&reasons, "%s: %" PRId64 " bytes free, min_free wants %" PRId64,
				   volumes[i].path, volumes[i].free_bytes, volumes[i].min_bytes);
	if (server->watch_problem[0])
		add_reason(&reasons, "%s", server->watch_problem);
	if (engine->is_stopping)
		add_reason(&reasons, "the mount is being stopped");
	status = reasons.has_some ? "degraded" : engine->is_paused ? "paused" : "ok";
	if (engine->is_paused)
		add_reason(&reasons, "paused: no job is started until root writes resume to control");
	return status;
}

static void add_time(struct buf *out, int64_t wall_ms)
{
	char text[CLOCK_UTC_SIZE];

	if (!wall_ms) {
		buf_add_str(out, "null");
		return;
	}
	clock_format_utc(wall_ms, text);
	buf_printf(out, "\"%s\"", text);
}

static void add_text_or_null(struct buf *out, const char *s)
{
	if (s && *s)
		view_json_string(out, s);
	else
		buf_add_str(out, "null");
}

void view_health(const struct server_view *server, struct buf *out)
{
	const struct engine_stats *engine = &server->engine;
	auto_buf struct buf reasons = BUF_EMPTY;
	struct volume volumes[VOLUMES];
	const char *status = add_reasons(server, &reasons);

	volumes_of(server, volumes);
	if (buf_error(&reasons) < 0)
		out->is_failed = true;
	buf_printf(out, "{\"status\":\"%s\",\"reasons\":[%s],\"version\":", status,
		   reasons.data ? reasons.data : "");
	view_json_string(out, server->version);
	buf_add_str(out, ",\"since\":");
	add_time(out, server->since);
	buf_add_str(out, ",\"libfuse\":");
	add_text_or_null(out, server->libfuse);
	buf_add_str(out, ",\"ffmpeg\":");
	add_text_or_null(out, server->ffmpeg);
	buf_printf(out, ",\"passthrough\":{\"on\":%s,\"why\":",
		   server->passthrough_on ? "true" : "false");
	add_text_or_null(out, server->passthrough_why);
	buf_printf(out, ",\"opens\":%" PRIu64 "}", server->passthrough_opens);
	buf_printf(out, ",\"sandbox\":%s", server->sandbox ? server->sandbox : "null");
	buf_add_str(out, ",\"database\":{\"path\":");
	view_json_string(out, server->settings->database);
	buf_add_str(out, ",\"error\":");
	add_text_or_null(out, engine->database_error);
	buf_add_str(out, "},\"volumes\":[");
	for (size_t i = 0; i < VOLUMES; i++) {
		buf_add_str(out, i ? ",{\"path\":" : "{\"path\":");
		view_json_string(out, volumes[i].path);
		if (volumes[i].free_bytes < 0)
			buf_add_str(out, ",\"free\":null}");
		else
			buf_printf(out, ",\"free\":%" PRId64 "}", volumes[i].free_bytes);
	}
	buf_printf(out, "],\"workers\":{\"busy\":%u,\"of\":%u},\"queue\":%u", engine->workers_busy,
		   engine->workers_of, engine->queued);
	buf_add_str(out, ",\"watchdog\":{\"lastRun\":");
	add_time(out, engine->watchdog_last_run);
	buf_printf(out, ",\"stalled\":%" PRIu64 "},\"uploads\":{\"open\":%u}}\n",
		   engine->watchdog_stalled, server->uploads_open);
}

static const char readme[] =
	"storyclipfs: put a video in, write a request, take the clips out.\n"
	"\n"
	"  cp video.mp4 incoming/\n"
	"  echo '{\"uploadId\":\"video\",\"clipDuration\":5}' > control    (or: echo uploadId=video > control)\n"
	"  cat control                       the reply, with the job's id\n"
	"  cat jobs/<id>/progress            0 to 100\n"
	"  cat jobs/<id>/wait                blocks until the job has ended, then says how\n"
	"  cat events                        blocks; a JSON line for each change of any job\n"
	"  ls jobs/<id>/clips/               the clips, each as soon as it is whole\n"
	"  rm -r jobs/<id>                   remove an ended job with its clips\n"
	"\n"
	"Requests\n"
	"  uploadId      the file's path below incoming/, or that without its extension\n"
	"  clipDuration  seconds per clip, 0.1 to 3600 (5)\n"
	"  maxClips      at most so many, the first ones (50)\n"
	"  clips         [{\"start\":1.5,\"end\":4},...] instead of an even split\n"
	"  parts         so many equal parts instead\n"
	"  cut           exact (default), smart, keyframe, encode\n"
	"  strict        true: no bytes of the source in a clip but the samples that it needs\n"
	"  aspect, width, height, fit (crop, pad), quality, preset   of the picture, with encode:\n"
	"                {\"uploadId\":\"video\",\"cut\":\"encode\",\"width\":720,\"height\":1280}\n"
	"  jobId         an id of your own, [A-Za-z0-9._-]{1,64}\n"
	"  priority      -20 to 19, lower runs first (0)\n"
	"  idempotencyKey  the same key with the same request gives the job that it made\n"
	"  deleteUpload  true: remove the upload once its job is done\n"
	"  size, sha256  what the upload must be\n"
	"  maxAttempts, userId\n"
	"  A refused request fails the write; why stands in the reply. Programs keep one descriptor for\n"
	"  both (exec 3<>control), or choose the jobId.\n"
	"  A client that can only upload files writes the same (without uploadId, or nothing) to\n"
	"  incoming/<upload>.process; if it is refused, why stands in incoming/<upload>.process.error.\n"
	"\n"
	"A job, jobs/<id>/\n"
	"  status    JSON: state, progress, and in the end the clips, or the error\n"
	"  progress  wait  request  log\n"
	"  control   write \"cancel\", or \"retry\" once it has failed or was cancelled\n"
	"  source    the upload, while its path is still the same file\n"
	"  clips/    clip_001.mp4, clip_002.mp4, ...\n"
	"  by-upload/<uploadId> leads to the newest job of an upload ('/' is written %2F, '%' %25).\n"
	"  by-status/<state>/<id> leads to every job in that state.\n"
	"\n"
	"Whoever opens status, progress, request, README, health, metrics or a *.json reads one version,\n"
	"whole; open again for the next one; poll(2) on an open one tells when there is a newer. log grows\n"
	"(tail -f). jobs/<id>/wait and events block: do not walk into them blindly (grep -r, backups, web\n"
	"servers).\n"
	"\n"
	"An upload is complete with the last close of its file, or when it is renamed into place. A request\n"
	"may come earlier: its job waits. While a job holds an upload, writing to it gives \"Text file busy\";\n"
	"its name may be removed, renamed or replaced.\n"
	"\n"
	"health    how the mount is, JSON\n"
	"metrics   numbers for Prometheus: of jobs at once, the rest at most a second old\n"
	"jobs.json, uploads.json   the newest 200 of each, and how many there are\n"
	"control   root may also write \"pause\" (no job is started) and \"resume\"\n";

void view_readme(struct buf *out)
{
	buf_add_str(out, readme);
}
