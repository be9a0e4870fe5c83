/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The intake as a whole: its parts, made and taken down in order, and the calls that the mount
 * makes. Any thread; nothing here blocks but start and stop.
 */
#include "storyclip/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arrivals.h"
#include "command.h"
#include "names.h"
#include "openings.h"
#include "parse.h"
#include "registry.h"
#include "scan.h"
#include "storyclip/common/file.h"
#include "uploads.h"
#include "watch.h"

struct intake {
	struct intake_deps deps;
	int root_fd;
	struct uploads *uploads;
	struct openings *openings;
	struct watches *watches;
	struct registry *registry;
	struct commands *commands;
	struct arrivals *arrivals;
};

/* ---- what registry, scan and watch tell ---- */

/* A sidecar beside it may have come first, or have acted on what the file was before. */
static void upload_complete(void *context, const char *path)
{
	struct intake *intake = context;
	auto_free char *sidecar = NULL;
	auto_fd int fd = -1;

	if (asprintf(&sidecar, "%s%s", path, INTAKE_REQUEST_END) < 0) {
		sidecar = NULL;
		return;
	}
	if (path_is_request(sidecar) &&
	    file_open_beneath(intake->root_fd, sidecar, O_PATH | O_NOFOLLOW, 0, &fd) == 0)
		commands_add_sidecar(intake->commands, NULL, sidecar, SIDECAR_UPLOAD_COMPLETE, NULL,
				     NULL);
}

static void sidecar_found(void *context, const char *path, bool is_cut)
{
	struct intake *intake = context;

	commands_add_sidecar(intake->commands, NULL, path, is_cut ? SIDECAR_CUT : SIDECAR_FOUND,
			     NULL, NULL);
}

static struct registry_deps registry_deps_of(struct intake *intake)
{
	return (struct registry_deps){&intake->deps,
				      intake->root_fd,
				      intake->uploads,
				      intake->watches,
				      {intake, upload_complete, sidecar_found}};
}

static int intake_build(struct intake *intake, struct error *e)
{
	struct registry_deps registry;
	struct command_deps commands;
	int r;

	intake->root_fd =
		open(intake->deps.settings->upload_tmp_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (intake->root_fd < 0)
		return error_from_errno(e, -errno, "opening %s",
					intake->deps.settings->upload_tmp_dir);
	r = uploads_create(&intake->uploads);
	if (r == 0)
		r = openings_create(&intake->openings);
	if (r == 0)
		r = watches_create(&intake->deps, intake->uploads, &intake->watches);
	if (r < 0)
		return error_from_errno(e, r, "starting the intake");
	registry = registry_deps_of(intake);
	r = registry_create(&registry, e, &intake->registry);
	if (r < 0)
		return r;
	commands = (struct command_deps){&intake->deps, intake->root_fd, intake->uploads,
					 intake->openings, intake->watches};
	r = commands_create(&commands, &intake->commands);
	if (r == 0)
		r = arrivals_create(&registry, &intake->arrivals);
	return r < 0 ? error_from_errno(e, r, "starting the intake") : 0;
}

int intake_create(const struct intake_deps *deps, struct error *e, struct intake **ret)
{
	auto_of(intake) struct intake *intake = calloc(1, sizeof(*intake));
	int r;

	if (!intake)
		return error_from_errno(e, -ENOMEM, "starting the intake");
	intake->deps = *deps;
	r = intake_build(intake, e);
	if (r < 0)
		return r;
	*ret = take_ptr(intake);
	return 0;
}

int intake_start(struct intake *intake, struct error *e)
{
	struct registry_deps deps = registry_deps_of(intake);
	int r;

	/* A lease that is asked for and given back (file_has_writer()) may be broken in between. */
	signal(SIGIO, SIG_IGN);
	arrivals_begin(intake->arrivals);
	r = scan_uploads(&deps, intake->registry, e);
	if (r == 0)
		r = registry_begin_life(intake->registry, e);
	if (r == 0)
		r = registry_start(intake->registry, e);
	if (r == 0)
		r = commands_start(intake->commands, e);
	if (r == 0)
		r = arrivals_start(intake->arrivals, e);
	return r;
}

void intake_begin_stop(struct intake *intake)
{
	commands_stop(intake->commands);
}

void intake_stop(struct intake *intake)
{
	arrivals_stop(intake->arrivals);
	commands_stop(intake->commands);
	registry_stop(intake->registry);
}

void intake_destroy(struct intake *intake)
{
	if (!intake)
		return;
	arrivals_destroy(intake->arrivals);
	commands_destroy(intake->commands);
	registry_destroy(intake->registry);
	watches_destroy(intake->watches);
	openings_destroy(intake->openings);
	uploads_destroy(intake->uploads);
	if (intake->root_fd >= 0)
		close(intake->root_fd);
	free(intake);
}

/* ---- what the mount tells ---- */

void intake_writer_opened(struct intake *intake, dev_t dev, ino_t ino, const char *path)
{
	registry_touch(intake->registry);
	uploads_opened(intake->uploads, dev, ino, path);
}

void intake_writer_closed(struct intake *intake, dev_t dev, ino_t ino, const char *path, int fd)
{
	uploads_closed(intake->uploads, dev, ino, path, fd,
		       engine_source_links(intake->deps.engine, dev, ino) > 0);
}

void intake_renamed(struct intake *intake, const char *old_path, const char *new_path, bool is_dir,
		    dev_t dev, ino_t ino)
{
	uploads_renamed(intake->uploads, old_path, new_path, is_dir, dev, ino);
}

void intake_unlinked(struct intake *intake, const char *path)
{
	uploads_unlinked(intake->uploads, path);
}

void intake_linked(struct intake *intake, const char *new_path, dev_t dev, ino_t ino)
{
	uploads_found(intake->uploads, dev, ino, new_path);
}

void intake_times_setting(struct intake *intake, const struct stat *st)
{
	uploads_touching(intake->uploads, st->st_dev, st->st_ino, stat_mtime_ns(st));
}

void intake_times_set(struct intake *intake, dev_t dev, ino_t ino, const char *path, bool is_set)
{
	if (is_set)
		engine_source_touched(intake->deps.engine, dev, ino);
	uploads_touched(intake->uploads, dev, ino, is_set ? path : NULL);
}

unsigned int intake_hidden_links(struct intake *intake, dev_t dev, ino_t ino)
{
	return engine_source_links(intake->deps.engine, dev, ino);
}

bool intake_is_frozen(struct intake *intake, dev_t dev, ino_t ino)
{
	return engine_source_is_frozen(intake->deps.engine, dev, ino) &&
	       !uploads_has_writer(intake->uploads, dev, ino);
}

void intake_opening_begin(struct intake *intake, dev_t dev, ino_t ino, struct intake_opening *opening)
{
	openings_begin(intake->openings, dev, ino, opening);
}

void intake_opening_end(struct intake *intake, struct intake_opening *opening)
{
	openings_end(intake->openings, opening);
}

unsigned int intake_open_uploads(struct intake *intake)
{
	return uploads_open_count(intake->uploads);
}

void intake_watch_problem(struct intake *intake, char message[ERROR_MESSAGE_SIZE])
{
	arrivals_problem(intake->arrivals, message);
}

/* ---- sidecars ---- */

bool intake_is_sidecar(const char *path)
{
	return path_is_request(path);
}

bool intake_is_answer(const char *name)
{
	return name_is_answer(name);
}

void intake_sidecar(struct intake *intake, const struct caller *caller, const char *path,
		    enum sidecar_cause cause, intake_reply_fn reply, void *context)
{
	commands_add_sidecar(intake->commands, caller, path, cause, reply, context);
}

bool intake_may_be_sidecar(const struct caller *caller, uid_t file_owner)
{
	/* Without root all files are the daemon's user's, whoever writes. */
	return geteuid() != 0 || caller->uid == 0 || caller->uid == file_owner;
}

/* ---- control files ---- */

void intake_submit(struct intake *intake, const struct caller *caller, const char *text,
		   intake_reply_fn reply, void *context)
{
	commands_add(intake->commands, COMMAND_SUBMIT, caller, NULL, 0, text, reply, context);
}

void intake_job_command(struct intake *intake, const struct caller *caller, const char *job_id,
			const char *text, intake_reply_fn reply, void *context)
{
	commands_add(intake->commands, COMMAND_JOB, caller, job_id, 0, text, reply, context);
}

void intake_job_remove(struct intake *intake, const struct caller *caller, const char *job_id,
		       unsigned int clip_number, intake_reply_fn reply, void *context)
{
	commands_add(intake->commands, COMMAND_REMOVE, caller, job_id, clip_number, NULL, reply,
		     context);
}

void intake_render_accepted(struct buf *out, const char *job_id, enum job_state state,
			    const char *message)
{
	buf_add_str(out, "{\"success\":true,\"jobId\":");
	json_string_add(out, job_id);
	buf_printf(out, ",\"status\":\"%s\",\"message\":", job_state_name(state));
	json_string_add(out, message);
	buf_add_str(out, "}\n");
}

void intake_render_refused(struct buf *out, const struct error *e)
{
	buf_add_str(out, "{\"success\":false,\"error\":");
	json_string_add(out, e->message);
	buf_printf(out, ",\"code\":\"%s\"}\n", sc_code_name(e->code));
}
