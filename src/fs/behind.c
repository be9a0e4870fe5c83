/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes behind the mount: see behind.h. The thread `fuse-behind`, and handler threads. */
#include "behind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "fs_state.h"
#include "incoming_node.h"
#include "storyclip/common/log.h"

#define EVENTS                                                                                 \
	(IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |      \
	 IN_MOVED_TO | IN_ONLYDIR | IN_EXCL_UNLINK)
#define NAME_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

/* While much happens, mostly by the mount itself, it is read ever more seldom: each wake-up takes the
   processor from those who write. */
#define PAUSE_FIRST_MS 1
#define PAUSE_MAX_MS   16
#define EVENTS_SIZE    65536
#define EVENT_MAX      ((ssize_t)sizeof(struct inotify_event) + NAME_MAX + 1)
#define QUIET_MS       200 /* after that the first event is read at once again */

/* struct behind_node.told */
#define TOLD_NOTHING 0  /* the kernel has nothing that could be wrong */
#define TOLD_ASKED   -1 /* just being answered */
#define TOLD_ANY     -2 /* told, but another change may have the same ctime */
#define SAME_TIME_NS INT64_C(20000000)

/* ---- what the kernel is told ---- */

/** One thing to tell, in the notify thread's queue. */
struct telling {
	struct notify_item item;
	struct inc_node *node; /* a reference: the directory of the name, or whose attributes */
	char name[];           /* "": attributes */
};

static void run_telling(struct fs *fs, struct notify_item *item)
{
	struct telling *t = NOTIFY_OWNER(item, struct telling, item);

	if (*t->name)
		notify_expire(fs, &t->node->node, t->name);
	else
		notify_inval_attributes(fs, &t->node->node);
	inc_unuse(fs, t->node);
	free(t);
}

/* Without memory the kernel finds out when the time is up. */
static void tell(struct fs *fs, struct inc_node *node, const char *name)
{
	size_t size = strlen(name) + 1;
	struct telling *t = malloc(sizeof(*t) + size);

	if (!t)
		return;
	*t = (struct telling){.item = {.run = run_telling}, .node = node};
	memcpy(t->name, name, size);
	node_ref(fs, &node->node);
	notify_then(fs, &t->item);
}

void behind_tell_name(struct fs *fs, struct inc_node *dir, const char *name)
{
	tell(fs, dir, name);
}

/* ---- claims ---- */

static struct inc_node **name_bucket(struct fs *fs, const struct node *dir, const char *name)
{
	uint64_t h = (uintptr_t)dir * UINT64_C(0x9e3779b97f4a7c15);

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return &fs->behind.by_name[(h >> 24) % BEHIND_NAMES];
}

void behind_claim_locked(struct fs *fs, struct inc_node *node)
{
	struct inc_node **bucket;

	if (node->behind.has_claim || !node->name || fs->behind.inotify_fd < 0)
		return;
	bucket = name_bucket(fs, node->node.parent, node->name);
	node->behind.name_next = *bucket;
	node->behind.has_claim = true;
	*bucket = node;
}

void behind_unclaim_locked(struct fs *fs, struct inc_node *node)
{
	struct inc_node **at;

	if (!node->behind.has_claim)
		return;
	at = name_bucket(fs, node->node.parent, node->name);
	while (*at != node)
		at = &(*at)->behind.name_next;
	*at = node->behind.name_next;
	node->behind.has_claim = false;
}

static bool is_named_locked(const struct inc_node *node, const struct inc_node *dir, const char *name)
{
	return node->name && node->node.parent == &dir->node && !strcmp(node->name, name);
}

/* A node that claims this name, other than `but`, with a reference. */
static struct inc_node *claimant(struct fs *fs, struct inc_node *dir, const char *name,
				 const struct inc_node *but)
{
	struct inc_node *node;

	lock_acquire(&fs->tree.lock);
	node = *name_bucket(fs, &dir->node, name);
	while (node && (node == but || !is_named_locked(node, dir, name)))
		node = node->behind.name_next;
	if (node)
		node->node.refs++;
	lock_release(&fs->tree.lock);
	return node;
}

/* ---- watches ---- */

static struct inc_node **wd_bucket(struct fs *fs, int wd)
{
	return &fs->behind.by_wd[(unsigned int)wd % BEHIND_WATCHES];
}

static void unwatch_locked(struct fs *fs, struct inc_node *dir)
{
	struct inc_node **at = wd_bucket(fs, dir->behind.wd);

	while (*at && *at != dir)
		at = &(*at)->behind.wd_next;
	if (*at)
		*at = dir->behind.wd_next;
	dir->behind.wd = 0;
}

void behind_detach_locked(struct fs *fs, struct inc_node *node)
{
	int wd = node->behind.wd;

	behind_unclaim_locked(fs, node);
	if (wd <= 0)
		return;
	unwatch_locked(fs, node);
	node->behind.wd = wd; /* for behind_forget() */
}

void behind_forget(struct fs *fs, struct inc_node *node)
{
	if (node->behind.wd > 0 && fs->behind.inotify_fd >= 0)
		inotify_rm_watch(fs->behind.inotify_fd, node->behind.wd);
}

/* Watch a directory, unless it is already. @return whether it is */
static bool watch(struct fs *fs, struct inc_node *dir)
{
	int wd;

	lock_acquire(&fs->tree.lock);
	wd = dir->behind.wd;
	lock_release(&fs->tree.lock);
	if (wd || fs->behind.inotify_fd < 0)
		return wd > 0;
	wd = inotify_add_watch(fs->behind.inotify_fd, inc_proc_path(dir->fd).path, EVENTS);
	lock_acquire(&fs->tree.lock);
	if (!dir->behind.wd) {
		dir->behind.wd = wd > 0 ? wd : -1;
		if (wd > 0) {
			dir->behind.wd_next = *wd_bucket(fs, wd);
			*wd_bucket(fs, wd) = dir;
		}
	}
	lock_release(&fs->tree.lock);
	return wd > 0;
}

static struct inc_node *watched_dir(struct fs *fs, int wd)
{
	struct inc_node *dir;

	lock_acquire(&fs->tree.lock);
	for (dir = *wd_bucket(fs, wd); dir && dir->behind.wd != wd;)
		dir = dir->behind.wd_next;
	if (dir)
		dir->node.refs++;
	lock_release(&fs->tree.lock);
	return dir;
}

/* ---- what handlers ask ---- */

double behind_name_timeout(struct fs *fs, struct inc_node *dir, const char *name,
			   struct inc_node *node)
{
	struct stat st;

	if (inc_is_foreign(&fs->incoming, dir) || inc_is_foreign(&fs->incoming, node) ||
	    !watch(fs, dir))
		return TIMEOUT_NONE;
	/* The rename to a request's name may be done and yet be an error; its answer is put there by this
	   process and read in the same moment. */
	if (intake_is_sidecar(name) || intake_is_answer(name))
		return TIMEOUT_NONE;
	/* The name was claimed before it was watched: what has changed by now was perhaps not heard. */
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != node->ino ||
	    st.st_dev != node->dev)
		return TIMEOUT_NONE;
	return TIMEOUT_WATCHED;
}

bool behind_attributes_begin(struct fs *fs, struct inc_node *node)
{
	bool is_watched = false;

	if (fs->behind.inotify_fd < 0 || inc_is_foreign(&fs->incoming, node))
		return false;
	lock_acquire(&fs->tree.lock);
	if (node->type == S_IFDIR)
		is_watched = node->behind.wd > 0;
	else if (node->behind.has_claim)
		is_watched = inc_of(node->node.parent)->behind.wd > 0;
	lock_release(&fs->tree.lock);
	if (is_watched)
		atomic_store(&node->behind.told, TOLD_ASKED);
	return is_watched;
}

static int64_t ctime_ns(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static int64_t as_told(struct fs *fs, const struct inc_node *node, const struct stat *st)
{
	struct timespec now;

	if (fs->behind.has_fine_times)
		return ctime_ns(st);
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - ctime_ns(st) < SAME_TIME_NS
		       ? TOLD_ANY
		       : ctime_ns(st);
}

double behind_attributes_timeout(struct fs *fs, struct inc_node *node, bool is_watched,
				 const struct stat *st)
{
	long long asked = TOLD_ASKED;

	/* Other links may be made and removed unheard, those of jobs above all. */
	if (!is_watched || (node->type == S_IFREG && st->st_nlink > 1))
		return TIMEOUT_NONE;
	if (!atomic_compare_exchange_strong(&node->behind.told, &asked, as_told(fs, node, st)))
		return TIMEOUT_NONE; /* it has changed meanwhile, or somebody else is answered */
	return TIMEOUT_WATCHED;
}

/* The next directory or file of a path below another, as far as the kernel may know it; takes over the
   reference of dir. */
static struct inc_node *claimed_child(struct fs *fs, struct inc_node *dir, const char *name)
{
	struct inc_node *child = claimant(fs, dir, name, NULL);

	node_unref(fs, &dir->node);
	return child;
}

void behind_removed(struct fs *fs, const char *path)
{
	auto_free char *copy = strdup(path);
	struct inc_node *dir = fs->incoming.root;
	char *rest = copy, *slash;

	if (!copy)
		return;
	node_ref(fs, &dir->node);
	while (dir && (slash = strchr(rest, '/'))) {
		*slash = '\0';
		dir = claimed_child(fs, dir, rest);
		rest = slash + 1;
	}
	if (!dir)
		return;
	tell(fs, dir, rest);
	node_unref(fs, &dir->node);
}

/* ---- events ---- */

static void look_at_attributes(struct fs *fs, struct inc_node *node, const struct stat *st)
{
	long long told = atomic_load(&node->behind.told);

	if (told == TOLD_NOTHING || told == ctime_ns(st))
		return;
	atomic_store(&node->behind.told, TOLD_NOTHING);
	tell(fs, node, "");
}

/* It does not lead to this node any more. */
static void tell_gone(struct fs *fs, struct inc_node *dir, const char *name, struct inc_node *node)
{
	lock_acquire(&fs->tree.lock);
	/* A rename through the mount may have given it another name by now: that claim stands. */
	if (is_named_locked(node, dir, name))
		behind_unclaim_locked(fs, node);
	lock_release(&fs->tree.lock);
	tell(fs, dir, name);
	/* It has a link less, and another ctime. */
	atomic_store(&node->behind.told, TOLD_NOTHING);
	tell(fs, node, "");
}

static void look_at_name(struct fs *fs, struct inc_node *dir, const char *name)
{
	struct inc_node *node = claimant(fs, dir, name, NULL), *next;
	struct stat st = {0};

	if (!node)
		return;
	fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW); /* gone: no inode is 0 */
	for (; node; node = next) {
		if (st.st_ino == node->ino && st.st_dev == node->dev)
			look_at_attributes(fs, node, &st);
		else
			tell_gone(fs, dir, name, node);
		next = claimant(fs, dir, name, node);
		inc_unuse(fs, node);
	}
}

/* The node that stands first in a bucket gives up its claim. @return false: there is none */
static bool tell_first_of(struct fs *fs, size_t bucket)
{
	struct inc_node *node, *dir = NULL;
	auto_free char *name = NULL;

	lock_acquire(&fs->tree.lock);
	node = fs->behind.by_name[bucket];
	if (node) {
		node->node.refs++;
		dir = inc_of(node->node.parent);
		dir->node.refs++;
		name = strdup(node->name);
		behind_unclaim_locked(fs, node); /* here, so that each is taken once */
	}
	lock_release(&fs->tree.lock);
	if (!node)
		return false;
	tell_gone(fs, dir, name ? name : "", node);
	inc_unuse(fs, node);
	node_unref(fs, &dir->node);
	return true;
}

/* Events were lost: everything the kernel may know is asked anew. */
static void tell_everything(struct fs *fs)
{
	for (size_t b = 0; b < BEHIND_NAMES; b++)
		while (tell_first_of(fs, b))
			;
	tell(fs, fs->incoming.root, "");
}

/* The watch has gone, with its directory or (of a node before this one) without. */
static void watch_gone(struct fs *fs, struct inc_node *dir, int wd)
{
	struct stat st;

	lock_acquire(&fs->tree.lock);
	if (dir->behind.wd == wd)
		unwatch_locked(fs, dir);
	lock_release(&fs->tree.lock);
	if (fstat(dir->fd, &st) == 0 && st.st_nlink)
		tell_everything(fs);
}

static void handle_event(struct fs *fs, const struct inotify_event *event)
{
	struct inc_node *dir;

	if (event->mask & IN_Q_OVERFLOW) {
		tell_everything(fs);
		return;
	}
	dir = watched_dir(fs, event->wd);
	if (!dir)
		return;
	if (event->mask & IN_IGNORED)
		watch_gone(fs, dir, event->wd);
	if (event->len)
		look_at_name(fs, dir, event->name);
	node_unref(fs, &dir->node);
}

static void look_at_dir(struct fs *fs, int wd)
{
	struct inc_node *dir = watched_dir(fs, wd);
	struct stat st;

	if (!dir)
		return;
	if (fstat(dir->fd, &st) == 0)
		look_at_attributes(fs, dir, &st);
	node_unref(fs, &dir->node);
}

static bool is_same_name(const struct inotify_event *a, const struct inotify_event *b)
{
	return a->wd == b->wd && a->len == b->len && a->len && !strcmp(a->name, b->name);
}

/* A file that is made is created, written and closed in a row: looking once, after the last, is enough;
   and its directory, when all that happened there in a row is read. */
static void handle_events(struct fs *fs, const char *buffer, size_t len)
{
	bool has_dir_changed = false;

	for (const char *p = buffer; p < buffer + len;) {
		const struct inotify_event *event = (const void *)p, *next;

		p += sizeof(*event) + event->len;
		next = p < buffer + len ? (const void *)p : NULL;
		has_dir_changed |= !event->len || (event->mask & NAME_EVENTS);
		if (!next || !is_same_name(event, next))
			handle_event(fs, event);
		if (has_dir_changed && (!next || next->wd != event->wd)) {
			look_at_dir(fs, event->wd);
			has_dir_changed = false;
		}
	}
}

/* Not until nothing is left: while names change in a row, that would be once for each of them. More is
   read at once only when the buffer had no room for it. */
static void read_events(struct fs *fs)
{
	char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	do {
		n = read(fs->behind.inotify_fd, buffer, sizeof(buffer));
		if (n > 0)
			handle_events(fs, buffer, (size_t)n);
	} while (n > (ssize_t)sizeof(buffer) - EVENT_MAX && !atomic_load(&fs->behind.is_stopping));
}

static void *behind_run(void *arg)
{
	struct fs *fs = arg;
	struct behind *behind = &fs->behind;
	int pause_ms = 0;

	while (!atomic_load(&behind->is_stopping)) {
		struct pollfd fds[] = {{.fd = behind->wake_fd, .events = POLLIN},
				       {.fd = behind->inotify_fd, .events = POLLIN}};

		if (poll(fds, 2, pause_ms ? QUIET_MS : -1) == 0)
			pause_ms = 0;
		if (!fds[1].revents)
			continue;
		if (pause_ms)
			poll(fds, 1, pause_ms);
		read_events(fs);
		pause_ms = !pause_ms		      ? PAUSE_FIRST_MS
			   : pause_ms < PAUSE_MAX_MS ? pause_ms * 2
						      : PAUSE_MAX_MS;
	}
	return NULL;
}

/* ---- lifetime ---- */

/* Change a file without a name, look, change it again: are the times two? */
static bool try_fine_times(int dir_fd)
{
	auto_fd int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int64_t last = 0;
	struct stat st;

	for (unsigned int i = 0; fd >= 0 && i < 16; i++) {
		if (fchmod(fd, i % 2 ? 0600 : 0640) < 0 || fstat(fd, &st) < 0 ||
		    ctime_ns(&st) == last)
			return false;
		last = ctime_ns(&st);
	}
	return fd >= 0;
}

int behind_init(struct fs *fs)
{
	struct behind *behind = &fs->behind;
	int r;

	behind->has_fine_times = try_fine_times(fs->incoming.root_fd);
	behind->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (behind->wake_fd < 0)
		return -errno;
	behind->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (behind->inotify_fd < 0) {
		log_info("names in incoming/ are not kept by the kernel: inotify: %s",
			 strerrordesc_np(errno));
		return 0;
	}
	r = thread_start(&behind->thread, "fuse-behind", behind_run, fs);
	behind->is_started = r == 0;
	return r;
}

void behind_stop(struct fs *fs)
{
	struct behind *behind = &fs->behind;

	if (!behind->is_started)
		return;
	atomic_store(&behind->is_stopping, true);
	eventfd_write(behind->wake_fd, 1);
	pthread_join(behind->thread, NULL);
	behind->is_started = false;
}

void behind_finish(struct fs *fs)
{
	behind_stop(fs);
	if (fs->behind.inotify_fd >= 0)
		close(fs->behind.inotify_fd);
	if (fs->behind.wake_fd >= 0)
		close(fs->behind.wake_fd);
	fs->behind.inotify_fd = fs->behind.wake_fd = -1;
}
