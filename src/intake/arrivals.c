/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arrivals behind the mount. An event only says where to look; what is true is asked of the
 * directory, the registry and its rows, and only where they disagree something is done. So events
 * of the mount's own doings, late ones and doubled ones do no harm, and a look at everything does
 * what lost events would have done: when the kernel's queue overflows, and from time to time where
 * it grants no more watches. The directories watched belong to the thread alone (to the main thread
 * before its start).
 */
#include "arrivals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "names.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "storyclip/common/sync.h"

#define BUCKETS       1024
#define DEPTH_MAX     128
#define EVENTS_SIZE   65536
#define EVENT_MAX     ((ssize_t)sizeof(struct inotify_event) + NAME_MAX + 1)
#define SETTLE_MS     20 /* the mount's own news come first to the registry, and doubles become one */
#define RESCAN_MIN_MS 1000
#define RESCAN_MS     5000 /* without watches */
#define RESCAN_SHARE  20   /* … and at most every 20th part of the time is spent on it */
#define EVENTS                                                                               \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR | \
	 IN_EXCL_UNLINK)

/* A directory that is watched. */
struct watched {
	struct watched *next; /* in its bucket */
	int wd;
	char *path; /* below incoming/; "" is incoming/ itself */
};

struct arrivals {
	struct registry_deps deps;
	pthread_t thread;
	bool is_started;
	atomic_bool is_stopping;
	int wake_fd;
	int inotify_fd; /* -1: none is to be had */
	struct watched *buckets[BUCKETS];
	bool must_rescan;
	int64_t rescan_at_ms; /* not earlier */
	/* for health */
	atomic_int problem; /* errno of the watch that was refused, 0: none */
	atomic_uint n_watched;
};

/* ---- watched directories ---- */

static struct watched **find_watched(struct arrivals *a, int wd)
{
	struct watched **at = &a->buckets[(unsigned int)wd % BUCKETS];

	while (*at && (*at)->wd != wd)
		at = &(*at)->next;
	return at;
}

static void forget_watched(struct arrivals *a, struct watched **at)
{
	struct watched *w = *at;

	*at = w->next;
	free(w->path);
	free(w);
	atomic_fetch_sub(&a->n_watched, 1);
}

static void forget_all_watched(struct arrivals *a)
{
	for (size_t b = 0; b < BUCKETS; b++)
		while (a->buckets[b])
			forget_watched(a, &a->buckets[b]);
}

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (path[len] == '/' || !path[len]);
}

/* A directory has gone from here, and all in it. */
static void unwatch(struct arrivals *a, const char *dir)
{
	for (size_t b = 0; b < BUCKETS; b++) {
		struct watched **at = &a->buckets[b];

		while (*at) {
			if (!is_at_or_below((*at)->path, dir)) {
				at = &(*at)->next;
				continue;
			}
			inotify_rm_watch(a->inotify_fd, (*at)->wd);
			forget_watched(a, at);
		}
	}
}

static void watch_refused(struct arrivals *a, int err)
{
	if (!atomic_exchange(&a->problem, err))
		log_warning(
			"uploads put into %s behind the mount are looked for from time to time: "
			"the kernel grants no more inotify watches (%s, %u directories are "
			"watched)",
			a->deps.intake->settings->upload_tmp_dir, strerrordesc_np(err),
			atomic_load(&a->n_watched));
	a->must_rescan = true;
}

static void watch_dir(struct arrivals *a, int dir_fd, const char *path)
{
	struct watched **at, *w;
	char proc[32], *copy;
	int wd;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dir_fd);
	wd = a->inotify_fd < 0 ? -1 : inotify_add_watch(a->inotify_fd, proc, EVENTS);
	if (wd < 0) {
		if (a->inotify_fd >= 0)
			watch_refused(a, errno);
		return;
	}
	copy = strdup(path);
	at = find_watched(a, wd);
	w = *at ? *at : calloc(1, sizeof(*w));
	if (!copy || !w) {
		free(copy);
		if (w != *at)
			free(w);
		watch_refused(a, ENOMEM);
		return;
	}
	free(w->path); /* it has moved */
	w->path = copy;
	if (*at)
		return;
	w->wd = wd;
	*at = w;
	atomic_fetch_add(&a->n_watched, 1);
}

/* ---- looking at one file ---- */

static bool is_there(struct arrivals *a, const char *path, struct stat *ret)
{
	auto_fd int fd = -1;

	return file_open_beneath(a->deps.root_fd, path, O_PATH | O_NOFOLLOW, 0, &fd) == 0 &&
	       fstat(fd, ret) == 0;
}

static void gone(struct arrivals *a, const char *path, bool is_dir)
{
	struct upload_row row;
	struct stat st;

	if (!is_dir && store_upload_get(a->deps.intake->store, path, &row) < 0)
		return;
	uploads_unlinked(a->deps.uploads, path);
	/* Back again: its row comes behind the one that was just taken away. */
	if (is_there(a, path, &st) && S_ISREG(st.st_mode))
		uploads_found(a->deps.uploads, st.st_dev, st.st_ino, path);
}

/* Whether the registry knows it as it is. */
static bool is_known(struct arrivals *a, const char *path, const struct stat *st)
{
	enum upload_stage stage = uploads_ask(a->deps.uploads, st, -1);
	struct upload_row row;

	/* Incomplete too: its own last close, heard late, does not make whole what the disk refused. */
	if (stage != UPLOAD_STAGE_QUIET &&
	    uploads_has_name(a->deps.uploads, st->st_dev, st->st_ino, path))
		return true;
	return store_upload_get(a->deps.intake->store, path, &row) == 0 &&
	       row.size == st->st_size && row.mtime_ns == stat_mtime_ns(st) &&
	       row.state == (stage == UPLOAD_STAGE_INCOMPLETE ? UPLOAD_INCOMPLETE_STATE
							      : UPLOAD_COMPLETE);
}

/* Why a file is looked at. */
enum look {
	LOOK_NOT,     /* only directories are */
	LOOK_CLOSED,  /* or everything is looked at */
	LOOK_CHANGED, /* moved, removed */
	LOOK_CREATED, /* only a second name is news; a new file is heard of when it is closed */
	LOOK_MOVED,   /* a directory above it came: a sidecar in it may act only now */
};

static void look_at(struct arrivals *a, const char *path, enum look look)
{
	const struct registry_listener *listener = &a->deps.listener;
	auto_fd int fd = -1;
	struct stat st;

	if (name_is_answer(path_base(path))) /* we write these */
		return;
	if (!is_there(a, path, &st)) {
		gone(a, path, false);
		return;
	}
	if (!S_ISREG(st.st_mode) || (look == LOOK_CREATED && st.st_nlink < 2))
		return;
	if (is_known(a, path, &st)) {
		if (look == LOOK_MOVED && path_is_request(path))
			listener->sidecar_found(listener->context, path, false);
		return;
	}
	/* Somebody still writes it behind the mount: its close will be heard. */
	if (file_open_beneath(a->deps.root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd) <
		    0 ||
	    file_has_writer(fd))
		return;
	if (look == LOOK_CLOSED)
		uploads_rewritten(a->deps.uploads, st.st_dev, st.st_ino, path);
	else
		uploads_found(a->deps.uploads, st.st_dev, st.st_ino, path);
	if (path_is_request(path))
		listener->sidecar_found(listener->context, path, false);
}

/* ---- looking at directories ---- */

static void walk(struct arrivals *a, const char *path, enum look look, unsigned int depth);

static void walk_entry(struct arrivals *a, int dir_fd, const struct dirent *entry, const char *dir,
		       enum look look, unsigned int depth)
{
	const char *name = entry->d_name;
	unsigned char type = entry->d_type;
	auto_free char *path = NULL;
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, "..") || (!*dir && !strcmp(name, INTAKE_HOLD_DIR)))
		return;
	if (type == DT_UNKNOWN) {
		if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return;
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
	}
	if (type != DT_DIR && (type != DT_REG || look == LOOK_NOT))
		return;
	if (asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0) {
		path = NULL;
		return;
	}
	if (type == DT_DIR)
		walk(a, path, look, depth + 1);
	else
		look_at(a, path, look);
}

/* Watch a directory and all below it, and then look what is there. */
static void walk(struct arrivals *a, const char *path, enum look look, unsigned int depth)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (depth > DEPTH_MAX || atomic_load(&a->is_stopping) ||
	    file_open_beneath(a->deps.root_fd, *path ? path : ".",
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd) < 0)
		return;
	watch_dir(a, fd, path);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		walk_entry(a, dirfd(dir), entry, path, look, depth);
	closedir(dir);
}

/* ---- looking at everything ---- */

struct path_list {
	char **paths; /* owned */
	size_t n, cap;
};

static void path_list_finish(struct path_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->paths[i]);
	free(list->paths);
}

static int list_row(void *context, const struct upload_row *row)
{
	struct path_list *list = context;

	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 256;
		char **paths = reallocarray(list->paths, cap, sizeof(*paths));

		if (!paths)
			return -ENOMEM;
		list->paths = paths;
		list->cap = cap;
	}
	list->paths[list->n] = strdup(row->path);
	return list->paths[list->n++] ? 0 : -ENOMEM;
}

/* Rows whose files have gone unheard. */
static void look_for_gone(struct arrivals *a)
{
	__attribute__((cleanup(path_list_finish))) struct path_list list = {0};
	struct stat st;

	if (store_uploads_each(a->deps.intake->store, list_row, &list) < 0)
		return;
	for (size_t i = 0; i < list.n && list.paths[i] && !atomic_load(&a->is_stopping); i++)
		if (!is_there(a, list.paths[i], &st))
			gone(a, list.paths[i], false);
}

/* Begin with a fresh queue and no watches. */
static void inotify_renew(struct arrivals *a)
{
	forget_all_watched(a);
	if (a->inotify_fd >= 0)
		close(a->inotify_fd);
	a->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (a->inotify_fd < 0)
		watch_refused(a, errno);
}

static void rescan(struct arrivals *a)
{
	int64_t began_ms = clock_monotonic_ms(a->deps.intake->clock), took_ms, wait_ms;
	int before = atomic_load(&a->problem); /* the same one again is not logged again */

	a->must_rescan = false;
	inotify_renew(a);
	walk(a, "", LOOK_CLOSED, 0);
	look_for_gone(a);
	if (before && !a->must_rescan) {
		atomic_store(&a->problem, 0);
		log_info("all %u directories of uploads are watched again",
			 atomic_load(&a->n_watched));
	}
	took_ms = clock_monotonic_ms(a->deps.intake->clock) - began_ms;
	wait_ms = a->must_rescan ? RESCAN_MS : RESCAN_MIN_MS;
	if (wait_ms < took_ms * RESCAN_SHARE)
		wait_ms = took_ms * RESCAN_SHARE;
	a->rescan_at_ms = began_ms + took_ms + wait_ms;
}

/* ---- events ---- */

static void dir_event(struct arrivals *a, uint32_t mask, const char *path)
{
	struct stat st;

	if (mask & (IN_CREATE | IN_MOVED_TO)) {
		walk(a, path, LOOK_MOVED, 0);
		return;
	}
	unwatch(a, path);
	if (!is_there(a, path, &st))
		gone(a, path, true);
	else if (S_ISDIR(st.st_mode))
		walk(a, path, LOOK_MOVED, 0); /* another one is there by now */
}

static void handle_event(struct arrivals *a, const struct inotify_event *event)
{
	struct watched **at = find_watched(a, event->wd);
	auto_free char *path = NULL;

	if (event->mask & IN_Q_OVERFLOW) {
		log_warning("more happened in %s than inotify could tell: looking at all of it",
			    a->deps.intake->settings->upload_tmp_dir);
		a->must_rescan = true;
		return;
	}
	if (!*at)
		return;
	if (event->mask & IN_IGNORED) {
		forget_watched(a, at);
		return;
	}
	if (!event->len || !event->name[0] ||
	    (!*(*at)->path && !strcmp(event->name, INTAKE_HOLD_DIR)))
		return;
	if (asprintf(&path, "%s%s%s", (*at)->path, *(*at)->path ? "/" : "", event->name) < 0) {
		path = NULL;
		return;
	}
	if (event->mask & IN_ISDIR)
		dir_event(a, event->mask, path);
	else
		look_at(a, path,
			event->mask & IN_CREATE	       ? LOOK_CREATED
			: event->mask & IN_CLOSE_WRITE ? LOOK_CLOSED
						       : LOOK_CHANGED);
}

/* What has settled; what comes meanwhile settles first, unless there is more than the buffer holds. */
static void read_events(struct arrivals *a)
{
	char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	do {
		const char *p = buffer;

		n = read(a->inotify_fd, buffer, sizeof(buffer));
		while (p < buffer + n) {
			const struct inotify_event *event = (const void *)p;

			handle_event(a, event);
			p += sizeof(*event) + event->len;
		}
	} while (n > (ssize_t)sizeof(buffer) - EVENT_MAX && !a->must_rescan &&
		 !atomic_load(&a->is_stopping));
}

static void *arrivals_run(void *arg)
{
	struct arrivals *a = arg;

	while (!atomic_load(&a->is_stopping)) {
		struct pollfd fds[] = {{.fd = a->wake_fd, .events = POLLIN},
				       {.fd = a->inotify_fd, .events = POLLIN}};
		int64_t wait_ms = a->rescan_at_ms - clock_monotonic_ms(a->deps.intake->clock);

		if (wait_ms < 0)
			wait_ms = 0;
		poll(fds, SC_ARRAY_SIZE(fds), a->must_rescan ? (int)wait_ms : -1);
		if (fds[0].revents)
			break;
		if (fds[1].revents && poll(fds, 1, SETTLE_MS) == 0) {
			hook_reach("watch-before-read");
			read_events(a);
		}
		if (a->must_rescan && clock_monotonic_ms(a->deps.intake->clock) >= a->rescan_at_ms)
			rescan(a);
	}
	return NULL;
}

/* ---- lifetime ---- */

void arrivals_begin(struct arrivals *arrivals)
{
	inotify_renew(arrivals);
	walk(arrivals, "", LOOK_NOT, 0);
	if (arrivals->must_rescan)
		arrivals->rescan_at_ms =
			clock_monotonic_ms(arrivals->deps.intake->clock) + RESCAN_MS;
}

int arrivals_start(struct arrivals *arrivals, struct error *e)
{
	int r = thread_start(&arrivals->thread, "watch", arrivals_run, arrivals);

	if (r < 0)
		return error_from_errno(e, r, "starting the watch of uploads");
	arrivals->is_started = true;
	return 0;
}

void arrivals_stop(struct arrivals *arrivals)
{
	if (!arrivals->is_started)
		return;
	atomic_store(&arrivals->is_stopping, true);
	eventfd_write(arrivals->wake_fd, 1);
	pthread_join(arrivals->thread, NULL);
	arrivals->is_started = false;
}

void arrivals_problem(struct arrivals *arrivals, char message[ERROR_MESSAGE_SIZE])
{
	int problem = atomic_load(&arrivals->problem);

	message[0] = '\0';
	if (problem)
		snprintf(message, ERROR_MESSAGE_SIZE,
			 "inotify: %s (%u directories of uploads are watched): what is put there "
			 "behind the mount is found late; raise fs.inotify.max_user_watches",
			 strerrordesc_np(problem), atomic_load(&arrivals->n_watched));
}

int arrivals_create(const struct registry_deps *deps, struct arrivals **ret)
{
	struct arrivals *arrivals = calloc(1, sizeof(*arrivals));

	if (!arrivals)
		return -ENOMEM;
	arrivals->deps = *deps;
	arrivals->inotify_fd = -1;
	arrivals->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (arrivals->wake_fd < 0) {
		free(arrivals);
		return -errno;
	}
	*ret = arrivals;
	return 0;
}

void arrivals_destroy(struct arrivals *arrivals)
{
	if (!arrivals)
		return;
	arrivals_stop(arrivals);
	forget_all_watched(arrivals);
	if (arrivals->inotify_fd >= 0)
		close(arrivals->inotify_fd);
	close(arrivals->wake_fd);
	free(arrivals);
}
