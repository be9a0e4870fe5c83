/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From "a file is there" to "a job is wanted": the registry of uploads, uploadId → file, requests.
 *
 * Threads: `registry` writes rows behind the file system's back (group commit), syncs uploads whose
 * last writer has closed them and watches the waiting ones for upload_wait; `command` carries out
 * what was written to control files, so that no handler of the mount waits for the database; `watch`
 * hears by inotify of what is put into UPLOAD_TMP_DIR behind the mount.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "storyclip/caller.h"
#include "storyclip/common/clock.h"
#include "storyclip/config.h"
#include "storyclip/engine.h"
#include "storyclip/error.h"
#include "storyclip/request.h"
#include "storyclip/store.h"

struct intake;

/** The hold directory's name in UPLOAD_TMP_DIR: never visible in the mount, its name refused there. */
#define INTAKE_HOLD_DIR ".storyclip-hold"

/** The end of a sidecar's name: a request for the upload whose name stands before it. */
#define INTAKE_REQUEST_END ".process"

struct intake_deps {
	const struct settings *settings; /* borrowed for the intake's life, as are all of these */
	struct store *store;
	struct engine *engine;
	const struct clock *clock;
};

int intake_create(const struct intake_deps *deps, struct error *e, struct intake **ret);
/** Scan UPLOAD_TMP_DIR (states after an unclean end, INTERFACE.md "Uploads"), then start the threads. */
int intake_start(struct intake *intake, struct error *e);
/**
 * Take no more commands: those that wait and those that come get STOPPING; every intake_reply_fn of
 * an accepted command has been called when it returns. Files go on being written. Idempotent.
 */
void intake_begin_stop(struct intake *intake);
/**
 * intake_begin_stop(), then write the last rows, note the uploads that are still open, and that this
 * was a clean end; join. Best when the mount answers no longer. Idempotent.
 */
void intake_stop(struct intake *intake);
void intake_destroy(struct intake *intake);
SC_DEFINE_AUTO(intake, intake_destroy)

/* ---- what the mount tells about files in incoming/; cheap, never blocks on the disk; any thread ---- */

/** A file that is about to be opened for writing; see intake_opening_begin(). */
struct intake_opening {
	struct intake_opening *next;
	dev_t dev;
	ino_t ino;
};

/**
 * Before intake_is_frozen() is asked in order to open a file for writing, to truncate it or to change its size:
 * a job that is being accepted waits until it is known what became of it.
 * @param opening  the caller's memory, until intake_opening_end()
 */
void intake_opening_begin(struct intake *intake, dev_t dev, ino_t ino, struct intake_opening *opening);
/** It was opened, and intake_writer_opened() told so, or it was not. */
void intake_opening_end(struct intake *intake, struct intake_opening *opening);
/** A regular file was opened for writing. @param path  below incoming/; NULL: by a name that is not known */
void intake_writer_opened(struct intake *intake, dev_t dev, ino_t ino, const char *path);
/** A writable open file was released. @param path  as above  @param fd  borrowed for the call, used (dup) to sync behind it */
void intake_writer_closed(struct intake *intake, dev_t dev, ino_t ino, const char *path, int fd);
/** A name was renamed (file or directory); replaces what was at new_path. */
void intake_renamed(struct intake *intake, const char *old_path, const char *new_path, bool is_dir,
		    dev_t dev, ino_t ino);
/** A name was unlinked (or a directory removed). */
void intake_unlinked(struct intake *intake, const char *path);
/** A second name was made by link(2). */
void intake_linked(struct intake *intake, const char *new_path, dev_t dev, ino_t ino);
/** A file's times are about to be set (utimens); intake_times_set() follows. @param st  as it is */
void intake_times_setting(struct intake *intake, const struct stat *st);
/**
 * They were set: its row is written anew, so that it stays known as it is, and jobs that hold it do
 * not take it for changed, nor do requests beside it that have started one.
 * @param path    NULL: it has no name any more
 * @param is_set  false: they could not be set
 */
void intake_times_set(struct intake *intake, dev_t dev, ino_t ino, const char *path, bool is_set);
/** Hidden links to subtract from st_nlink. */
unsigned int intake_hidden_links(struct intake *intake, dev_t dev, ino_t ino);
/** Whether opening it for writing, truncating or allocating must give ETXTBSY now. */
bool intake_is_frozen(struct intake *intake, dev_t dev, ino_t ino);
/** Uploads open for writing now: for health. */
unsigned int intake_open_uploads(struct intake *intake);
/** Whether arrivals behind the mount are seen late or not at all, and why; "" when all is well. */
void intake_watch_problem(struct intake *intake, char message[ERROR_MESSAGE_SIZE]);

/* ---- sidecars: incoming/<upload>.process ---- */

/** Whether a name, or a path's last component, is that of a sidecar that acts (and not of a file that becomes one). */
bool intake_is_sidecar(const char *path);

/** Whether a name is that of the answer to a sidecar (<upload>.process.error). */
bool intake_is_answer(const char *name);

/** Why a sidecar is looked at. */
enum sidecar_cause {
	SIDECAR_FLUSHED,        /* a writable descriptor of it, with bytes written, was closed */
	SIDECAR_FLUSHED_AGAIN,  /* … and nothing was written since the last time */
	SIDECAR_CLOSED,         /* its last writer has gone */
	SIDECAR_CLOSED_FLUSHED, /* the same, and nothing was written since it was flushed */
	SIDECAR_RENAMED,        /* renamed or linked into place */
	SIDECAR_FOUND,          /* at start, or by inotify */
	SIDECAR_CUT,            /* at start, after an end that may have cut it off */
	SIDECAR_UPLOAD_COMPLETE,
};

/** The answer to a control file's command or, with an empty json, to a sidecar. err is 0 or negative;
 *  json is one object with newline, borrowed for the call.
 *  Called once, from the command thread (or from the caller's own, when it is refused at once). */
typedef void (*intake_reply_fn)(void *context, int err, const char *json);

/**
 * Carry out a sidecar, behind the requests that came before. Copies path; any thread; returns at once.
 * @param caller  who wrote it or put it there; NULL: the file's owner
 * @param reply  may be NULL
 */
void intake_sidecar(struct intake *intake, const struct caller *caller, const char *path,
		    enum sidecar_cause cause, intake_reply_fn reply, void *context);
/**
 * Whether a caller may give a file, of this owner, a sidecar's name: its request will be its owner's.
 */
bool intake_may_be_sidecar(const struct caller *caller, uid_t file_owner);

/* ---- control files ---- */

/**
 * Collects the bytes written to one open control file and finds where a request ends: the closing
 * brace of a JSON object, the newline of a key=value line. No locks: the file's own requests are in order.
 */
struct request_text;
int request_text_create(struct request_text **ret);
void request_text_destroy(struct request_text *text);
SC_DEFINE_AUTO(request_text, request_text_destroy)
/** Add written bytes. @return 0, -EFBIG (REQUEST_TOO_LARGE; what was collected is forgotten), -ENOMEM */
int request_text_add(struct request_text *text, const char *data, size_t len, struct error *e);
/**
 * Take the next complete request. @param is_flush  the file is being flushed: a line without newline is
 * complete too; an unfinished JSON object is -EINVAL (and forgotten).
 * @return 1 (*ret is a NUL-terminated copy to free), 0 (nothing complete), or a negative errno with *e
 */
int request_text_next(struct request_text *text, bool is_flush, struct error *e, char **ret);

/** Carry out one request of the root's control. Copies text. Any thread; returns at once. */
void intake_submit(struct intake *intake, const struct caller *caller, const char *text,
		   intake_reply_fn reply, void *context);
/** Carry out one word written to jobs/<id>/control ("cancel"). The same. */
void intake_job_command(struct intake *intake, const struct caller *caller, const char *job_id,
			const char *text, intake_reply_fn reply, void *context);
/** rmdir jobs/<id>, and unlink of a clip (number > 0). json is "" then. The same. */
void intake_job_remove(struct intake *intake, const struct caller *caller, const char *job_id,
		       unsigned int clip_number, intake_reply_fn reply, void *context);

/** Write the reply's JSON ({"success":…}, with newline) for a success or an error. */
void intake_render_accepted(struct buf *out, const char *job_id, enum job_state state,
			    const char *message);
void intake_render_refused(struct buf *out, const struct error *e);
