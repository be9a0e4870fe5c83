/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry thread. Everything that waits for the disk on behalf of uploads happens here, so
 * that no create, open, close or rename in the mount ever does. Order, for an upload whose last
 * writer has closed it: its bytes are synced, its directories are synced, its row says `complete`,
 * its jobs may run. When a step fails, none of the later ones is made.
 */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "expiry.h"
#include "names.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "storyclip/common/sync.h"

#define ALIVE_FILE    ".storyclip.alive"
#define TOUCH_IDLE_MS 1000
#define TOUCH_BUSY_MS 100 /* while something is being written: the end must be known better */
#define SYNCS_AT_ONCE 256
#define SYNCFS_FROM   64 /* so many at once: one sync of the whole volume is cheaper */
#define RETRY_MAX_MS  1000
#define STOP_MS       3000 /* for the last rows, while somebody holds the database */
#define BUSY_MS       20   /* since the last transaction: many changes come in a row */
#define GATHER_MS     4

struct registry {
	struct registry_deps deps;
	int alive_fd;
	pthread_t thread;
	bool is_started;
	atomic_bool is_alive_noted; /* registry_begin_life() was called, the stop not yet */
	atomic_bool is_stopping;
	int last_error; /* of the rows; logged when it changes */
};

/* ---- sign of life ---- */

void registry_touch(struct registry *registry)
{
	if (atomic_load(&registry->is_alive_noted))
		futimens(registry->alive_fd, NULL);
}

/* When this machine was booted, wall time; 0 when unknown. */
static int64_t boot_time_ns(void)
{
	FILE *f = fopen("/proc/stat", "re");
	long long seconds = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "btime %lld", &seconds) == 1)
			break;
	if (f)
		fclose(f);
	return (int64_t)seconds * 1000000000;
}

void registry_last_end(struct registry *registry, struct last_end *ret)
{
	struct store *store = registry->deps.intake->store;
	char now[CLOCK_BOOT_ID_SIZE], before[CLOCK_BOOT_ID_SIZE] = "", clean[8] = "1";
	struct stat st;

	store_meta_get(store, "clean_stop", clean, sizeof(clean));
	store_meta_get(store, "boot_id", before, sizeof(before));
	*ret = (struct last_end){.is_clean = !strcmp(clean, "1"),
				 .slack_ns = INT64_C(2000000) * TOUCH_BUSY_MS};
	if (fstat(registry->alive_fd, &st) == 0)
		ret->end_ns = stat_mtime_ns(&st);
	/* Another boot: the sign of life may have been lost with the power, and what was written
	 * before this boot may never have reached the disk. */
	clock_boot_id(now);
	if (!ret->is_clean && strcmp(now, before) != 0 && boot_time_ns() > ret->end_ns)
		ret->end_ns = boot_time_ns();
}

int registry_begin_life(struct registry *registry, struct error *e)
{
	struct store *store = registry->deps.intake->store;
	char boot_id[CLOCK_BOOT_ID_SIZE];
	int r;

	clock_boot_id(boot_id);
	r = store_meta_set(store, "boot_id", boot_id);
	if (r == 0)
		r = store_meta_set(store, "clean_stop", "0");
	if (r < 0)
		return error_from_errno(e, r, "writing to database %s",
					registry->deps.intake->settings->database);
	atomic_store(&registry->is_alive_noted, true);
	registry_touch(registry);
	return 0;
}

/* ---- rows ---- */

int registry_apply(struct registry *registry, const struct due *due, bool is_synced)
{
	auto_free struct upload_change *changes = NULL;
	int64_t now = clock_wall_ms(registry->deps.intake->clock);

	if (!due->n_changes)
		return 0;
	changes = calloc(due->n_changes, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < due->n_changes; i++) {
		const struct due_change *c = &due->changes[i];

		changes[i] = (struct upload_change){
			.kind = c->kind,
			.row = {c->path, c->size, c->mtime_ns, c->state, now},
			.new_path = c->new_path,
		};
	}
	return store_uploads_apply(registry->deps.intake->store, changes, due->n_changes,
				   is_synced);
}

/* ---- syncs ---- */

/* For want of these nothing is wrong with the file: its sync is made later. */
static bool is_want(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

/* Whether a name still means this inode: 1, 0, or what is wanting to say so. */
static int path_is(int root_fd, const char *path, const struct due_sync *sync)
{
	auto_fd int fd = -1;
	struct stat st;
	int r = file_open_beneath(root_fd, path, O_PATH | O_NOFOLLOW, 0, &fd);

	if (r < 0)
		return is_want(r) ? r : 0;
	return fstat(fd, &st) == 0 && st.st_dev == sync->dev && st.st_ino == sync->ino;
}

static int sync_open(int root_fd, struct due_sync *sync)
{
	for (size_t i = 0; i < sync->n_paths && sync->fd < 0; i++) {
		int flags = O_NONBLOCK | O_NOCTTY;
		int r = path_is(root_fd, sync->paths[i], sync);

		if (r > 0)
			r = file_open_beneath(root_fd, sync->paths[i], O_RDONLY | flags, 0,
					      &sync->fd);
		if (r == -EACCES) /* a file that its owner, as whom we run, may only write */
			r = file_open_beneath(root_fd, sync->paths[i], O_WRONLY | flags, 0,
					      &sync->fd);
		if (is_want(r))
			return r;
	}
	if (sync->fd < 0)
		return -ENOENT; /* its names are gone, and nobody waits for it */
	if (fstat(sync->fd, &sync->st) < 0)
		return -errno;
	return sync->st.st_ino == sync->ino && sync->st.st_dev == sync->dev ? 0 : -ENOENT;
}

static void sync_file(struct registry *registry, struct due_sync *sync, bool is_synced_already)
{
	sync->result = sync_open(registry->deps.root_fd, sync);
	if (sync->result == 0 && !is_synced_already && fsync(sync->fd) < 0)
		sync->result = -errno;
	/* After the sync: this is what the row says, and what the next start compares. */
	if (sync->result == 0 && fstat(sync->fd, &sync->st) < 0)
		sync->result = -errno;
}

static int sync_dir(int root_fd, const char *dir)
{
	auto_fd int fd = -1;
	int r = file_open_beneath(root_fd, dir, O_RDONLY | O_DIRECTORY, 0, &fd);

	if (r == -ENOENT ||
	    r == -ENOTDIR) /* gone or renamed meanwhile: then so are the names in it */
		return 0;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static bool list_has(char **list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

struct dir_list {
	char **dirs; /* owned */
	size_t n, cap;
};

static void dir_list_finish(struct dir_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->dirs[i]);
	free(list->dirs);
}

/* The directory of a path and all above it, for a new directory's name is one more thing to sync.
 */
static int dir_list_add_parents(struct dir_list *list, const char *path)
{
	auto_free char *dir = strdup(path);

	for (; dir;) {
		char *slash = strrchr(dir, '/');
		char *copy;

		if (slash)
			*slash = '\0';
		copy = strdup(slash ? dir : ".");
		if (!copy)
			return -ENOMEM;
		if (list_has(list->dirs, list->n, copy)) {
			free(copy);
			return 0;
		}
		if (list->n == list->cap) {
			size_t cap = list->cap ? list->cap * 2 : 16;
			char **dirs = reallocarray(list->dirs, cap, sizeof(*dirs));

			if (!dirs) {
				free(copy);
				return -ENOMEM;
			}
			list->dirs = dirs;
			list->cap = cap;
		}
		list->dirs[list->n++] = copy;
		if (!slash)
			return 0;
	}
	return -ENOMEM;
}

/* @param done  the volume whose directories are synced already, or NULL */
static int sync_dirs(struct registry *registry, const struct due *due, const dev_t *done)
{
	__attribute__((cleanup(dir_list_finish))) struct dir_list list = {0};
	int r = 0;

	for (size_t i = 0; i < due->n_syncs && r == 0; i++)
		for (size_t k = 0; (!done || due->syncs[i].dev != *done) &&
				   k < due->syncs[i].n_paths && r == 0;
		     k++)
			r = dir_list_add_parents(&list, due->syncs[i].paths[k]);
	for (size_t i = 0; i < list.n && r == 0; i++)
		r = sync_dir(registry->deps.root_fd, list.dirs[i]);
	return r;
}

static void sync_all(struct registry *registry, struct due *due)
{
	struct stat root;
	/* Of the volume of incoming/ alone: another may be mounted below it. */
	bool is_whole = due->n_syncs >= SYNCFS_FROM && fstat(registry->deps.root_fd, &root) == 0 &&
			syncfs(registry->deps.root_fd) == 0;
	int r;

	hook_reach("upload-before-sync");
	for (size_t i = 0; i < due->n_syncs; i++)
		sync_file(registry, &due->syncs[i], is_whole && due->syncs[i].dev == root.st_dev);
	r = sync_dirs(registry, due, is_whole ? &root.st_dev : NULL);
	for (size_t i = 0; i < due->n_syncs && r < 0; i++)
		if (due->syncs[i].result == 0)
			due->syncs[i].result = r;
}

/* The rows of what was synced, one for each name that is still it. */
static int add_rows(struct registry *registry, struct due *due)
{
	for (size_t i = 0; i < due->n_syncs; i++) {
		struct due_sync *sync = &due->syncs[i];
		bool is_whole = sync->result == 0 && !sync->is_incomplete;

		if (sync->result == -ENOENT || is_want(sync->result))
			continue;
		for (size_t k = 0; k < sync->n_paths; k++) {
			int r = path_is(registry->deps.root_fd, sync->paths[k], sync);

			if (r > 0)
				r = due_add(due, UPLOAD_PUT, sync->paths[k], NULL,
					    is_whole ? UPLOAD_COMPLETE : UPLOAD_INCOMPLETE_STATE,
					    &sync->st);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Whether the disk has refused it: something may be lost, and no later sync would tell. */
static bool is_refused(const struct due_sync *sync)
{
	return sync->result < 0 && sync->result != -ENOENT && !is_want(sync->result);
}

/* Whether or not its row can be written, and whatever has happened to the upload meanwhile. */
static void tell_refused(struct registry *registry, const struct due_sync *sync)
{
	const char *name = sync->n_paths ? sync->paths[0] : "(unlinked)";
	char message[ERROR_MESSAGE_SIZE];

	uploads_sync_refused(registry->deps.uploads, sync);
	snprintf(message, sizeof(message), "upload '%.300s' cannot be synced to disk: %s", name,
		 strerrordesc_np(-sync->result));
	log_error("%s", message);
	engine_source_failed(registry->deps.intake->engine, sync->dev, sync->ino, SC_IO_ERROR,
			     message);
}

/* The rows are written: the engine hears of it. */
static void tell_engine(struct registry *registry, const struct due_sync *sync)
{
	if (sync->result == 0 && !sync->is_incomplete)
		engine_source_ready(registry->deps.intake->engine, sync->dev, sync->ino,
				    sync->st.st_size, stat_mtime_ns(&sync->st));
}

/* The requests that have started a job of it know it by its times, which have been set. Before it is
 * settled: then what is written down is right, or uploads_only_touched() says so. */
static void note_times(struct registry *registry, struct due_sync *sync)
{
	int r;

	sync->is_told = true;
	if (sync->result < 0 || sync->is_incomplete || sync->written_ns == UPLOAD_WRITTEN_UNKNOWN ||
	    sync->written_ns == stat_mtime_ns(&sync->st))
		return;
	r = store_sidecar_touched(registry->deps.intake->store, sync->ino, sync->st.st_size,
				  sync->written_ns, stat_mtime_ns(&sync->st));
	if (r < 0)
		log_error_with(r, "noting new times of an upload");
}

/* A request may lie beside it and wait, or have been carried out for what it was before. */
static void tell_sidecars(struct registry *registry, const struct due_sync *sync)
{
	const struct registry_listener *listener = &registry->deps.listener;

	if (sync->result < 0 || sync->is_incomplete)
		return;
	for (size_t i = 0; i < sync->n_paths && sync->is_anew; i++)
		listener->upload_complete(listener->context, sync->paths[i]);
}

/* Do what is due. @return 0, or why it is to be tried again later */
static int registry_turn(struct registry *registry)
{
	struct uploads *uploads = registry->deps.uploads;
	auto_due struct due due = {0};
	int r;

	uploads_take(uploads, SYNCS_AT_ONCE, &due);
	if (!due.n_changes && !due.n_syncs)
		return 0;
	if (due.n_syncs)
		sync_all(registry, &due);
	for (size_t i = 0; i < due.n_syncs; i++)
		if (is_refused(&due.syncs[i]))
			tell_refused(registry, &due.syncs[i]);
	r = add_rows(registry, &due);
	if (r == 0)
		r = registry_apply(registry, &due, due.n_syncs > 0);
	if (r < 0) {
		if (r != registry->last_error)
			log_error_with(r, "writing rows of uploads; trying again");
		registry->last_error = r;
		for (size_t i = 0; i < due.n_syncs; i++)
			uploads_sync_failed(uploads, &due.syncs[i]);
		uploads_give_back(uploads, &due);
		return r;
	}
	if (registry->last_error)
		log_info("rows of uploads are written again");
	registry->last_error = 0;
	for (size_t i = 0; i < due.n_syncs; i++) {
		struct due_sync *sync = &due.syncs[i];

		if (is_want(sync->result)) {
			r = sync->result;
			uploads_sync_failed(uploads, sync);
			continue;
		}
		if (uploads_is_current(uploads, sync))
			note_times(registry, sync);
		if (uploads_synced(uploads, sync)) {
			tell_engine(registry, sync);
			tell_sidecars(registry, sync);
		}
	}
	return r < 0 ? r : due.n_changes || due.n_syncs ? 1 : 0;
}

/* ---- the thread ---- */

/* One upload is noted at once. Where many come in a row, a transaction shall have more than one of
   them: it takes the processor from those who write. */
static void gather(struct registry *registry, int64_t *worked_at_ms)
{
	int64_t now = clock_monotonic_ms(registry->deps.intake->clock);
	bool is_busy = now - *worked_at_ms < BUSY_MS;

	*worked_at_ms = now;
	if (is_busy)
		uploads_wait(registry->deps.uploads, GATHER_MS, true);
}

static void *registry_run(void *arg)
{
	struct registry *registry = arg;
	struct expiry expiry = {0};
	int64_t retry_ms = 0, worked_at_ms = 0;

	while (!atomic_load(&registry->is_stopping)) {
		int64_t look_ms, wait_ms;
		int r;

		registry_touch(registry);
		r = registry_turn(registry);
		if (r > 0)
			gather(registry, &worked_at_ms);
		retry_ms = r < 0 ? (retry_ms ? retry_ms * 2 : TOUCH_BUSY_MS) : 0;
		if (retry_ms > RETRY_MAX_MS)
			retry_ms = RETRY_MAX_MS;
		look_ms = watches_tick(registry->deps.watches);
		wait_ms = uploads_open_count(registry->deps.uploads) || r < 0 ? TOUCH_BUSY_MS
									      : TOUCH_IDLE_MS;
		if (expiry_turn(&expiry, &registry->deps) && wait_ms > TOUCH_BUSY_MS)
			wait_ms = TOUCH_BUSY_MS;
		if (look_ms >= 0 && look_ms < wait_ms)
			wait_ms = look_ms;
		if (r < 0 && retry_ms > wait_ms)
			wait_ms = retry_ms;
		uploads_wait(registry->deps.uploads, wait_ms, r < 0);
	}
	expiry_finish(&expiry);
	return NULL;
}

int registry_start(struct registry *registry, struct error *e)
{
	int r = thread_start(&registry->thread, "registry", registry_run, registry);

	if (r < 0)
		return error_from_errno(e, r, "starting the registry thread");
	registry->is_started = true;
	return 0;
}

/* ---- the end ---- */

static void note_open(void *context, const char *path)
{
	/* Their size is not final while the mount is up; the next start compares nothing with it,
	 * for a row that is not `complete` and whose file was written before the end stays so. */
	due_add(context, UPLOAD_PUT, path, NULL, UPLOAD_OPEN, NULL);
}

static void registry_finish_rows(struct registry *registry)
{
	auto_due struct due open = {0};
	int64_t until_ms = clock_monotonic_ms(registry->deps.intake->clock) + STOP_MS;
	int r = 1;

	while (r > 0 || (r < 0 && clock_monotonic_ms(registry->deps.intake->clock) < until_ms)) {
		r = registry_turn(registry);
		if (r < 0)
			uploads_wait(registry->deps.uploads, TOUCH_BUSY_MS, true);
	}
	uploads_each_open(registry->deps.uploads, note_open, &open);
	if (r == 0)
		r = registry_apply(registry, &open, true);
	if (r == 0) {
		registry_touch(registry);
		r = store_meta_set(registry->deps.intake->store, "clean_stop", "1");
	}
	if (r < 0)
		log_error_with(r,
			       "writing the last rows of uploads; the next start will check them");
}

void registry_stop(struct registry *registry)
{
	if (registry->is_started) {
		atomic_store(&registry->is_stopping, true);
		uploads_wake(registry->deps.uploads);
		pthread_join(registry->thread, NULL);
		registry->is_started = false;
	}
	if (atomic_load(&registry->is_alive_noted))
		registry_finish_rows(registry);
	atomic_store(&registry->is_alive_noted, false);
}

int registry_create(const struct registry_deps *deps, struct error *e, struct registry **ret)
{
	const char *root = deps->intake->settings->root;
	auto_of(registry) struct registry *registry = calloc(1, sizeof(*registry));
	auto_free char *path = NULL;

	if (!registry)
		return error_from_errno(e, -ENOMEM, "starting the registry of uploads");
	registry->deps = *deps;
	registry->alive_fd = -1;
	if (asprintf(&path, "%s/%s", root, ALIVE_FILE) < 0)
		return error_from_errno(e, -ENOMEM, "starting the registry of uploads");
	registry->alive_fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (registry->alive_fd < 0)
		return error_from_errno(e, -errno, "opening %s", path);
	*ret = take_ptr(registry);
	return 0;
}

void registry_destroy(struct registry *registry)
{
	if (!registry)
		return;
	if (registry->alive_fd >= 0)
		close(registry->alive_fd);
	free(registry);
}
