/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is removed by its age: ended jobs, in small batches and as their owner would by rmdir, so a crash
 * in between is the crash of one removal; and, on behalf of the intake, which knows who writes, one
 * upload at a time. Ages do not follow a wall clock that jumps (aging.h).
 */
#include "retention.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "aging.h"
#include "helper.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"

#define META_KEY     "retention_clock"
#define BATCH        64
#define BATCH_GAP_MS 50    /* others want the database, too */
#define FAILED_MAX   16    /* in one batch: it is not the jobs, nothing can be removed now */
#define LOOK_MAX_MS  60000 /* between two looks; with short ages a tenth of them */
#define LOOK_MIN_MS  100
#define SAVE_MS      60000
#define ASIDE_FORMAT ".expired-%llu.deleted"

bool retention_is_wanted(const struct engine *engine)
{
	const struct settings *s = engine->deps.settings;

	return s->job_retention_ms > 0 || s->upload_retention_ms > 0;
}

/* @return whether the clock was seen to jump */
static bool tick(struct engine *engine)
{
	int64_t wall_ms = engine_wall_ms(engine), mono_ms = engine_now_ms(engine);
	bool has_jumped;

	lock_acquire(&engine->jobs);
	has_jumped = aging_tick(&engine->aging, wall_ms, mono_ms);
	lock_release(&engine->jobs);
	if (has_jumped && retention_is_wanted(engine))
		log_warning("the clock has jumped forward: what is kept for a time is kept that much longer");
	return has_jumped;
}

static void save(struct engine *engine)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct aging aging;
	char boot_id[CLOCK_BOOT_ID_SIZE];

	clock_boot_id(boot_id);
	lock_acquire(&engine->jobs);
	aging = engine->aging;
	lock_release(&engine->jobs);
	aging_print(&aging, boot_id, &text);
	if (!buf_error(&text) && store_meta_set(engine->deps.store, META_KEY, text.data) < 0)
		log_warning("noting the clocks: the database cannot be written");
}

static int64_t age_of(struct engine *engine, int64_t at_ms)
{
	int64_t age_ms;

	lock_acquire(&engine->jobs);
	age_ms = aging_age_ms(&engine->aging, at_ms);
	lock_release(&engine->jobs);
	return age_ms;
}

/* ---- jobs ---- */

/* Where a pass over the ended jobs begins. */
static const struct ended_row pass_start = {.finished_at = INT64_MIN};

/* One that cannot go must not keep the others: the next pass tries it again. */
static void remove_job(struct engine *engine, const char *job_id, int *removed, int *failed)
{
	const struct caller root = {0};
	struct error e = {0};
	int r = engine_remove(engine, job_id, &root, &e);

	*removed += r == 0;
	if (r == 0 || r == -ENOENT || r == -ESHUTDOWN || e.code == SC_JOB_ACTIVE)
		return;
	log_warning("job %s: removing it, as it is old: %s", job_id, e.message);
	++*failed;
}

/* The next batch of a pass. @return whether there may be more; else *last is where a pass begins */
static bool remove_jobs(struct engine *engine, struct ended_row *last)
{
	int64_t keep_ms = engine->deps.settings->job_retention_ms;
	struct ended_row rows[BATCH];
	int n = store_jobs_ended(engine->deps.store, last, engine_wall_ms(engine) - keep_ms, rows,
				 BATCH);
	int removed = 0, failed = 0, i = 0;

	/* In order of their ends: those behind one that is too young are younger still. */
	while (i < n && failed < FAILED_MAX && !engine_is_stopping(engine) &&
	       age_of(engine, rows[i].finished_at) >= keep_ms)
		remove_job(engine, rows[i++].id, &removed, &failed);
	if (removed)
		log_info("%d jobs were removed, as job_retention says", removed);
	*last = i == BATCH && failed < FAILED_MAX ? rows[BATCH - 1] : pass_start;
	return last->finished_at != pass_start.finished_at;
}

/* ---- uploads ---- */

bool engine_upload_is_old(struct engine *engine, int64_t at_ms)
{
	int64_t keep_ms = engine->deps.settings->upload_retention_ms;

	return keep_ms > 0 && age_of(engine, at_ms) >= keep_ms;
}

static bool is_in_use(struct engine *engine, int fd, const struct stat *st)
{
	return engine_source_links(engine, st->st_dev, st->st_ino) > 0 ||
	       engine_source_is_frozen(engine, st->st_dev, st->st_ino) ||
	       engine_source_is_awaited(engine, st->st_dev, st->st_ino) || file_has_writer(fd);
}

/* Whether what lies there is that file, quiet, and was not touched since it was looked at. */
static bool is_expired(struct engine *engine, int dir_fd, const char *name, const struct stat *as)
{
	auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == as->st_dev &&
	       st.st_ino == as->st_ino && st.st_size == as->st_size &&
	       st.st_mtim.tv_sec == as->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == as->st_mtim.tv_nsec && !is_in_use(engine, fd, &st);
}

int engine_expire_upload(struct engine *engine, const char *path, const struct stat *st)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	auto_free char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	auto_fd int dir_fd = -1;
	char aside[64];
	int r;

	if (!parent)
		return -ENOMEM;
	r = file_open_beneath(engine->uploads_fd, parent, O_RDONLY | O_DIRECTORY, 0, &dir_fd);
	if (r < 0)
		return r;
	if (!is_expired(engine, dir_fd, name, st))
		return -EBUSY;
	/* As in upload_delete.c: a name may be another file in the next moment, so it is moved to where
	 * nobody else reaches it, and looked at there. */
	snprintf(aside, sizeof(aside), ASIDE_FORMAT, (unsigned long long)st->st_ino);
	if (renameat2(dir_fd, name, engine->hold_fd, aside, RENAME_NOREPLACE) < 0)
		return errno == EXDEV || errno == EINVAL ? -EOPNOTSUPP : -errno;
	hook_reach("retention-aside");
	if (!is_expired(engine, engine->hold_fd, aside, st)) {
		r = renameat2(engine->hold_fd, aside, dir_fd, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
		return r < 0 ? r : -EBUSY;
	}
	if (unlinkat(engine->hold_fd, aside, 0) < 0)
		return -errno;
	file_sync_dir(dir_fd);
	return 0;
}

/* A crash has left a name aside: it had been looked at as that inode, and is still it. */
static void finish_aside(struct engine *engine)
{
	int fd = openat(engine->hold_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		unsigned long long ino;
		struct stat st;
		char again[64];

		if (sscanf(entry->d_name, ASIDE_FORMAT, &ino) != 1)
			continue;
		snprintf(again, sizeof(again), ASIDE_FORMAT, ino);
		if (!strcmp(again, entry->d_name) &&
		    fstatat(engine->hold_fd, again, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == ino)
			unlinkat(engine->hold_fd, again, 0);
		else
			log_warning("'%s' in the hold directory is a file that was kept from being "
				    "removed; look what it is", entry->d_name);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/* ---- the thread ---- */

void retention_begin(struct engine *engine)
{
	char text[1024], boot_id[CLOCK_BOOT_ID_SIZE];

	if (retention_is_wanted(engine))
		finish_aside(engine);
	clock_boot_id(boot_id);
	if (store_meta_get(engine->deps.store, META_KEY, text, sizeof(text)) == 0) {
		lock_acquire(&engine->jobs);
		aging_parse(&engine->aging, text, boot_id);
		lock_release(&engine->jobs);
	}
	tick(engine);
	save(engine);
}

static int64_t look_every_ms(const struct engine *engine)
{
	const int64_t ages[] = {engine->deps.settings->job_retention_ms,
				engine->deps.settings->upload_retention_ms};
	int64_t ms = LOOK_MAX_MS;

	for (size_t i = 0; i < SC_ARRAY_SIZE(ages); i++)
		if (ages[i] > 0 && ages[i] / 10 < ms)
			ms = ages[i] / 10;
	return ms > LOOK_MIN_MS ? ms : LOOK_MIN_MS;
}

void *retention_run(void *arg)
{
	struct engine *engine = arg;
	struct ended_row last = pass_start;
	int64_t every_ms = look_every_ms(engine), saved_ms = engine_now_ms(engine), ms = 0;

	while (!helper_sleep(engine, ms)) {
		bool has_jumped = tick(engine);

		if (has_jumped || engine_now_ms(engine) - saved_ms >= SAVE_MS) {
			save(engine);
			saved_ms = engine_now_ms(engine);
		}
		ms = every_ms;
		if (engine->deps.settings->job_retention_ms > 0 && remove_jobs(engine, &last))
			ms = BATCH_GAP_MS;
	}
	save(engine);
	return NULL;
}
