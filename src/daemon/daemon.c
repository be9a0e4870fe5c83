/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's life: settings, places, locks, then the parts from the database up to the mount, the
 * wait for a signal or an umount, and all of it down again in exact reverse. The main thread.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "background.h"
#include "check.h"
#include "config.h"
#include "deadmount.h"
#include "flush.h"
#include "helpers.h"
#include "lockfile.h"
#include "notify_socket.h"
#include "places.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/log.h"
#include "storyclip/common/sync.h"
#include "storyclip/engine.h"
#include "storyclip/fs.h"
#include "storyclip/intake.h"
#include "storyclip/store.h"

#define STORE_BUSY_MS    5000
#define RELEASES_WAIT_MS 1000 /* for closes that are still on their way when the stop begins */
#define GIVE_BACK_MS     20000
#define GIVE_BACK_BYTES  (1 << 20)

enum { EXIT_WELL = 0, EXIT_START = 1, EXIT_USAGE = 2 };

struct daemon {
	struct settings settings;
	struct fs_mount_options mount;
	struct locks locks;
	struct notify_socket notify;
	int parent_fd; /* who started us and waits; -1: nobody, or not any more */
	char *helper_dir;
	char ffmpeg[64];
	char sandbox[1024]; /* JSON object, "": unknown */
	struct store *store;
	struct fs *fs;
	struct engine *engine;
	struct intake *intake;
	pthread_t main_thread, loop_thread;
	bool has_loop;
	atomic_bool is_loop_ended;
	int loop_result;
};

/* ---- up ---- */

/* For the terminal: one line, whatever the log is. */
static int say(const struct error *e, int code)
{
	fprintf(stderr, "storyclipfs: %s\n", e->message);
	return code;
}

static int daemon_open_log(struct daemon *d, bool is_foreground, bool is_debug, struct error *e)
{
	enum log_level level = is_debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	const char *file = d->settings.log_file;
	int r;

	if (file)
		r = log_open(LOG_TARGET_FILE, file, level);
	else
		r = log_open(is_foreground ? LOG_TARGET_STDERR : LOG_TARGET_SYSLOG, NULL, level);
	return r < 0 ? error_from_errno(e, r, "log=%s cannot be opened", file ? file : "syslog")
		     : 0;
}

/* What must be in order before anything of it is touched. */
static int daemon_claim(struct daemon *d, struct error *e)
{
	int r;

	r = places_check(&d->settings, e);
	if (r == 0)
		r = places_create(&d->settings, e);
	if (r == 0)
		r = locks_take(&d->settings, LOCKS_WAIT_MS, e, &d->locks);
	if (r == 0)
		r = deadmount_clear(d->settings.mountpoint, e);
	if (r == 0 && (r = helpers_find_dir(&d->helper_dir)) < 0)
		error_from_errno(e, r, "looking for storyclip-worker");
	if (r < 0)
		return r;
	helpers_ffmpeg_version(d->helper_dir, d->ffmpeg, sizeof(d->ffmpeg));
	helpers_sandbox(d->helper_dir, d->sandbox, sizeof(d->sandbox));
	if (!strstr(d->sandbox, "\"level\":\"full\""))
		log_warning("workers are not fully locked in: %s",
			    d->sandbox[0] ? d->sandbox : "storyclip-worker does not tell");
	return 0;
}

/* The parts, each on those before it; the engine's news go to the file system. */
static int daemon_build(struct daemon *d, struct error *e)
{
	struct fs_deps fs = {.settings = &d->settings,
			     .clock = &clock_system,
			     .version = SC_VERSION,
			     .ffmpeg = d->ffmpeg[0] ? d->ffmpeg : NULL,
			     .sandbox = d->sandbox[0] ? d->sandbox : NULL};
	struct engine_deps engine = {
		.settings = &d->settings, .clock = &clock_system, .helper_dir = d->helper_dir};
	struct intake_deps intake = {.settings = &d->settings, .clock = &clock_system};
	int r;

	r = store_open_fast(d->settings.database, STORE_BUSY_MS, e, &d->store);
	if (r < 0)
		return r;
	r = fs_create(&fs, e, &d->fs);
	if (r < 0)
		return r;
	engine.store = d->store;
	engine.listener = fs_listener(d->fs);
	r = engine_create(&engine, e, &d->engine);
	if (r < 0)
		return r;
	intake.store = d->store;
	intake.engine = d->engine;
	r = intake_create(&intake, e, &d->intake);
	if (r < 0)
		return r;
	fs_attach(d->fs, d->engine, d->intake);
	return 0;
}

static void *loop_run(void *arg)
{
	struct daemon *d = arg;

	d->loop_result = fs_run(d->fs);
	atomic_store(&d->is_loop_ended, true);
	pthread_kill(d->main_thread, SIGUSR2);
	return NULL;
}

/* The uploads are looked over before a request can ask for one, and jobs run when all is there. */
static int daemon_run_parts(struct daemon *d, struct error *e)
{
	int r;

	r = intake_start(d->intake, e);
	if (r < 0)
		return r;
	r = fs_mount(d->fs, &d->mount, e);
	if (r < 0)
		return r;
	r = thread_start(&d->loop_thread, "fuse-loop", loop_run, d);
	if (r < 0)
		return error_from_errno(e, r, "starting the mount's loop");
	d->has_loop = true;
	return engine_start(d->engine, e);
}

/* Whether the mount answers: asked as its users would. Blocks as long as it does not. */
static int mount_answers(const struct daemon *d)
{
	auto_free char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/control", d->settings.mountpoint) < 0)
		return -ENOMEM;
	return stat(path, &st) < 0 ? -errno : 0;
}

static int daemon_start(struct daemon *d, struct error *e)
{
	struct error damage = {0};
	int r;

	r = daemon_claim(d, e);
	if (r == 0)
		r = daemon_build(d, e);
	if (r == 0)
		r = daemon_run_parts(d, e);
	/* Not all of it was checked: say what is wrong and which copy there is, not which read failed. */
	if (r == -EUCLEAN && d->store && store_check(d->store, &damage) < 0)
		*e = damage;
	if (r == 0 && (r = mount_answers(d)) < 0)
		error_from_errno(e, r, "the mount on %s does not answer", d->settings.mountpoint);
	if (r == 0 && (r = store_backups_start(d->store)) < 0)
		error_from_errno(e, r, "starting the thread that copies the database");
	return r;
}

/* ---- while it runs ---- */

static void wait_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);  /* the log was renamed, or a terminal has gone: no reason to stop */
	sigaddset(set, SIGUSR2); /* the loop has ended */
}

static void reopen_log(const struct daemon *d)
{
	int r = d->settings.log_file ? log_reopen(d->settings.log_file) : 0;

	if (r < 0)
		log_error_with(r, "opening log=%s anew", d->settings.log_file);
	else if (d->settings.log_file)
		log_info("the log was opened anew by SIGHUP");
}

/* What the kernel has forgotten (a node for each name it knew) lies free in the heap, between what is still
 * used: whole pages of it go back. Only when there is more of it than after the last time. */
static void give_back_memory(size_t *free_bytes)
{
	size_t now = mallinfo2().fordblks;

	if (now > *free_bytes + GIVE_BACK_BYTES)
		malloc_trim(0);
	if (now > *free_bytes + GIVE_BACK_BYTES || now < *free_bytes)
		*free_bytes = now;
}

/* Until a signal, or until the mount is gone. The service manager's watchdog is fed while it
 * answers. */
static void daemon_wait(struct daemon *d)
{
	int64_t every_ms = d->notify.watchdog_ms && d->notify.watchdog_ms < GIVE_BACK_MS
				   ? d->notify.watchdog_ms
				   : GIVE_BACK_MS;
	struct timespec every = {.tv_sec = every_ms / 1000, .tv_nsec = every_ms % 1000 * 1000000L};
	size_t free_bytes = 0;
	sigset_t set;
	int signal;

	wait_set(&set);
	while (!atomic_load(&d->is_loop_ended)) {
		signal = sigtimedwait(&set, NULL, &every);
		if (signal == SIGTERM || signal == SIGINT) {
			log_info("stopping by SIG%s", sigabbrev_np(signal));
			return;
		}
		if (signal == SIGHUP)
			reopen_log(d);
		if (signal >= 0 || errno != EAGAIN)
			continue;
		if (d->notify.watchdog_ms && mount_answers(d) == 0)
			notify_socket_send(&d->notify, NOTIFY_ALIVE);
		give_back_memory(&free_bytes);
	}
	if (d->loop_result < 0)
		log_error_with(d->loop_result, "the mount's loop has ended");
	else
		log_info("stopping: %s was unmounted", d->settings.mountpoint);
}

/* ---- down ---- */

/* A client's close() has returned before we hear of it: what is closed now is complete. */
static void wait_for_releases(const struct daemon *d)
{
	int64_t until = clock_monotonic_ms(&clock_system) + RELEASES_WAIT_MS;

	while (!atomic_load(&d->is_loop_ended) && intake_open_uploads(d->intake) &&
	       clock_monotonic_ms(&clock_system) < until)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

/* Each step accepts what was never started. */
static void daemon_take_down(struct daemon *d)
{
	struct flush flush = {0};

	notify_socket_send(&d->notify, NOTIFY_STOPPING);
	if (d->has_loop)
		fs_begin_stop(d->fs);
	if (d->intake)
		intake_begin_stop(d->intake);
	if (d->engine)
		engine_stop(d->engine);
	if (d->has_loop) {
		if (!atomic_load(&d->is_loop_ended))
			flush_begin(&flush, d->settings.mountpoint);
		wait_for_releases(d);
		fs_exit(d->fs);
		pthread_join(d->loop_thread, NULL);
		flush_end(&flush);
	}
	if (d->intake)
		intake_stop(d->intake);
	fs_destroy(take_ptr(d->fs));
	intake_destroy(take_ptr(d->intake));
	engine_destroy(take_ptr(d->engine));
	store_close(take_ptr(d->store));
	locks_release(&d->locks);
	free(take_ptr(d->helper_dir));
	notify_socket_close(&d->notify);
	settings_finish(&d->settings);
}

/* ---- the program ---- */

static int print_version(void)
{
	auto_free char *dir = NULL;
	char ffmpeg[64] = "";

	printf("storyclipfs %s\nlibfuse %s\n", SC_VERSION, fs_libfuse_version());
	if (helpers_find_dir(&dir) == 0)
		helpers_ffmpeg_version(dir, ffmpeg, sizeof(ffmpeg));
	if (ffmpeg[0])
		printf("FFmpeg %s\n", ffmpeg);
	return EXIT_WELL;
}

/* Signals are waited for by the main thread alone; every thread inherits this mask. */
static void signals_prepare(void)
{
	sigset_t set;

	wait_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/*
 * With CAP_SYS_RESOURCE a write passes its owner's quota and the blocks that ext4 keeps for root, whoever
 * it is made for. Nothing here needs it; also from the bounding set, so that no child gets it again. Before
 * there are threads: capabilities are each thread's own.
 */
static void give_up_resource_override(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	const size_t i = CAP_TO_INDEX(CAP_SYS_RESOURCE);

	if (geteuid() != 0 || syscall(SYS_capget, &header, caps) < 0)
		return;
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0);
	caps[i].effective &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
	caps[i].permitted &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
	caps[i].inheritable &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &header, caps) < 0)
		log_warning("giving up CAP_SYS_RESOURCE: %s", strerror(errno));
}

static int daemon_serve(struct daemon *d, bool is_foreground)
{
	struct error e = {0};
	int r;

	d->main_thread = pthread_self();
	signals_prepare();
	give_up_resource_override();
	umask(0);           /* directories get the modes that are asked for */
	if (chdir("/") < 0) /* no directory is kept busy */
		log_warning("cannot change to /");
	r = notify_socket_open(&d->notify);
	if (r < 0)
		log_error_with(r, "NOTIFY_SOCKET cannot be used");
	r = daemon_start(d, &e);
	if (r < 0) {
		say(&e, EXIT_START);
		if (d->parent_fd >= 0)
			log_error("%s", e.message);
		daemon_take_down(d);
		background_failed(&d->parent_fd, EXIT_START);
		return EXIT_START;
	}
	log_info("storyclipfs %s: %s is mounted on %s", SC_VERSION, d->settings.root,
		 d->settings.mountpoint);
	notify_socket_send(&d->notify, NOTIFY_READY);
	background_ready(&d->parent_fd);
	daemon_wait(d);
	daemon_take_down(d);
	log_info("storyclipfs has ended");
	log_close();
	return d->loop_result < 0 ? EXIT_START : EXIT_WELL;
}

/*
 * What a careless starter has left open would stay open for the daemon's life: a lock, a pipe whose
 * reader waits for its end. And what is opened first must not become standard output.
 */
static void descriptors_begin(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	/* With it goes the last one. A kernel without the call (before 5.9) keeps them. */
	if (close_range(STDERR_FILENO + 1, ~0u, 0) < 0 && fd >= 0)
		close(fd);
}

int daemon_main(int argc, char **argv)
{
	auto_command_line struct command_line line = {0};
	struct daemon d = {.parent_fd = -1, .notify = NOTIFY_SOCKET_NONE, .locks = LOCKS_NONE};
	struct error e = {0};
	bool is_usage = false;

	descriptors_begin();
	if (command_line_parse(argc, argv, &e, &line) < 0)
		return say(&e, EXIT_USAGE);
	if (line.wants_help) {
		settings_help(stdout);
		return EXIT_WELL;
	}
	if (line.wants_version)
		return print_version();
	if (settings_load(&line, &e, &d.settings, &d.mount, &is_usage) < 0)
		return say(&e, is_usage ? EXIT_USAGE : EXIT_START);
	if (line.mode != MODE_MOUNT) {
		int code;

		/* The answer is what is printed; of a copy's schema nobody wants to hear. */
		log_open(LOG_TARGET_STDERR, NULL, LOG_LEVEL_ERROR);
		code = line.mode == MODE_CHECK ? check_root(&d.settings)
					       : repair_root(&d.settings);

		settings_finish(&d.settings);
		return code;
	}
	d.mount.debug = line.is_debug;
	if (!line.is_foreground && background_begin(&d.parent_fd) < 0)
		line.is_foreground = true;
	if (daemon_open_log(&d, line.is_foreground, line.is_debug, &e) < 0) {
		settings_finish(&d.settings);
		return say(&e, EXIT_START);
	}
	return daemon_serve(&d, line.is_foreground);
}
