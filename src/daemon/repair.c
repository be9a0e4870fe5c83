/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --repair: rows are made to say what is there; files are only given names. The one thing removed
 * is a second name of bytes that have another. What lies in work and outputs stays: what is ours of
 * it goes at the next mount, by the daemon's own rules.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "compare.h"
#include "lockfile.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"

#define BUSY_MS 5000

struct repair {
	const struct settings *settings;
	struct root_dirs dirs;
	struct store *store;
};

static int64_t now_ms(void)
{
	return clock_wall_ms(&clock_system);
}

/* ---- a damaged database ---- */

/* "<database><end>" → "<database>.damaged-<when><end>". A file that is not there is well. */
static int put_aside(const char *database, const char *when, const char *end)
{
	auto_free char *from = NULL, *to = NULL;

	if (asprintf(&from, "%s%s", database, end) < 0 ||
	    asprintf(&to, "%s.damaged-%s%s", database, when, end) < 0)
		return -ENOMEM;
	return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

static int install_copy(const char *copy, const char *database, struct error *e)
{
	auto_free char *fresh = NULL, *dir = strndup(database, strrchr(database, '/') - database);
	auto_fd int fd = -1, dir_fd = -1;
	int r;

	if (!dir || asprintf(&fresh, "%s.new", database) < 0)
		return error_from_errno(e, -ENOMEM, "restoring %s", copy);
	unlink(fresh);
	r = store_copy(copy, fresh, e);
	if (r < 0)
		return r;
	fd = open(fresh, O_RDONLY | O_CLOEXEC);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || dir_fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0 ||
	    rename(fresh, database) < 0)
		r = -errno;
	if (r == 0)
		r = file_sync_dir(dir_fd);
	return r < 0 ? error_from_errno(e, r, "restoring %s", copy) : 0;
}

static int restore(const struct settings *settings, struct error *e)
{
	static const char *const ends[] = {"-wal", "-shm", ""};
	auto_free char *copy = NULL;
	char when[CLOCK_UTC_SIZE];
	int r;

	r = store_backup_newest(settings->database, &copy);
	if (r < 0)
		return error_set_errno(
			e, -EUCLEAN, SC_INTERNAL,
			"database '%.200s' is damaged, and there is no copy of it in "
			"backup/ beside it",
			settings->database);
	clock_format_utc(now_ms(), when);
	for (size_t i = 0; i < SC_ARRAY_SIZE(ends); i++) {
		r = put_aside(settings->database, when, ends[i]);
		if (r < 0)
			return error_from_errno(e, r, "renaming the damaged %s%s",
						settings->database, ends[i]);
	}
	r = install_copy(copy, settings->database, e);
	if (r < 0)
		return r;
	printf("mended: the database was damaged; it is kept as %s.damaged-%s, and %s is in its "
	       "place: "
	       "what came later is not known\n",
	       settings->database, when, copy);
	return 0;
}

static int open_store(const struct settings *settings, struct error *e, struct store **ret)
{
	int r = store_open(settings->database, BUSY_MS, e, ret);

	if (r != -EUCLEAN)
		return r;
	r = restore(settings, e);
	return r < 0 ? r : store_open(settings->database, BUSY_MS, e, ret);
}

/* ---- one finding each: 1 mended, 0 left as it is, or a negative errno ---- */

static int next_version(struct repair *repair, uint64_t *ret)
{
	int r = store_job_max_version(repair->store, ret);

	(*ret)++;
	return r;
}

/* Its owner may have it made again by `retry`, while the upload is there. */
static int mend_no_output(struct repair *repair, const struct finding *f)
{
	auto_snapshot struct job_snapshot job = {0};
	int r = store_job_get(repair->store, f->id, &job);

	if (r == 0)
		r = next_version(repair, &job.version);
	if (r < 0)
		return r;
	error_set(&job.error, SC_IO_ERROR, "its clips are gone from %.200s/%s",
		  repair->settings->output_root, f->id);
	snprintf(job.message, sizeof(job.message), "%s", job.error.message);
	artifacts_free(take_ptr(job.artifacts), job.n_artifacts);
	job.n_artifacts = 0;
	job.clips_ready = 0;
	job.state = JOB_FAILED;
	job.updated_at = now_ms() > job.updated_at ? now_ms() : job.updated_at;
	r = store_job_transition(repair->store,
				 &(struct job_transition){.job_id = f->id,
							  .from = JOB_DONE,
							  .from_attempt = job.attempt,
							  .to = &job});
	return r < 0 ? r : 1;
}

static void add_url(struct buf *urls, const struct settings *settings, const char *job_id,
		    const struct artifact *clip)
{
	buf_add_str(urls, urls->len > 1 ? ",\"" : "\"");
	clip_url(urls, settings->cdn_base, job_id, clip->filename);
	buf_add_str(urls, "\"");
}

/* As if its owner had removed that clip. */
static int mend_no_clip(struct repair *repair, const struct finding *f)
{
	auto_snapshot struct job_snapshot job = {0};
	struct buf urls = BUF_EMPTY;
	int r = store_job_get(repair->store, f->id, &job);

	if (r == 0)
		r = next_version(repair, &job.version);
	if (r < 0)
		return r;
	buf_add_str(&urls, "[");
	for (size_t i = 0; i < job.n_artifacts; i++) {
		job.artifacts[i].is_deleted |= job.artifacts[i].number == f->number;
		if (!job.artifacts[i].is_deleted)
			add_url(&urls, repair->settings, f->id, &job.artifacts[i]);
	}
	buf_add_str(&urls, "]");
	job.updated_at = now_ms() > job.updated_at ? now_ms() : job.updated_at;
	r = buf_error(&urls);
	if (r == 0)
		r = store_job_clip_deleted(repair->store, &job, urls.data);
	buf_finish(&urls);
	return r < 0 ? r : 1;
}

/* Link the upload again, if the name is still that very file. */
static int mend_no_hold(struct repair *repair, const struct finding *f)
{
	auto_snapshot struct job_snapshot job = {0};
	auto_fd int fd = -1;
	char by_fd[64];
	struct stat st, held;
	int r = store_job_get(repair->store, f->id, &job);

	if (r < 0)
		return r;
	if (fstatat(repair->dirs.hold_fd, f->id, &held, AT_SYMLINK_NOFOLLOW) == 0)
		return 0; /* another file: the job will say UPLOAD_CHANGED */
	r = file_open_beneath(repair->dirs.uploads_fd, job.source_path, O_RDONLY | O_NONBLOCK, 0,
			      &fd);
	if (r < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != job.source_ino)
		return 0;
	snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, by_fd, repair->dirs.hold_fd, f->id, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	r = file_sync_dir(repair->dirs.hold_fd);
	return r < 0 ? r : 1;
}

/* Bytes that have another name lose this one; the last name is moved where a person sees it. */
static int mend_hold(struct repair *repair, const struct finding *f)
{
	char name[JOB_ID_SIZE + 16];
	struct stat st;
	int r;

	if (fstatat(repair->dirs.hold_fd, f->id, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	if (st.st_nlink > 1)
		return unlinkat(repair->dirs.hold_fd, f->id, 0) < 0 ? -errno : 1;
	snprintf(name, sizeof(name), "recovered-%s", f->id);
	if (renameat2(repair->dirs.hold_fd, f->id, repair->dirs.uploads_fd, name,
		      RENAME_NOREPLACE) < 0)
		return -errno;
	printf("note: the last name of these bytes is now incoming/%s\n", name);
	r = file_sync_dir(repair->dirs.uploads_fd);
	if (r == 0)
		r = file_sync_dir(repair->dirs.hold_fd);
	return r < 0 ? r : 1;
}

static int mend_upload_gone(struct repair *repair, const struct finding *f)
{
	struct upload_change change = {.kind = UPLOAD_DELETE, .row = {.path = f->path}};
	int r = store_uploads_apply(repair->store, &change, 1, true);

	return r < 0 ? r : 1;
}

static int (*const menders[])(struct repair *repair, const struct finding *f) = {
	[FINDING_NO_OUTPUT] = mend_no_output,
	[FINDING_NO_CLIP] = mend_no_clip,
	[FINDING_NO_HOLD] = mend_no_hold,
	[FINDING_HOLD_LEFT] = mend_hold,
	[FINDING_HOLD_UNKNOWN] = mend_hold,
	[FINDING_UPLOAD_GONE] = mend_upload_gone,
	[FINDING_NOTE] = NULL, /* the last kind: those without a row above are left as they are */
};

static int mend(struct repair *repair, const struct finding *f, struct error *e)
{
	int r = menders[f->kind] ? menders[f->kind](repair, f) : 0;

	if (r > 0)
		printf("mended: %s\n", f->text);
	return r < 0 ? error_from_errno(e, r, "mending '%.300s'", f->text) : 0;
}

/* ---- all of it ---- */

static int repair_locked(struct repair *repair, struct error *e, size_t *ret_left)
{
	auto_findings struct findings findings = {0}, left = {0};
	struct compared counts;
	int r;

	r = root_dirs_open(repair->settings, e, &repair->dirs);
	if (r == 0)
		r = open_store(repair->settings, e, &repair->store);
	if (r < 0)
		return r;
	r = compare(repair->settings, &repair->dirs, repair->store, false, &findings, &counts);
	for (size_t i = 0; i < findings.n && r == 0; i++) {
		r = mend(repair, &findings.list[i], e);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = compare(repair->settings, &repair->dirs, repair->store, false, &left, &counts);
	if (r < 0)
		return error_from_errno(e, r, "comparing %s with its database",
					repair->settings->root);
	for (size_t i = 0; i < left.n; i++)
		printf("%s%s\n",
		       left.list[i].kind == FINDING_NOTE ? "note: " : "left: ", left.list[i].text);
	*ret_left = findings_count(&left);
	printf("%s: %zu disagreements, %zu are left\n", repair->settings->root,
	       findings_count(&findings), *ret_left);
	return 0;
}

int repair_root(const struct settings *settings)
{
	struct repair repair = {.settings = settings, .dirs = ROOT_DIRS_NONE};
	struct locks locks = LOCKS_NONE;
	struct error e = {0};
	struct stat st;
	size_t left = 0;
	int r = 0;

	if (stat(settings->database, &st) < 0)
		r = error_from_errno(&e, -errno, "database %s cannot be read", settings->database);
	if (r == 0)
		r = locks_take(settings, 0, &e, &locks);
	if (r == 0)
		r = repair_locked(&repair, &e, &left);
	store_close(repair.store);
	root_dirs_close(&repair.dirs);
	locks_release(&locks);
	if (r < 0) {
		fprintf(stderr, "storyclipfs: %s\n", e.message);
		return CHECK_CANNOT;
	}
	return left ? CHECK_DISAGREES : CHECK_WELL;
}
