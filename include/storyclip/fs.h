/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mount: the tree of names over engine and intake, as the kernel sees it.
 *
 * How the program's main uses it (the engine wants its listener before it exists, hence fs_attach):
 *
 *     fs_create(&deps, &e, &fs);
 *     engine_deps.listener = fs_listener(fs);
 *     engine_create(…); intake_create(…);
 *     fs_attach(fs, engine, intake);
 *     fs_mount(fs, &options, &e);
 *     thread "fuse-loop": fs_run(fs), then tell main       // first thing that can answer a request
 *     … stat(2) of the mount point succeeds: ready, go to the background …
 *     wait for a signal, or for fs_run() to have returned (umount)
 *     fs_begin_stop(fs);           // parked readers leave; everything else goes on being answered
 *     intake_begin_stop(intake);   // requests: STOPPING; none is unanswered afterwards
 *     engine_stop(engine);
 *     fs_exit(fs); join fuse-loop; // harmless when it was unmounted already
 *     intake_stop(intake);         // the last closes are rows
 *     fs_destroy(fs); then intake, engine, store
 */
#pragma once

#include <stdbool.h>

#include "storyclip/common/clock.h"
#include "storyclip/config.h"
#include "storyclip/engine.h"
#include "storyclip/error.h"
#include "storyclip/intake.h"

struct fs;

struct fs_deps {
	const struct settings *settings; /* borrowed for the file system's life, as is all of this */
	const struct clock *clock;
	const char *version; /* of this program, for health */
	const char *ffmpeg;  /* version of the worker's libav, for health; NULL: unknown */
	const char *sandbox; /* JSON object that health shows; NULL: unknown */
};

/**
 * Open the upload directory, raise RLIMIT_NOFILE to its hard limit, start the notify thread. Sets the
 * process's umask to 0 (files made through the mount get their writers' umask) and its number of
 * malloc arenas to two. Mounts nothing yet.
 * Call after going to the background (threads do not survive a fork).
 */
int fs_create(const struct fs_deps *deps, struct error *e, struct fs **ret);

/** What the engine shall call; valid until fs_destroy(). */
struct engine_listener fs_listener(struct fs *fs);

/** Whom the file system asks. Before fs_mount(). Both borrowed until fs_destroy(). */
void fs_attach(struct fs *fs, struct engine *engine, struct intake *intake);

#define FS_KERNEL_OPTIONS 7

struct fs_mount_options {
	bool allow_other; /* root: given anyhow; a plain user: only when fuse.conf allows it */
	bool read_only;
	const char *kernel[FS_KERNEL_OPTIONS]; /* for the kernel itself: "sync", "noatime"; static */
	size_t n_kernel;
	bool debug; /* libfuse prints every request to stderr (storyclipfs -d) */
};

/** Make the session and mount it at settings->mountpoint. Nothing is answered before fs_run(). */
int fs_mount(struct fs *fs, const struct fs_mount_options *options, struct error *e);

/**
 * Answer requests until the mount is gone or fs_exit() is called; then unmount, lazily when files are
 * still open. Blocks; call from a thread of its own, once. It catches SIGUSR1 (fs_exit() wakes it so).
 * @return 0, or a negative errno when the loop failed
 */
int fs_run(struct fs *fs);

/** Answer parked readers with ENOTCONN, now and from now on. Any thread; returns at once. */
void fs_begin_stop(struct fs *fs);

/** End fs_run() and wait until it has returned. Any other thread. Does nothing when it is not running. */
void fs_exit(struct fs *fs);

/**
 * Free everything, also when never mounted. After fs_run() has returned, and after engine_stop() and
 * intake_stop(): nobody may call the listener or a reply any more. Accepts NULL.
 */
void fs_destroy(struct fs *fs);
SC_DEFINE_AUTO(fs, fs_destroy)

/** The version of the libfuse that is loaded, for --version. Static. */
const char *fs_libfuse_version(void);
