/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines that the engine and its child processes (worker, publisher) exchange.
 *
 * The engine writes one order, a JSON object, to the child's standard input and closes it. The
 * child writes reports, one JSON object a line, to descriptor 3 (its standard output and error go
 * to the job's log). Whatever else a child needs is opened by the engine and handed in:
 *
 *     worker:    4 the source, read-only        5 the clips directory work/<id>.<attempt>/clips
 *     publisher, to hold an upload by a copy:
 *                4 the upload, read-only        5 the hold directory
 *     publisher: 4 the work directory work/<id>.<attempt>, in which "clips" lies
 *                5 OUTPUT_ROOT
 *
 * A child is not trusted: parsing checks every type and range, and a line of over
 * PROTO_LINE_MAX bytes is an error. No locks, no I/O but report_write().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "storyclip/common/buf.h"
#include "storyclip/error.h"
#include "storyclip/job.h"
#include "storyclip/request.h"

#define PROTO_LINE_MAX 65536
#define PROTO_REPORT_FD 3
#define PROTO_SOURCE_FD 4
#define PROTO_CLIPS_FD 5
#define PROTO_WORK_FD 4
#define PROTO_OUTPUT_FD 5

/** What a worker is to do. */
struct work_order {
	char job_id[JOB_ID_SIZE];
	unsigned int attempt;
	enum cut_mode cut;
	int64_t clip_duration_us;  /* 0 with parts or ranges */
	unsigned int parts;        /* 0 with the others */
	unsigned int max_clips;    /* 0: all */
	struct clip_range *ranges; /* owned */
	size_t n_ranges;
	int64_t size;              /* what the source must have; 0: anything */
	char sha256[SHA256_SIZE];  /* the same; "": anything */
	bool is_strict;            /* copy no bytes but those that a clip needs */
	struct encode_options encode; /* only CUT_ENCODE looks at it */
};

/** What a publisher is to do. */
struct publish_order {
	bool is_hold; /* copy an upload to .<job_id>.copy, nothing else */
	char job_id[JOB_ID_SIZE];
	unsigned int attempt;
	uid_t owner_uid; /* (uid_t)-1: leave as it is */
	gid_t owner_gid;
};

enum report_kind {
	REPORT_PHASE,    /* progress, message: a step begins; counts as work */
	REPORT_PLAN,     /* total_clips */
	REPORT_PROGRESS, /* work (packets, frames or bytes handled so far, rising), progress, message */
	REPORT_CLIP,     /* artifact: that clip is whole and checked */
	REPORT_WARNING,  /* message */
	REPORT_LOG,      /* message: a line for the job's log */
	REPORT_FAILED,   /* code, message; the last report */
	REPORT_DONE,     /* all clips are there and synced; the last report */
};

struct report {
	enum report_kind kind;
	int progress;              /* 0 to 100, -1: as before */
	uint64_t work;
	unsigned int total_clips;
	struct artifact artifact;  /* owned */
	enum sc_code code;
	int64_t synced_us; /* REPORT_DONE: how long the child has waited for fsyncs */
	int64_t copied_bytes; /* REPORT_DONE of a publisher: what it copied to another volume */
	char message[ERROR_MESSAGE_SIZE]; /* "": as before */
};

void work_order_finish(struct work_order *order);
void report_finish(struct report *report);
#define auto_work_order __attribute__((cleanup(work_order_finish)))
#define auto_report __attribute__((cleanup(report_finish)))

/** Add the order's JSON to out. @return 0 or -ENOMEM */
int work_order_encode(const struct work_order *order, struct buf *out);
/** @return 0, -EINVAL (the message names the field), -ENOMEM */
int work_order_parse(const char *text, size_t len, struct error *e, struct work_order *ret);
int publish_order_encode(const struct publish_order *order, struct buf *out);
int publish_order_parse(const char *text, size_t len, struct error *e, struct publish_order *ret);

/** Add the report's JSON and a newline to out. @return 0 or -ENOMEM */
int report_encode(const struct report *report, struct buf *out);
/** Parse one line (without its newline). @return 0, -EINVAL, -ENOMEM */
int report_parse(const char *line, size_t len, struct report *ret);
/** Child side: encode and write whole to PROTO_REPORT_FD. Blocks while the engine is behind. */
int report_write(const struct report *report);
