/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Database against directories, in both directions: every row has what it promises, and everything
 * that lies there has a row that knows it. A name that no row knows is somebody else's: a note.
 */
#include "compare.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "storyclip/common/file.h"
#include "storyclip/intake.h"

#define PAGE      64
#define DEPTH_MAX 128 /* of directories below incoming/ */

struct comparison {
	const struct settings *settings;
	const struct root_dirs *dirs;
	struct store *store;
	bool is_mounted;
	struct findings *findings;
	struct compared *counts;
};

#define FOUND(kind_, id_, ...)                                                     \
	__extension__({                                                            \
		struct finding found_ = {.kind = (kind_)};                         \
		snprintf(found_.id, sizeof(found_.id), "%.*s", JOB_ID_MAX, (id_)); \
		findings_add(c->findings, &found_, __VA_ARGS__);                   \
	})

/* ---- the directories ---- */

static int open_dir(const char *path, int *ret)
{
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 && errno != ENOENT ? -errno : 0;
}

int root_dirs_open(const struct settings *s, struct error *e, struct root_dirs *ret)
{
	auto_free char *hold = NULL, *logs = NULL;
	const char *slash = strrchr(s->database, '/');
	int r = 0;

	if (asprintf(&hold, "%s/%s", s->upload_tmp_dir, INTAKE_HOLD_DIR) < 0 ||
	    asprintf(&logs, "%.*s/logs", (int)(slash - s->database), s->database) < 0)
		return error_from_errno(e, -ENOMEM, "opening directories");
	const struct {
		const char *path;
		int *fd;
	} dirs[] = {{s->output_root, &ret->output_fd},
		    {s->process_work_dir, &ret->work_fd},
		    {s->upload_tmp_dir, &ret->uploads_fd},
		    {hold, &ret->hold_fd},
		    {logs, &ret->logs_fd}};

	for (size_t i = 0; i < SC_ARRAY_SIZE(dirs) && r == 0; i++) {
		r = open_dir(dirs[i].path, dirs[i].fd);
		if (r < 0)
			error_from_errno(e, r, "%s cannot be read", dirs[i].path);
	}
	return r;
}

void root_dirs_close(struct root_dirs *dirs)
{
	int *fds[] = {&dirs->output_fd, &dirs->work_fd, &dirs->uploads_fd, &dirs->hold_fd,
		      &dirs->logs_fd};

	for (size_t i = 0; i < SC_ARRAY_SIZE(fds); i++)
		if (*fds[i] >= 0)
			close(take_fd(fds[i]));
}

/* Call `each` for every name but "." and ".." and our lock; a directory that is missing has none.
 */
static int names_each(struct comparison *c, int dir_fd,
		      int (*each)(struct comparison *c, const char *name))
{
	struct dirent *entry;
	DIR *dir;
	int fd, r = 0;

	if (dir_fd < 0)
		return 0;
	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, ".storyclip.lock") != 0)
			r = each(c, entry->d_name);
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	return r;
}

/* ---- from the rows to the directories ---- */

static bool job_has_clip(const struct job_snapshot *job, const char *name)
{
	for (size_t i = 0; i < job->n_artifacts; i++)
		if (!job->artifacts[i].is_deleted && !strcmp(job->artifacts[i].filename, name))
			return true;
	return false;
}

static void look_for_extra(struct comparison *c, const struct job_snapshot *job)
{
	int fd = openat(c->dirs->output_fd, job->id,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !job_has_clip(job, entry->d_name))
			FOUND(FINDING_OUTPUT_EXTRA, job->id, "outputs/%s/%s is no clip of this job",
			      job->id, entry->d_name);
	closedir(dir);
}

static void compare_clip(struct comparison *c, const struct job_snapshot *job,
			 const struct artifact *clip, bool *is_there)
{
	char path[JOB_ID_SIZE + 32];
	struct finding found = {.kind = FINDING_NO_CLIP, .number = clip->number};
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", job->id, clip->filename);
	snprintf(found.id, sizeof(found.id), "%s", job->id);
	c->counts->clips++;
	if (c->dirs->output_fd < 0 ||
	    fstatat(c->dirs->output_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode)) {
		findings_add(c->findings, &found, "job %s is done, but outputs/%s is missing",
			     job->id, path);
		return;
	}
	*is_there = true;
	if (st.st_size != clip->size_bytes)
		FOUND(FINDING_CLIP_SIZE, job->id,
		      "outputs/%s has %lld bytes, the database says %lld", path,
		      (long long)st.st_size, (long long)clip->size_bytes);
}

static void compare_done(struct comparison *c, const struct job_snapshot *job)
{
	size_t before = c->findings->n, clips = 0;
	bool is_there = false;

	for (size_t i = 0; i < job->n_artifacts; i++) {
		if (job->artifacts[i].is_deleted)
			continue;
		compare_clip(c, job, &job->artifacts[i], &is_there);
		clips++;
	}
	if (clips && !is_there) {
		/* One line for all of them. */
		while (c->findings->n > before) {
			struct finding *last = &c->findings->list[--c->findings->n];

			free(last->path);
			free(last->text);
		}
		FOUND(FINDING_NO_OUTPUT, job->id,
		      "job %s is done, but outputs/%s with its %zu clips is missing", job->id,
		      job->id, clips);
	}
	look_for_extra(c, job);
}

bool job_must_hold(const struct job_snapshot *job)
{
	/* A copy is made when the job is about to run, a hard link when it is accepted. */
	return !job_state_is_final(job->state) && !job->is_hold_copy;
}

static void compare_hold(struct comparison *c, const struct job_snapshot *job)
{
	struct stat st;

	if (!job_must_hold(job))
		return;
	if (c->dirs->hold_fd < 0 ||
	    fstatat(c->dirs->hold_fd, job->id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		FOUND(FINDING_NO_HOLD, job->id,
		      "job %s (%s) does not hold its upload '%s': its link is missing", job->id,
		      job_state_name(job->state), job->source_path);
	else if (st.st_ino != job->source_ino)
		FOUND(FINDING_NO_HOLD, job->id,
		      "job %s (%s) holds another file than its upload '%s'", job->id,
		      job_state_name(job->state), job->source_path);
}

static int compare_job(struct comparison *c, const char *id)
{
	auto_snapshot struct job_snapshot job = {0};
	struct stat st;
	int r = store_job_get(c->store, id, &job);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	c->counts->jobs++;
	compare_hold(c, &job);
	if (job.state == JOB_DONE) {
		compare_done(c, &job);
		return 0;
	}
	/* A daemon that publishes has renamed it and is about to say so. */
	if (c->is_mounted && job.state == JOB_RUNNING)
		return 0;
	if (c->dirs->output_fd >= 0 &&
	    fstatat(c->dirs->output_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		bool is_ours = false;

		store_job_was_publishing(c->store, id, &is_ours);
		FOUND(FINDING_OUTPUT_EARLY, id, "outputs/%s lies there, but job %s is %s%s", id, id,
		      job_state_name(job.state),
		      is_ours ? " (half published: the next mount removes it)"
			      : " (nobody published it: it is never touched)");
	}
	return 0;
}

static int compare_jobs(struct comparison *c)
{
	struct job_list_row rows[PAGE];
	int64_t after = 0;
	int n, r = 0;

	while (r == 0 && (n = store_jobs_page(c->store, after, rows, PAGE)) > 0) {
		for (int i = 0; i < n && r == 0; i++)
			r = compare_job(c, rows[i].id);
		after = rows[n - 1].cookie;
	}
	return r < 0 ? r : n;
}

static int compare_upload(void *context, const struct upload_row *row)
{
	struct comparison *c = context;
	struct finding found = {.path = (char *)row->path};
	auto_fd int fd = -1;
	struct stat st;
	int64_t mtime_ns;

	c->counts->uploads++;
	if (c->dirs->uploads_fd < 0 ||
	    file_open_beneath(c->dirs->uploads_fd, row->path, O_PATH | O_NOFOLLOW, 0, &fd) < 0 ||
	    fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		found.kind = FINDING_UPLOAD_GONE;
		return findings_add(c->findings, &found, "upload '%s' has a row, but no file",
				    row->path);
	}
	mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if (row->state == UPLOAD_OPEN || (st.st_size == row->size && mtime_ns == row->mtime_ns))
		return 0;
	found.kind = FINDING_UPLOAD_OTHER;
	if (st.st_size == row->size)
		return findings_add(c->findings, &found,
				    "upload '%s' was written behind its row's back", row->path);
	return findings_add(c->findings, &found,
			    "upload '%s' has %lld bytes, the database says %lld", row->path,
			    (long long)st.st_size, (long long)row->size);
}

/* ---- from the directories to the rows ---- */

/* Split "<id>.<attempt>". */
static bool split_attempt(const char *name, char id[JOB_ID_SIZE], unsigned int *ret)
{
	const char *dot = strrchr(name, '.');
	char *end;

	if (!dot || dot == name || (size_t)(dot - name) > JOB_ID_MAX || dot[1] < '1' ||
	    dot[1] > '9')
		return false;
	*ret = (unsigned int)strtoul(dot + 1, &end, 10);
	snprintf(id, JOB_ID_SIZE, "%.*s", (int)(dot - name), name);
	return !*end && job_id_is_valid(id);
}

static int look_at_work(struct comparison *c, const char *name)
{
	char id[JOB_ID_SIZE];
	struct job_brief brief;
	unsigned int attempt;

	if (!split_attempt(name, id, &attempt) || store_job_brief(c->store, id, &brief) < 0)
		return FOUND(FINDING_NOTE, "", "work/%s belongs to no job (never touched)", name);
	if (attempt > brief.attempt && !c->is_mounted)
		return FOUND(FINDING_NOTE, id, "work/%s is of no attempt of job %s (never touched)",
			     name, id);
	if (brief.state == JOB_RUNNING && attempt >= brief.attempt)
		return 0;
	return FOUND(
		FINDING_WORK_LEFT, id,
		"work/%s is left of an attempt of job %s, which is %s (the next mount removes it)",
		name, id, job_state_name(brief.state));
}

static int note_removal(void *context, const struct removal_row *row)
{
	struct comparison *c = context;

	return FOUND(FINDING_NOTE, row->job_id,
		     "job %s was removed; its bytes are still to go (the next mount goes on)",
		     row->job_id);
}

static int look_at_output(struct comparison *c, const char *name)
{
	char id[JOB_ID_SIZE];
	struct job_brief brief;
	unsigned int attempt;
	size_t len = strlen(name);

	if (job_id_is_valid(name))
		return store_job_brief(c->store, name, &brief) == 0
			       ? 0 /* its row was compared with it */
			       : FOUND(FINDING_NOTE, "",
				       "outputs/%s belongs to no job (never touched)", name);
	/* ".<id>.<attempt>.tmp": on its way from another volume */
	if (name[0] == '.' && len > 5 && len < JOB_ID_SIZE + 16 &&
	    !strcmp(name + len - 4, ".tmp")) {
		char middle[JOB_ID_SIZE + 16];

		snprintf(middle, sizeof(middle), "%.*s", (int)len - 5, name + 1);
		if (split_attempt(middle, id, &attempt) &&
		    store_job_brief(c->store, id, &brief) == 0) {
			if (brief.state == JOB_RUNNING && attempt >= brief.attempt)
				return 0;
			return FOUND(FINDING_WORK_LEFT, id,
				     "outputs/%s is left of an attempt of job %s, which is %s",
				     name, id, job_state_name(brief.state));
		}
	}
	if (len > 8 && !strcmp(name + len - 8, ".removed"))
		return 0; /* the row of the removal says it */
	return FOUND(FINDING_NOTE, "", "outputs/%s belongs to no job (never touched)", name);
}

static int look_at_hold(struct comparison *c, const char *name)
{
	struct job_brief brief;
	int r;

	if (!job_id_is_valid(name))
		return 0; /* a copy that is being made */
	r = store_job_brief(c->store, name, &brief);
	if (r == -ENOENT)
		return FOUND(FINDING_HOLD_UNKNOWN, name,
			     "the bytes of an upload are held for job %s, which the database does "
			     "not know",
			     name);
	if (r < 0)
		return r;
	return job_state_is_final(brief.state)
		       ? FOUND(FINDING_HOLD_LEFT, name,
			       "the bytes of an upload are held for job %s, which is %s", name,
			       job_state_name(brief.state))
		       : 0;
}

static int look_at_log(struct comparison *c, const char *name)
{
	size_t len = strlen(name);
	char id[JOB_ID_SIZE];
	struct job_brief brief;

	if (len <= 4 || len - 4 > JOB_ID_MAX || strcmp(name + len - 4, ".log") != 0)
		return 0;
	snprintf(id, sizeof(id), "%.*s", (int)len - 4, name);
	if (store_job_brief(c->store, id, &brief) != -ENOENT)
		return 0;
	return FOUND(FINDING_NOTE, id, "there is a log of job %s, which the database does not know",
		     id);
}

/* Every regular file below incoming/ has a row. */
static int walk_uploads(struct comparison *c, int parent_fd, const char *name, const char *prefix,
			unsigned int depth);

static int look_at_upload(struct comparison *c, int dir_fd, const char *name, const char *prefix,
			  unsigned int depth)
{
	auto_free char *path = NULL;
	struct upload_row row;
	struct stat st;
	int r;

	if (!*prefix && !strcmp(name, INTAKE_HOLD_DIR))
		return 0;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0)
		return -ENOMEM;
	if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
		return walk_uploads(c, dir_fd, name, path, depth + 1);
	if (!S_ISREG(st.st_mode))
		return 0;
	r = store_upload_get(c->store, path, &row);
	if (r == -ENOENT) {
		struct finding found = {.kind = FINDING_UPLOAD_NO_ROW, .path = path};

		return findings_add(c->findings, &found,
				    "upload '%s' has no row (the next mount takes it up)", path);
	}
	return r;
}

static int walk_uploads(struct comparison *c, int parent_fd, const char *name, const char *prefix,
			unsigned int depth)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r == -ENOENT ? 0 : r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = look_at_upload(c, dirfd(dir), entry->d_name, prefix, depth);
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	return r;
}

static int note_integrity(void *context, const char *line)
{
	struct comparison *c = context;

	return FOUND(FINDING_DATABASE, "", "the database is damaged: %s", line);
}

int compare(const struct settings *settings, const struct root_dirs *dirs, struct store *store,
	    bool is_mounted, struct findings *findings, struct compared *ret)
{
	struct comparison comparison = {.settings = settings,
					.dirs = dirs,
					.store = store,
					.is_mounted = is_mounted,
					.findings = findings,
					.counts = ret},
			  *c = &comparison;
	int r;

	*ret = (struct compared){0};
	r = store_integrity_each(store, note_integrity, c);
	if (r == 0)
		r = compare_jobs(c);
	if (r == 0)
		r = store_removals_each(store, note_removal, c);
	if (r == 0)
		r = store_uploads_each(store, compare_upload, c);
	if (r == 0)
		r = names_each(c, dirs->output_fd, look_at_output);
	if (r == 0)
		r = names_each(c, dirs->work_fd, look_at_work);
	if (r == 0)
		r = names_each(c, dirs->hold_fd, look_at_hold);
	if (r == 0)
		r = names_each(c, dirs->logs_fd, look_at_log);
	if (r == 0 && dirs->uploads_fd >= 0)
		r = walk_uploads(c, dirs->uploads_fd, ".", "", 0);
	return r;
}
