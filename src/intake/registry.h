/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry thread: syncs uploads that are whole, writes their rows behind the file system's
 * back, keeps the sign of life by which the next start knows when an unclean end was.
 */
#pragma once

#include <stdint.h>

#include "due.h"
#include "storyclip/common/macros.h"
#include "storyclip/intake.h"
#include "uploads.h"
#include "watch.h"

struct registry;

/** Whom to tell of what was found; called with no lock held, must not block. */
struct registry_listener {
	void *context;
	/** An upload has become complete: synced, its row written. */
	void (*upload_complete)(void *context, const char *path);
	/** A sidecar was found at start. @param is_cut  it may not be whole */
	void (*sidecar_found)(void *context, const char *path, bool is_cut);
};

/** All borrowed for the registry's life. */
struct registry_deps {
	const struct intake_deps *intake;
	int root_fd; /* UPLOAD_TMP_DIR */
	struct uploads *uploads;
	struct watches *watches;
	struct registry_listener listener;
};

int registry_create(const struct registry_deps *deps, struct error *e, struct registry **ret);
/** After registry_stop() or without a start. Accepts NULL. */
void registry_destroy(struct registry *registry);
SC_DEFINE_AUTO(registry, registry_destroy)

int registry_start(struct registry *registry, struct error *e);
/**
 * Write what is due (bounded), note the uploads that are still open as incomplete, and that this
 * was a clean end. Blocks. Idempotent.
 */
void registry_stop(struct registry *registry);
/** This process lives, and a file may be being written: note the time. Cheap, any thread. */
void registry_touch(struct registry *registry);

/** What the last end looked like. */
struct last_end {
	bool is_clean;  /* or there was none */
	int64_t end_ns; /* wall time: until then at most it lived (with is_clean: until then it did)
			 */
	int64_t slack_ns; /* … and how much later a file that it was writing may have its mtime */
};
/** Before registry_start(), which makes it the last but one. */
void registry_last_end(struct registry *registry, struct last_end *ret);
/** The scan is done and in the database: from now on an end counts as unclean until the stop. */
int registry_begin_life(struct registry *registry, struct error *e);

/** Write changes in one transaction. @return 0, or the store's errno */
int registry_apply(struct registry *registry, const struct due *due, bool is_synced);
