/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lies in UPLOAD_TMP_DIR after the last end. An upload is complete when the database knows it
 * so, with this size and mtime; one that it does not know is incomplete when it was last written
 * before an unclean end, for then nobody can say whether it was whole; else it was put there since,
 * or behind the mount, and is complete once synced, unless its writer from before is at it still. Main thread, before all others.
 */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

#define DEPTH_MAX    128
#define ROWS_AT_ONCE 1000

/* A row as the database had it. */
struct known {
	char *path; /* owned */
	int64_t size, mtime_ns;
	enum upload_state state;
	bool is_seen;
};

/* An inode that a job which has not ended holds. */
struct held {
	dev_t dev;
	ino_t ino;
	bool is_waiting;
	bool is_seen;       /* under some name … */
	bool is_incomplete; /* … and this is what was found: cut off … */
	bool is_found;      /* … or new: the registry thread tells the engine once it is synced */
	int64_t size, mtime_ns;
};

struct scan {
	const struct registry_deps *deps;
	struct registry *registry;
	struct last_end end;
	struct known *known; /* owned; sorted by path */
	size_t n_known, cap_known;
	struct held *held; /* owned; sorted */
	size_t n_held, cap_held;
	ino_t *sidecars;       /* owned; uploads that a sidecar has acted on, sorted … */
	bool *is_sidecar_seen; /* owned; … and whether they are there still */
	size_t n_sidecars, cap_sidecars;
	struct due rows;
	unsigned int n_files, n_incomplete, n_found;
};

static void scan_finish(struct scan *scan)
{
	for (size_t i = 0; i < scan->n_known; i++)
		free(scan->known[i].path);
	free(scan->known);
	free(scan->held);
	free(scan->sidecars);
	free(scan->is_sidecar_seen);
	due_finish(&scan->rows);
}

/* ---- what is known before the walk ---- */

static int add_known(void *context, const struct upload_row *row)
{
	struct scan *scan = context;
	char *path;

	if (scan->n_known == scan->cap_known) {
		size_t cap = scan->cap_known ? scan->cap_known * 2 : 64;
		struct known *more = reallocarray(scan->known, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		scan->known = more;
		scan->cap_known = cap;
	}
	path = strdup(row->path);
	if (!path)
		return -ENOMEM;
	scan->known[scan->n_known++] = (struct known){
		.path = path, .size = row->size, .mtime_ns = row->mtime_ns, .state = row->state};
	return 0;
}

static int add_held(void *context, dev_t dev, ino_t ino, bool is_waiting)
{
	struct scan *scan = context;

	if (scan->n_held == scan->cap_held) {
		size_t cap = scan->cap_held ? scan->cap_held * 2 : 64;
		struct held *more = reallocarray(scan->held, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		scan->held = more;
		scan->cap_held = cap;
	}
	scan->held[scan->n_held++] =
		(struct held){.dev = dev, .ino = ino, .is_waiting = is_waiting};
	return 0;
}

static int add_sidecar(void *context, ino_t ino)
{
	struct scan *scan = context;

	if (scan->n_sidecars == scan->cap_sidecars) {
		size_t cap = scan->cap_sidecars ? scan->cap_sidecars * 2 : 64;
		ino_t *more = reallocarray(scan->sidecars, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		scan->sidecars = more;
		scan->cap_sidecars = cap;
	}
	scan->sidecars[scan->n_sidecars++] = ino;
	return 0;
}

static int compare_ino(const void *a, const void *b)
{
	const ino_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int compare_known(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->path, ((const struct known *)b)->path);
}

static int compare_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static struct known *find_known(struct scan *scan, char *path)
{
	struct known key = {.path = path};

	return scan->n_known ? bsearch(&key, scan->known, scan->n_known, sizeof(key), compare_known)
			     : NULL;
}

static struct held *find_held(struct scan *scan, const struct stat *st)
{
	struct held key = {.dev = st->st_dev, .ino = st->st_ino};

	return scan->n_held ? bsearch(&key, scan->held, scan->n_held, sizeof(key), compare_held)
			    : NULL;
}

/* ---- one file ---- */

enum verdict { VERDICT_COMPLETE, VERDICT_INCOMPLETE, VERDICT_FOUND, VERDICT_OPEN };

static enum verdict judge(const struct scan *scan, const struct known *row, const struct stat *st)
{
	int64_t mtime = stat_mtime_ns(st), end = scan->end.end_ns;

	if (row && row->state != UPLOAD_OPEN && row->size == st->st_size && row->mtime_ns == mtime)
		return row->state == UPLOAD_COMPLETE ? VERDICT_COMPLETE : VERDICT_INCOMPLETE;
	/* A writer that the end took away, clean or not: it may have written a little longer than
	 * the last sign of life. */
	if (row && row->state == UPLOAD_OPEN)
		return mtime <= end + scan->end.slack_ns ? VERDICT_INCOMPLETE : VERDICT_FOUND;
	/* Without a row of a writer the file is at most as young as the time it takes to write one.
	 */
	if (!scan->end.is_clean && mtime <= end + scan->end.slack_ns / 10)
		return VERDICT_INCOMPLETE;
	return VERDICT_FOUND;
}

/*
 * A client writes on, behind the last end: by kernel passthrough it can, without a mount. Its upload is
 * noted as open, as one through this mount is, and watched.
 * @return whether there is such a writer
 */
static bool take_outliving(struct scan *scan, int dir_fd, const char *name, const char *path,
			   const struct stat *st)
{
	auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || !file_has_writer(fd))
		return false;
	log_info("upload '%s' is still being written, by a client of the mount before", path);
	uploads_opened(scan->deps->uploads, st->st_dev, st->st_ino, path);
	watches_add_outliving(scan->deps->watches, fd, st, path);
	return true;
}

static int flush_rows(struct scan *scan)
{
	int r = registry_apply(scan->registry, &scan->rows, true);

	if (r == 0)
		due_finish(&scan->rows);
	return r;
}

static int add_row(struct scan *scan, enum upload_change_kind kind, const char *path,
		   enum upload_state state, const struct stat *st)
{
	int r = due_add(&scan->rows, kind, path, NULL, state, st);

	if (r == 0 && scan->rows.n_changes >= ROWS_AT_ONCE)
		r = flush_rows(scan);
	return r;
}

static int scan_file(struct scan *scan, int dir_fd, const char *name, char *path,
		     const struct stat *st)
{
	struct known *row = find_known(scan, path);
	struct held *held = find_held(scan, st);
	enum verdict verdict = judge(scan, row, st);
	const struct registry_listener *listener = &scan->deps->listener;
	const ino_t *sidecar;
	int r = 0;

	if (row && row->state == UPLOAD_OPEN && take_outliving(scan, dir_fd, name, path, st))
		verdict = VERDICT_OPEN;
	scan->n_files++;
	if (row)
		row->is_seen = true;
	sidecar = scan->n_sidecars ? bsearch(&st->st_ino, scan->sidecars, scan->n_sidecars,
					     sizeof(*scan->sidecars), compare_ino)
				   : NULL;
	if (sidecar)
		scan->is_sidecar_seen[sidecar - scan->sidecars] = true;
	if (verdict == VERDICT_INCOMPLETE) {
		scan->n_incomplete++;
		log_info("upload '%s' is incomplete: it was not whole when the mount last ended",
			 path);
		uploads_incomplete(scan->deps->uploads, st, path);
		r = add_row(scan, UPLOAD_PUT, path, UPLOAD_INCOMPLETE_STATE, st);
	} else if (verdict == VERDICT_FOUND) {
		scan->n_found++;
		uploads_found(scan->deps->uploads, st->st_dev, st->st_ino, path);
	}
	if (held) {
		held->is_seen = true;
		held->is_incomplete |= verdict == VERDICT_INCOMPLETE;
		held->is_found |= verdict == VERDICT_FOUND || verdict == VERDICT_OPEN;
		held->size = st->st_size;
		held->mtime_ns = stat_mtime_ns(st);
	}
	if (path_is_request(path))
		listener->sidecar_found(listener->context, path, verdict == VERDICT_INCOMPLETE);
	return r;
}

/* ---- the walk ---- */

static int scan_dir(struct scan *scan, int parent_fd, const char *name, const char *prefix,
		    unsigned int depth);

static int scan_entry(struct scan *scan, int dir_fd, const char *name, const char *prefix,
		      unsigned int depth)
{
	auto_free char *path = NULL;
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, "..") ||
	    (!*prefix && !strcmp(name, INTAKE_HOLD_DIR)))
		return 0;
	if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0)
		return -ENOMEM;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode))
		return scan_file(scan, dir_fd, name, path, &st);
	if (S_ISDIR(st.st_mode))
		return scan_dir(scan, dir_fd, name, path, depth + 1);
	return 0;
}

static int scan_dir(struct scan *scan, int parent_fd, const char *name, const char *prefix,
		    unsigned int depth)
{
	struct dirent *entry;
	DIR *dir;
	int r = 0, fd;

	if (depth > DEPTH_MAX) {
		log_warning("uploads below '%s' are too deep to be looked at", prefix);
		return 0;
	}
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		/* What only its owner may read is found when it is asked for. */
		log_error_with(-errno, "looking over uploads in '%s'", prefix);
		return 0;
	}
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		r = scan_entry(scan, dirfd(dir), entry->d_name, prefix, depth);
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	return r;
}

/* ---- afterwards ---- */

/* Rows whose file is gone. */
static int forget_gone(struct scan *scan)
{
	int r = 0;

	for (size_t i = 0; i < scan->n_known && r == 0; i++)
		if (!scan->known[i].is_seen)
			r = add_row(scan, UPLOAD_DELETE, scan->known[i].path, UPLOAD_COMPLETE,
				    NULL);
	return r == 0 ? flush_rows(scan) : r;
}

/* What a sidecar did for an upload that is gone: its number may be another file's one day. */
static int forget_sidecars(struct scan *scan)
{
	int r = 0;

	for (size_t i = 0; i < scan->n_sidecars && r == 0; i++)
		if (!scan->is_sidecar_seen[i])
			r = store_sidecar_delete(scan->deps->intake->store, scan->sidecars[i],
						 NULL);
	return r;
}

static int scan_begin(struct scan *scan)
{
	struct store *store = scan->deps->intake->store;
	int r = store_uploads_each(store, add_known, scan);

	if (r == 0)
		r = engine_sources_each(scan->deps->intake->engine, add_held, scan);
	if (r == 0)
		r = store_sidecars_each(store, add_sidecar, scan);
	if (r < 0)
		return r;
	if (scan->n_known)
		qsort(scan->known, scan->n_known, sizeof(*scan->known), compare_known);
	if (scan->n_held)
		qsort(scan->held, scan->n_held, sizeof(*scan->held), compare_held);
	scan->is_sidecar_seen = calloc(scan->n_sidecars + 1, sizeof(bool));
	return scan->is_sidecar_seen ? 0 : -ENOMEM;
}

static void tell_engine(struct scan *scan)
{
	struct engine *engine = scan->deps->intake->engine;

	for (size_t i = 0; i < scan->n_held; i++) {
		const struct held *held = &scan->held[i];

		/* A job that waited for a writer whose file has no name any more: that writer is
		 * gone. */
		if (held->is_incomplete || (held->is_waiting && !held->is_seen))
			engine_source_failed(engine, held->dev, held->ino, SC_UPLOAD_INCOMPLETE,
					     "the upload was still being written when the mount "
					     "ended; write it again");
		else if (held->is_waiting && !held->is_found)
			engine_source_ready(engine, held->dev, held->ino, held->size,
					    held->mtime_ns);
		else if (held->is_seen &&
			 !held->is_found) /* set through the mount since acceptance */
			engine_source_touched(engine, held->dev, held->ino);
	}
}

int scan_uploads(const struct registry_deps *deps, struct registry *registry, struct error *e)
{
	__attribute__((cleanup(scan_finish))) struct scan scan = {.deps = deps,
								  .registry = registry};
	int r;

	registry_last_end(registry, &scan.end);
	r = scan_begin(&scan);
	if (r == 0)
		r = scan_dir(&scan, deps->root_fd, ".", "", 0);
	if (r == 0)
		r = forget_gone(&scan);
	if (r == 0)
		r = forget_sidecars(&scan);
	if (r < 0)
		return error_from_errno(e, r, "looking over the uploads in %s",
					deps->intake->settings->upload_tmp_dir);
	tell_engine(&scan);
	if (!scan.end.is_clean)
		log_warning("the last end was not a clean one: %u of %u uploads are incomplete",
			    scan.n_incomplete, scan.n_files);
	return 0;
}
