/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sidecars: a request as a file, for clients that can only upload files. The file stays where it
 * is, so it is seen again and again: at each start, whenever its upload is written anew. What keeps
 * it from starting a second job is a row that is written before the job is accepted and holds the
 * job's id: whenever the daemon ends in between, the next one finds the row and asks whether that
 * job is there. The command thread.
 */
#include "sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "due.h"
#include "names.h"
#include "parse.h"
#include "resolve.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "submit.h"

#define NOBODY_GID  65534
#define PASSWD_SIZE 16384

/* A sidecar as it was read. */
struct sidecar {
	const char *path; /* borrowed */
	int fd;
	struct stat st;
	char *text; /* owned */
	struct caller caller;
};

static void sidecar_finish(struct sidecar *sidecar)
{
	if (sidecar->fd >= 0)
		close(sidecar->fd);
	free(sidecar->text);
}

/* ---- the answer beside it ---- */

static int open_parent(const struct command_deps *deps, const char *path, int *ret_fd)
{
	auto_free char *parent = strndup(path, (size_t)(path_base(path) - path));

	if (!parent)
		return -ENOMEM;
	return file_open_beneath(deps->root_fd, *parent ? parent : ".", O_RDONLY | O_DIRECTORY, 0,
				 ret_fd);
}

static bool has_text(int dir_fd, const char *name, const char *text, size_t len)
{
	auto_free char *old = NULL;
	size_t old_len = 0;
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       file_read_text(dir_fd, name, 2 * ERROR_MESSAGE_SIZE, &old, &old_len) == 0 &&
	       old_len == len && !memcmp(old, text, len);
}

/* Made where nobody sees it, given to the sidecar's owner, then renamed into place. */
static int write_answer(int dir_fd, int hold_fd, const char *name, const struct buf *text,
			const struct stat *owner)
{
	static const char tmp[] = ".sidecar-error";
	auto_fd int fd =
		openat(hold_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r;

	if (fd < 0)
		return -errno;
	r = file_write_all(fd, text->data, text->len);
	if (r == 0 && geteuid() == 0 && fchown(fd, owner->st_uid, owner->st_gid) < 0)
		r = -errno;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(hold_fd, tmp, dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(hold_fd, tmp, 0);
	/* Another file system is mounted here: then its temporary name is seen for a moment. */
	if (r == -EXDEV)
		return file_write_atomic(dir_fd, name, text->data, text->len, 0644);
	return r < 0 ? r : file_sync_dir(dir_fd);
}

/* @return whether the answer is a new one */
static bool answer_refused(const struct command_deps *deps, const struct sidecar *sidecar,
			   const struct error *why)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *name = NULL;
	auto_fd int dir_fd = -1, hold_fd = -1;
	int r;

	intake_render_refused(&text, why);
	r = buf_error(&text);
	if (r == 0 && asprintf(&name, "%s.error", path_base(sidecar->path)) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = open_parent(deps, sidecar->path, &dir_fd);
	if (r == 0 && has_text(dir_fd, name, text.data, text.len))
		return false;
	if (r == 0)
		r = file_open_beneath(deps->root_fd, INTAKE_HOLD_DIR, O_RDONLY | O_DIRECTORY, 0,
				      &hold_fd);
	if (r == 0)
		r = write_answer(dir_fd, hold_fd, name, &text, &sidecar->st);
	if (r < 0)
		log_error_with(r, "writing %s.error", sidecar->path);
	return true;
}

static void answer_none(const struct command_deps *deps, const struct sidecar *sidecar)
{
	auto_free char *name = NULL;
	auto_fd int dir_fd = -1;

	if (asprintf(&name, "%s.error", path_base(sidecar->path)) < 0 ||
	    open_parent(deps, sidecar->path, &dir_fd) < 0)
		return;
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		log_error_with(-errno, "removing %s.error", sidecar->path);
}

/* ---- the file and its owner ---- */

/* A user as the system knows it. One that it does not know has no group: the file's own may come
 * from a setgid directory. */
static void caller_of_uid(uid_t uid, struct caller *ret)
{
	auto_free char *text = malloc(PASSWD_SIZE);
	struct passwd passwd, *found = NULL;
	int n = CALLER_GROUPS_MAX;

	*ret = (struct caller){.uid = uid, .gid = uid ? NOBODY_GID : 0};
	if (!text || getpwuid_r(uid, &passwd, text, PASSWD_SIZE, &found) != 0 || !found)
		return;
	ret->gid = found->pw_gid;
	if (getgrouplist(found->pw_name, found->pw_gid, ret->groups, &n) < 0)
		n = CALLER_GROUPS_MAX; /* the rest is left out */
	ret->n_groups = n > 0 ? (size_t)n : 0;
}

static bool is_flush(enum sidecar_cause cause)
{
	return cause == SIDECAR_FLUSHED || cause == SIDECAR_FLUSHED_AGAIN;
}

/* @return 1 (read), 0 (gone, no file, or being written: it will be heard of), or an error */
static int sidecar_read(const struct command_deps *deps, const struct caller *caller,
			enum sidecar_cause cause, struct sidecar *sidecar, struct error *e)
{
	ssize_t n;

	if (file_open_beneath(deps->root_fd, sidecar->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
			      &sidecar->fd) < 0 ||
	    fstat(sidecar->fd, &sidecar->st) < 0 || !S_ISREG(sidecar->st.st_mode))
		return 0;
	/* A flush is heard of while it is open; all else waits for the last close. */
	if (!is_flush(cause) &&
	    uploads_has_writer(deps->uploads, sidecar->st.st_dev, sidecar->st.st_ino))
		return 0;
	if ((cause == SIDECAR_FOUND || cause == SIDECAR_UPLOAD_COMPLETE || cause == SIDECAR_CUT) &&
	    file_has_writer(sidecar->fd))
		return 0;
	/* Root that moves a user's file into place has not written it. */
	if (caller && (cause != SIDECAR_RENAMED || caller->uid || !sidecar->st.st_uid))
		sidecar->caller = *caller;
	else
		caller_of_uid(sidecar->st.st_uid, &sidecar->caller);
	sidecar->text = malloc(REQUEST_TEXT_MAX + 2);
	if (!sidecar->text)
		return error_from_errno(e, -ENOMEM, "reading the request");
	n = file_read_full(sidecar->fd, sidecar->text, REQUEST_TEXT_MAX + 1);
	if (n < 0)
		return error_from_errno(e, (int)n, "reading the request");
	if (n > REQUEST_TEXT_MAX)
		return error_set(e, SC_REQUEST_TOO_LARGE, "the request is over %d bytes",
				 REQUEST_TEXT_MAX);
	sidecar->text[n] = '\0';
	if (strlen(sidecar->text) != (size_t)n)
		return error_set(e, SC_INVALID_REQUEST,
				 "the request holds a NUL byte; leave it out");
	return 1;
}

static bool is_json(const struct sidecar *sidecar)
{
	return sidecar->text[strspn(sidecar->text, " \t\r\n")] == '{';
}

/* After an unclean end: a JSON object shows by itself whether it is whole, a line by its newline.
 */
static int check_whole(const struct sidecar *sidecar, struct error *e)
{
	size_t len = strlen(sidecar->text);

	if (is_json(sidecar) || (len && sidecar->text[len - 1] == '\n'))
		return 0;
	return error_set(e, SC_INVALID_REQUEST,
			 "the request may have been cut off when the mount ended; write it again");
}

/* ---- the job, once ---- */

static void upload_identity(int fd, const struct stat *st, struct sidecar_row *row)
{
	struct statx stx;

	row->ino = st->st_ino;
	row->size = st->st_size;
	row->mtime_ns = stat_mtime_ns(st);
	row->born_ns = 0;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) == 0 &&
	    (stx.stx_mask & STATX_BTIME))
		row->born_ns = (int64_t)stx.stx_btime.tv_sec * 1000000000 + stx.stx_btime.tv_nsec;
}

/* The row is kept with the job's id, and with the times that the upload has now: they may have been
 * set meanwhile, and that is no other upload. */
static int row_accepted(struct store *store, struct sidecar_row *row, const struct resolved *upload)
{
	struct stat st;
	int r;

	row->is_accepted = true;
	for (;;) {
		r = store_sidecar_put(store, row);
		if (r < 0 || fstat(upload->fd, &st) < 0 || st.st_size != row->size ||
		    stat_mtime_ns(&st) == row->mtime_ns)
			return r;
		row->mtime_ns = stat_mtime_ns(&st);
	}
}

/* Have the engine accept it under the id that the row holds already. */
static int accept_with_row(const struct command_deps *deps, const struct sidecar *sidecar,
			   struct request *request, struct resolved *upload,
			   struct sidecar_row *row, struct error *e)
{
	struct store *store = deps->intake->store;
	auto_buf struct buf input = BUF_EMPTY;
	int r;

	request_to_json(request, &input);
	if (buf_error(&input) < 0)
		return error_from_errno(e, -ENOMEM, "keeping the request");
	r = engine_duplicate(deps->intake->engine, request, input.data, &sidecar->caller, e,
			     row->job_id);
	if (r != 0) {
		if (r > 0 && row_accepted(store, row, upload) == 0)
			log_info("sidecar '%s': the job of its idempotencyKey is %s", sidecar->path,
				 row->job_id);
		return r < 0 ? r : 0;
	}
	memcpy(request->job_id, row->job_id, sizeof(request->job_id));
	r = store_sidecar_put(store, row);
	if (r < 0)
		return error_set_errno(e, -EIO, SC_INTERNAL, "the database cannot be written: %s",
				       strerrordesc_np(-r));
	hook_reach("sidecar-before-accept");
	r = submit_accept(deps, request, upload, &sidecar->caller, input.data, e, row->job_id);
	if (r < 0) {
		store_sidecar_delete(store, row->ino, row->request);
		return r;
	}
	hook_reach("sidecar-accepted");
	if (row_accepted(store, row, upload) < 0)
		log_warning("sidecar '%s': noting that it has started job %s", sidecar->path,
			    row->job_id);
	log_info("sidecar '%s' has started job %s", sidecar->path, row->job_id);
	return 0;
}

/*
 * What this request has started of this very upload. Its times may be set meanwhile, by which it is
 * the same: until the row has the new ones the registry knows the old ones, and what it knows no
 * longer the row has, read again.
 * @return 1, 0 (nothing, or of another upload), or an error
 */
static int look_before(const struct command_deps *deps, const struct resolved *upload,
		       struct sidecar_row *row, struct sidecar_row *before)
{
	struct stat st;
	int r;

	for (int look = 0; look < 2; look++) {
		if (fstat(upload->fd, &st) < 0)
			return -errno;
		upload_identity(upload->fd, &st, row);
		r = store_sidecar_get(deps->intake->store, row->ino, row->request, before);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (before->born_ns != row->born_ns || before->size != row->size)
			return 0;
		if (before->mtime_ns == row->mtime_ns ||
		    uploads_only_touched(deps->uploads, st.st_dev, row->ino,
					 before->mtime_ns))
			return 1;
	}
	return 0;
}

static int start_job(const struct command_deps *deps, const struct sidecar *sidecar,
		     struct request *request, struct resolved *upload, bool is_quiet,
		     struct error *e)
{
	const struct intake_deps *intake = deps->intake;
	struct sidecar_row row = {.request = sidecar->text, .path = sidecar->path}, before;
	struct job_brief brief;
	int r;

	row.created_at = clock_wall_ms(intake->clock);
	r = look_before(deps, upload, &row, &before);
	if (r < 0)
		return error_set_errno(e, -EIO, SC_INTERNAL, "the database cannot be read: %s",
				       strerrordesc_np(-r));
	if (r > 0) {
		memcpy(row.job_id, before.job_id, sizeof(row.job_id));
		if (!before.is_accepted) {
			/* The daemon ended between the note and the job, or behind the job. */
			if (engine_brief(intake->engine, row.job_id, &brief) < 0)
				return accept_with_row(deps, sidecar, request, upload, &row, e);
			row_accepted(intake->store, &row, upload);
		} else if (!is_quiet) {
			log_info("sidecar '%s' has started job %s already, and its upload is "
				 "unchanged: "
				 "no second job; a new idempotencyKey in it, or writing the upload "
				 "anew, "
				 "starts another",
				 sidecar->path, row.job_id);
		}
		return 0;
	}
	if (request->job_id[0]) {
		memcpy(row.job_id, request->job_id, sizeof(row.job_id));
		if (engine_brief(intake->engine, row.job_id, &brief) == 0)
			return error_set(e, SC_JOB_EXISTS, "job '%s' exists already", row.job_id);
	} else {
		r = submit_generate_id(intake->clock, row.job_id);
		if (r < 0)
			return error_from_errno(e, r, "making a job id");
	}
	return accept_with_row(deps, sidecar, request, upload, &row, e);
}

/* ---- one sidecar ---- */

static int sidecar_act(const struct command_deps *deps, struct sidecar *sidecar,
		       enum sidecar_cause cause, struct error *e)
{
	auto_free char *upload_path = strndup(sidecar->path, request_upload_length(sidecar->path));
	auto_resolved struct resolved upload = RESOLVED_NONE;
	auto_request struct request request = {0};
	int r;

	if (!upload_path)
		return error_from_errno(e, -ENOMEM, "reading the request");
	r = cause == SIDECAR_CUT ? check_whole(sidecar, e) : 0;
	if (r == 0)
		r = request_parse_beside(sidecar->text, upload_path, e, &request);
	if (r == 0)
		r = resolve_exact(deps->root_fd, upload_path, &sidecar->caller, e, &upload);
	if (r == -ENOENT && e->code == SC_OK) {
		log_info("sidecar '%s' waits for its upload", sidecar->path);
		return 0;
	}
	/* Lines may go on behind a flush: they act at the last close. */
	if (r < 0 || (is_flush(cause) && !is_json(sidecar)))
		return r;
	switch (submit_stage(deps, &upload)) {
	case UPLOAD_STAGE_WRITING:
		log_info("sidecar '%s' waits for its upload to be closed", sidecar->path);
		return 0;
	case UPLOAD_STAGE_INCOMPLETE:
		return error_set(e, SC_UPLOAD_INCOMPLETE,
				 "upload '%.300s' was cut off when the mount ended; write it again",
				 upload_path);
	case UPLOAD_STAGE_SYNCING:
	case UPLOAD_STAGE_QUIET:
		break;
	}
	return start_job(deps, sidecar, &request, &upload,
			 cause == SIDECAR_UPLOAD_COMPLETE || cause == SIDECAR_FLUSHED_AGAIN ||
				 (cause == SIDECAR_CLOSED_FLUSHED && is_json(sidecar)),
			 e);
}

int sidecar_run(const struct command_deps *deps, const char *path, const struct caller *caller,
		enum sidecar_cause cause, struct error *e)
{
	__attribute__((cleanup(sidecar_finish))) struct sidecar sidecar = {.path = path, .fd = -1};
	int r = sidecar_read(deps, caller, cause, &sidecar, e);

	if (r == 0)
		return 0;
	if (r > 0)
		r = sidecar_act(deps, &sidecar, cause, e);
	if (r == 0) {
		answer_none(deps, &sidecar);
		return 0;
	}
	if (answer_refused(deps, &sidecar, e))
		log_warning("sidecar '%s' is refused: %s: %s", path, sc_code_name(e->code),
			    e->message);
	return r;
}
