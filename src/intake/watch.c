/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting uploads, looked at by a timer: under kernel passthrough writes never reach this process,
 * so size and mtime of the file itself are the only sign of life. The list belongs to the registry
 * thread; others only add to `added`, under the lock intake.watch.
 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "storyclip/common/file.h"
#include "storyclip/common/log.h"
#include "storyclip/common/sync.h"

#define LOOK_MIN_MS 100
#define LOOK_MAX_MS 1000

struct watch {
	struct watch *next;
	int fd;
	dev_t dev;
	ino_t ino;
	int64_t size, mtime_ns;
	int64_t since_ms; /* monotonic: when they were last seen to change */
	char *path;
	bool is_outliving;
};

struct watches {
	const struct intake_deps *deps;
	struct uploads *uploads;
	struct watch *list; /* the registry thread's */
	struct lock lock;   /* intake.watch: below */
	struct watch *added;
};

static void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w);
}

SC_DEFINE_AUTO(watch, watch_free)

int watches_create(const struct intake_deps *deps, struct uploads *uploads, struct watches **ret)
{
	struct watches *watches = calloc(1, sizeof(*watches));

	if (!watches)
		return -ENOMEM;
	watches->deps = deps;
	watches->uploads = uploads;
	lock_init(&watches->lock);
	*ret = watches;
	return 0;
}

static void list_free(struct watch *list)
{
	while (list) {
		struct watch *next = list->next;

		watch_free(list);
		list = next;
	}
}

void watches_destroy(struct watches *watches)
{
	if (!watches)
		return;
	list_free(watches->list);
	list_free(watches->added);
	lock_finish(&watches->lock);
	free(watches);
}

static void add(struct watches *watches, int fd, const struct stat *st, const char *path,
		bool is_outliving)
{
	auto_of(watch) struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		goto failed;
	*w = (struct watch){
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3),
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime_ns = stat_mtime_ns(st),
		.since_ms = clock_monotonic_ms(watches->deps->clock),
		.path = strdup(path),
		.is_outliving = is_outliving,
	};
	if (w->fd < 0 || !w->path)
		goto failed;
	lock_acquire(&watches->lock);
	w->next = watches->added;
	watches->added = take_ptr(w);
	lock_release(&watches->lock);
	return;
failed:
	/* The job waits for the writer's close without a bound; nothing is lost. */
	log_warning("cannot watch upload '%s' for its next byte", path);
}

void watches_add(struct watches *watches, int fd, const struct stat *st, const char *path)
{
	add(watches, fd, st, path, false);
}

void watches_add_outliving(struct watches *watches, int fd, const struct stat *st, const char *path)
{
	add(watches, fd, st, path, true);
}

static bool list_has(const struct watch *list, const struct watch *w)
{
	for (; list; list = list->next)
		if (list->ino == w->ino && list->dev == w->dev &&
		    list->is_outliving == w->is_outliving)
			return true;
	return false;
}

/* Each file is watched once, however many jobs wait for it. */
static void take_added(struct watches *watches)
{
	struct watch *added, *next;

	lock_acquire(&watches->lock);
	added = watches->added;
	watches->added = NULL;
	lock_release(&watches->lock);
	for (; added; added = next) {
		next = added->next;
		if (list_has(watches->list, added)) {
			watch_free(added);
			continue;
		}
		added->next = watches->list;
		watches->list = added;
	}
}

static void fail_busy(struct watches *watches, const struct watch *w, int64_t waited_ms)
{
	char message[ERROR_MESSAGE_SIZE];

	snprintf(message, sizeof(message),
		 "upload '%.300s' is still open for writing and got no byte for %lld s", w->path,
		 (long long)(waited_ms / 1000));
	log_warning("%s", message);
	engine_source_failed(watches->deps->engine, w->dev, w->ino, SC_UPLOAD_BUSY, message);
}

/* @return whether it is to be watched any longer */
static bool watch_look(struct watches *watches, struct watch *w)
{
	int64_t now = clock_monotonic_ms(watches->deps->clock);
	struct stat st;

	if (w->is_outliving) {
		if (file_has_writer(w->fd))
			return true;
		uploads_closed(watches->uploads, w->dev, w->ino, w->path, w->fd,
			       engine_source_links(watches->deps->engine, w->dev, w->ino) > 0);
		return false;
	}
	if (!uploads_has_writer(watches->uploads, w->dev, w->ino) ||
	    !engine_source_is_awaited(watches->deps->engine, w->dev, w->ino))
		return false;
	if (fstat(w->fd, &st) == 0 &&
	    (st.st_size != w->size || stat_mtime_ns(&st) != w->mtime_ns)) {
		w->size = st.st_size;
		w->mtime_ns = stat_mtime_ns(&st);
		w->since_ms = now;
		return true;
	}
	if (now - w->since_ms < watches->deps->settings->upload_wait_ms)
		return true;
	fail_busy(watches, w, now - w->since_ms);
	return false;
}

int64_t watches_tick(struct watches *watches)
{
	int64_t look_ms = watches->deps->settings->upload_wait_ms / 5;

	take_added(watches);
	for (struct watch **at = &watches->list; *at;) {
		struct watch *w = *at;

		if (watch_look(watches, w)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		watch_free(w);
	}
	if (!watches->list)
		return -1;
	if (look_ms < LOOK_MIN_MS)
		return LOOK_MIN_MS;
	return look_ms < LOOK_MAX_MS ? look_ms : LOOK_MAX_MS;
}
