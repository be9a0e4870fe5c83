/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a comparison of database and directories has found: lines with what is needed to mend each.
 * Main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "storyclip/common/macros.h"
#include "storyclip/job.h"

enum finding_kind {
	FINDING_DATABASE,      /* damaged inside */
	FINDING_NO_OUTPUT,     /* a done job, all of whose clips are gone */
	FINDING_NO_CLIP,       /* one of them is gone; number */
	FINDING_CLIP_SIZE,     /* a clip is of another size */
	FINDING_OUTPUT_EXTRA,  /* a file beside a done job's clips */
	FINDING_OUTPUT_EARLY,  /* OUTPUT_ROOT/<id> of a job that is not done */
	FINDING_WORK_LEFT,     /* a directory of an attempt that is over */
	FINDING_NO_HOLD,       /* a job that has not ended has no link to its upload's bytes */
	FINDING_HOLD_LEFT,     /* a link of a job that has ended */
	FINDING_HOLD_UNKNOWN,  /* a link of a job that the database does not know */
	FINDING_UPLOAD_GONE,   /* a row without its file; path */
	FINDING_UPLOAD_OTHER,  /* a file is not as its row says; path */
	FINDING_UPLOAD_NO_ROW, /* a file without row; path */
	FINDING_NOTE,          /* worth a line, no disagreement */
};

struct finding {
	enum finding_kind kind;
	char id[JOB_ID_SIZE]; /* of the job, "" without */
	unsigned int number;  /* of the clip */
	char *path;           /* of the upload, owned; NULL without */
	char *text;           /* the line, owned */
};

struct findings {
	struct finding *list;
	size_t n, cap;
};

void findings_finish(struct findings *findings);
#define auto_findings __attribute__((cleanup(findings_finish)))

/** Add one. @param path  copied; may be NULL. @return 0 or -ENOMEM */
int findings_add(struct findings *findings, const struct finding *what, const char *fmt, ...)
	SC_PRINTF(3, 4);
/** Keep of `findings` what `again`, of a later look, has too. Changes the order of both. */
void findings_intersect(struct findings *findings, struct findings *again);
/** How many are disagreements and not only notes. */
size_t findings_count(const struct findings *findings);
