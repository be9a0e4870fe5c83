/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Life of the mount: the session, the loop, the end. main and the fuse-loop thread; see
 * storyclip/fs.h for the order.
 */
#include "storyclip/fs.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs_state.h"
#include "jobs.h"
#include "ops.h"
#include "storyclip/common/buf.h"
#include "storyclip/common/log.h"

#define LOOP_THREADS  4    /* more bring nothing (FUSE.md section 1) */
#define DRAIN_MS      1000 /* at most so long the last requests are answered */
#define WAKE_SIGNAL   SIGUSR1
#define WAKE_EVERY_MS 10
#define ARENAS        2

const char *fs_libfuse_version(void)
{
	return fuse_pkgversion();
}

/* libfuse's own messages; its table of requests (-d) is for whoever watches the terminal. */
SC_PRINTF(2, 0)
static void log_of_libfuse(enum fuse_log_level level, const char *fmt, va_list args)
{
	char text[512];
	size_t len;

	if (level >= FUSE_LOG_DEBUG) {
		vfprintf(stderr, fmt, args);
		return;
	}
	vsnprintf(text, sizeof(text), fmt, args);
	len = strlen(text);
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	log_write(level <= FUSE_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", text);
}

/* ---- create ---- */

/* Each node of incoming/ and each open file is a descriptor. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("raising the limit of open files: %s", strerror(errno));
}

/* The directories that children refer to are there for as long as the mount. */
static int make_root_dirs(struct fs *fs)
{
	struct row_dir *root = &fs->root;
	int r = row_dir_prepare(fs, root);

	for (size_t i = 0; r == 0 && i < root->n_rows; i++) {
		if (!S_ISDIR(root->rows[i].mode))
			continue;
		if (root->rows[i].get == incoming_get_root) {
			root->children[i] = (struct node *)fs->incoming.root;
			continue;
		}
		r = row_node_get(fs, root, &root->rows[i],
				 !strcmp(root->rows[i].name, "jobs")        ? &fs->jobs
				 : !strcmp(root->rows[i].name, "by-status") ? &fs->by_status
									    : &fs->by_upload);
		if (r < 0)
			return r;
	}
	return 0;
}

int fs_create(const struct fs_deps *deps, struct error *e, struct fs **ret)
{
	auto_of(fs) struct fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs)
		return error_from_errno(e, -ENOMEM, "starting the mount");
	fs->deps = *deps;
	fs->since = clock_wall_ms(deps->clock);
	fs->uid = geteuid();
	fs->gid = getegid();
	fs->incoming.root_fd = -1;
	fs->behind.inotify_fd = fs->behind.wake_fd = -1;
	atomic_init(&fs->jobs_mtime, fs->since);
	lock_init(&fs->loop_lock);
	cond_init(&fs->loop_cond);
	control_init(&fs->control);
	parked_init(&fs->parked);
	r = tree_init(&fs->tree);
	if (r < 0)
		return error_from_errno(e, r, "starting the mount");
	raise_descriptor_limit();
	row_dir_init(fs, &fs->root, &tree_root_kind, FUSE_ROOT_ID, NULL, tree_root_rows,
		     tree_root_rows_count);
	r = incoming_init(fs, deps->settings->upload_tmp_dir);
	if (r < 0)
		return error_from_errno(e, r, "opening the upload directory '%s'",
					deps->settings->upload_tmp_dir);
	r = make_root_dirs(fs);
	if (r == 0)
		r = notify_init(fs);
	if (r == 0)
		r = behind_init(fs);
	if (r < 0)
		return error_from_errno(e, r, "starting the mount");
	/* One arena for each thread would keep what every one of them has ever needed. */
	mallopt(M_ARENA_MAX, ARENAS);
	fuse_set_log_func(log_of_libfuse);
	umask(0);
	*ret = take_ptr(fs);
	return 0;
}

/* The kernel is told before the job's end is, and that before anybody who waits for it. */
static void upload_deleted(void *context, const char *path)
{
	struct fs *fs = context;

	intake_unlinked(fs->intake, path);
	behind_removed(fs, path);
}

struct engine_listener fs_listener(struct fs *fs)
{
	return (struct engine_listener){.context = fs,
					.job_changed = jobs_changed,
					.feed_grew = events_grew,
					.upload_deleted = upload_deleted};
}

void fs_attach(struct fs *fs, struct engine *engine, struct intake *intake)
{
	fs->engine = engine;
	fs->intake = intake;
}

/* ---- mount ---- */

/* A comma or a backslash in an option's value is escaped for libfuse. */
static void add_escaped(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == ',' || *s == '\\')
			buf_add(out, "\\", 1);
		buf_add(out, s, 1);
	}
}

int fs_mount(struct fs *fs, const struct fs_mount_options *options, struct error *e)
{
	const struct settings *settings = fs->deps.settings;
	auto_buf struct buf text = BUF_EMPTY;
	char *argv[] = {(char *)"storyclipfs", (char *)"-o", NULL, NULL};
	struct fuse_args args = {.argc = 3, .argv = argv};
	struct fuse_lowlevel_ops ops;

	buf_add_str(&text, "subtype=storyclipfs,default_permissions,nosuid,nodev,noexec,fsname=");
	add_escaped(&text, settings->root);
	if (options->allow_other || geteuid() == 0)
		buf_add_str(&text, ",allow_other");
	if (options->read_only)
		buf_add_str(&text, ",ro");
	for (size_t i = 0; i < options->n_kernel; i++)
		buf_printf(&text, ",%s", options->kernel[i]);
	if (options->debug)
		buf_add_str(&text, ",debug");
	if (buf_error(&text) < 0)
		return error_from_errno(e, -ENOMEM, "mounting");
	argv[2] = text.data;
	ops_timed(&ops);
	fs->session = fuse_session_new(&args, &ops, sizeof(ops), fs);
	fuse_opt_free_args(&args);
	if (!fs->session)
		return error_set_errno(e, -EINVAL, SC_INTERNAL, "libfuse refused its options: %s",
				       text.data);
	errno = 0;
	if (fuse_session_mount(fs->session, settings->mountpoint) < 0) {
		int r = errno ? -errno : -EIO;

		fuse_session_destroy(fs->session);
		fs->session = NULL;
		return error_from_errno(e, r, "mounting at '%s'", settings->mountpoint);
	}
	return 0;
}

/* ---- the loop ---- */

static void wake_up(int signal)
{
	/* It only ends the wait of libfuse's loop, which then sees that it shall end. */
}

static int run_loop(struct fs *fs)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 1);
	fuse_loop_cfg_set_max_threads(config, LOOP_THREADS);
	fuse_loop_cfg_set_idle_threads(config, LOOP_THREADS);
	r = fuse_session_loop_mt(fs->session, config);
	fuse_loop_cfg_destroy(config);
	if (r == 0)
		return 0;
	/* Nobody will answer any more: let go whoever waits, the notify thread too. */
	umount2(fs->deps.settings->mountpoint, MNT_FORCE | MNT_DETACH);
	return r < 0 ? r : -EIO;
}

/* Whether the kernel has closed the connection: the mount is gone, and every file of it closed. */
static bool is_unmounted(struct fs *fs)
{
	struct pollfd p = {.fd = fuse_session_fd(fs->session), .events = POLLIN};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* Answer what has already been asked, above all the RELEASEs of files that are closed: an upload is
   complete with its last close. */
static void drain(struct fs *fs)
{
	struct pollfd p = {.fd = fuse_session_fd(fs->session), .events = POLLIN};
	int64_t end = clock_monotonic_ms(fs->deps.clock) + DRAIN_MS;
	struct fuse_buf request = {0};

	while (clock_monotonic_ms(fs->deps.clock) < end && poll(&p, 1, 0) == 1 &&
	       !(p.revents & POLLERR)) {
		if (fuse_session_receive_buf(fs->session, &request) <= 0)
			break;
		fuse_session_process_buf(fs->session, &request);
	}
	free(request.mem);
}

static bool loop_begin(struct fs *fs)
{
	bool is_exiting;

	lock_acquire(&fs->loop_lock);
	fs->loop_thread = pthread_self();
	is_exiting = fs->is_exiting;
	fs->is_looping = !is_exiting;
	lock_release(&fs->loop_lock);
	return !is_exiting;
}

static void loop_end(struct fs *fs)
{
	lock_acquire(&fs->loop_lock);
	fs->is_looping = false;
	cond_broadcast(&fs->loop_cond);
	lock_release(&fs->loop_lock);
}

int fs_run(struct fs *fs)
{
	struct sigaction action = {.sa_handler = wake_up}; /* no SA_RESTART: it shall interrupt */
	sigset_t wake;
	int r = 0;

	sigaction(WAKE_SIGNAL, &action, NULL);
	sigemptyset(&wake);
	sigaddset(&wake, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	if (loop_begin(fs)) {
		r = run_loop(fs);
		pthread_sigmask(SIG_BLOCK, &wake, NULL);
		notify_detach(fs);
		atomic_store(&fs->is_draining, true);
		drain(fs);
		if (is_unmounted(fs))
			incoming_all_closed(fs);
		parked_stop(fs);
		loop_end(fs);
	}
	fuse_session_unmount(fs->session);
	return r;
}

void fs_begin_stop(struct fs *fs)
{
	parked_stop(fs);
}

void fs_exit(struct fs *fs)
{
	/* A notification waits for look-ups to be answered: so before answering ends. */
	notify_detach(fs);
	lock_acquire(&fs->loop_lock);
	fs->is_exiting = true;
	while (fs->is_looping) {
		fuse_session_exit(fs->session);
		/* Once may come too early: between libfuse's look at the flag and its wait. */
		pthread_kill(fs->loop_thread, WAKE_SIGNAL);
		cond_wait_for(&fs->loop_cond, &fs->loop_lock, WAKE_EVERY_MS);
	}
	lock_release(&fs->loop_lock);
}

void fs_destroy(struct fs *fs)
{
	if (!fs)
		return;
	behind_stop(fs);
	notify_finish(fs); /* also sends the last deferred answers, into the void */
	if (fs->tree.buckets) {
		parked_stop(fs);
		if (fs->session)
			fuse_session_unmount(fs->session);
		pollers_destroy_all(fs);
		tree_forget_all(fs);
		if (fs->jobs)
			node_unref(fs, fs->jobs);
		if (fs->by_upload)
			node_unref(fs, fs->by_upload);
		if (fs->by_status)
			node_unref(fs, fs->by_status);
		incoming_finish(fs);
		behind_finish(fs);
		tree_finish(&fs->tree);
	}
	if (fs->session)
		fuse_session_destroy(fs->session);
	parked_finish(&fs->parked);
	control_finish(&fs->control);
	cond_finish(&fs->loop_cond);
	lock_finish(&fs->loop_lock);
	free(fs->root.children);
	free(fs);
}
