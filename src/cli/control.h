/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Speaking with a control file: write once, read the reply from the same open file. */
#pragma once

#include <stddef.h>

#include "storyclip/common/buf.h"
#include "storyclip/common/macros.h"
#include "storyclip/error.h"
#include "storyclip/job.h"

struct reply {
	bool is_success;
	char id[JOB_ID_SIZE]; /* "" when it names none */
	char *status;         /* owned; NULL when absent, as those below */
	char *message;
	char *error;
	char *code;
	char *text; /* the reply as it came, one line with newline */
};
void reply_finish(struct reply *reply);
#define auto_reply __attribute__((cleanup(reply_finish)))

/** Read a reply's JSON. Pure. @return 0 or -EBADMSG (not a reply) */
int reply_parse(const char *text, struct reply *ret);

/**
 * Write text to a control file in one write and read the reply. Never sends twice; signals wait
 * until the reply is there. Blocks.
 * @return 0 with *ret (a success or a refusal), -EBADMSG for a reply that cannot be read, or the
 *         negative errno of the open, the write or the read when there was no reply
 */
int control_exchange(int dir_fd, const char *path, const struct buf *text, struct reply *ret);
