/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command thread: what was written to control files is carried out here, one after another. */
#pragma once

#include "storyclip/common/macros.h"
#include "storyclip/intake.h"
#include "uploads.h"
#include "watch.h"

struct commands;

/** All borrowed for the commands' life. */
struct command_deps {
	const struct intake_deps *intake;
	int root_fd; /* UPLOAD_TMP_DIR */
	struct uploads *uploads;
	struct openings *openings;
	struct watches *watches;
};

int commands_create(const struct command_deps *deps, struct commands **ret);
/** After commands_stop(), or without a start. Accepts NULL. */
void commands_destroy(struct commands *commands);
SC_DEFINE_AUTO(commands, commands_destroy)

int commands_start(struct commands *commands, struct error *e);
/** Answer all that wait, and all that come, with STOPPING. Blocks on the one at work. Idempotent.
 */
void commands_stop(struct commands *commands);

enum command_kind { COMMAND_SUBMIT, COMMAND_JOB, COMMAND_REMOVE, COMMAND_SIDECAR };

/** Queue a sidecar (intake_sidecar()); behind all that somebody waits for when there is no reply. */
void commands_add_sidecar(struct commands *commands, const struct caller *caller, const char *path,
			  enum sidecar_cause cause, intake_reply_fn reply, void *context);

/** Queue one. Texts are copied and may be NULL. Any thread; returns at once. */
void commands_add(struct commands *commands, enum command_kind kind, const struct caller *caller,
		  const char *job_id, unsigned int clip_number, const char *text,
		  intake_reply_fn reply, void *context);
