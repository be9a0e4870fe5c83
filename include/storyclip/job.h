/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job as others see it: plain data handed over by value, filled by the engine, read by view, fs
 * and intake. Wall times are milliseconds since 1970 (0: not yet), positions microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "storyclip/common/buf.h"
#include "storyclip/error.h"
#include "storyclip/request.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED, JOB_STATE_COUNT };

/* What progress and message say, INTERFACE.md "A job's life". */
#define JOB_MESSAGE_QUEUED "Queued"
#define JOB_MESSAGE_WAITING "Waiting for the upload to be closed"
#define JOB_MESSAGE_COPYING "Copying the upload..." /* only where it cannot be hard-linked */
#define JOB_MESSAGE_PREPARED "File prepared"
#define JOB_MESSAGE_ANALYZING "Analyzing video..."
#define JOB_MESSAGE_EXPORTING "Exporting clips..."
#define JOB_MESSAGE_PUBLISHING "Publishing clips..."
#define JOB_MESSAGE_DONE "Job completed - 100%"

enum clip_method { CLIP_COPY, CLIP_HEAD, CLIP_ENCODE, CLIP_METHOD_COUNT };

/** One finished clip. */
struct artifact {
	unsigned int number;  /* from 1: clip_001 */
	char filename[24];    /* "clip_001.mp4", "clip_001.m4a" */
	bool is_audio;        /* m4a */
	bool is_deleted;      /* removed by its owner afterwards */
	enum clip_method method;
	int64_t size_bytes;
	int64_t start_us;     /* presented start in the source */
	int64_t duration_us;  /* presented */
	int64_t hidden_head_us;
	int64_t hidden_tail_us;
	int64_t hidden_bytes;
	int64_t hidden_within_us; /* the most before a later part of an edit list; warned of, not kept */
	int64_t shared_bytes; /* of size_bytes: on the upload's blocks; counted, not kept */
	char *dropped;        /* owned: JSON array of strings ("[]"); streams left out */
};

/** Whether a queued job may start. */
enum source_state {
	SOURCE_READY,
	SOURCE_WAITING,    /* somebody still writes the upload */
	SOURCE_INCOMPLETE, /* cut off by an unclean stop: the job will fail */
};

struct job_snapshot {
	char id[JOB_ID_SIZE];
	uint64_t version; /* rises with every change of any job, over the daemon's life; never 0 */
	enum job_state state;
	int progress; /* 0 to 100 */
	char message[ERROR_MESSAGE_SIZE];
	char *upload_id; /* owned */
	char *user_id;   /* owned; may be NULL */
	char *input_json; /* owned: the request as accepted, one JSON object without newline */
	uid_t owner_uid;
	gid_t owner_gid;
	enum cut_mode cut;
	unsigned int attempt;
	unsigned int failures;
	unsigned int max_attempts;
	int priority;          /* lower runs first */
	char *idempotency_key; /* owned; may be NULL */
	bool deletes_upload;   /* when it is done; false again once that has happened */
	int64_t created_at, started_at, updated_at, finished_at;
	unsigned int total_clips; /* 0: not planned yet */
	unsigned int clips_ready;
	struct artifact *artifacts; /* owned; only of a done job */
	size_t n_artifacts;
	char *warnings;         /* owned: JSON array of strings, "[]" */
	struct error error;     /* err 0 while not failed */
	/* The source as it was accepted: for `source` while the path is still the same file. */
	bool is_hold_copy; /* its bytes are held by a copy: no hard link could be made */
	int64_t source_at; /* when: at created_at, or with the last retry */
	char *source_path; /* owned: below incoming/ */
	dev_t source_dev;
	ino_t source_ino;
	int64_t source_size;     /* what the file must still be when it is cut, else UPLOAD_CHANGED */
	int64_t source_mtime_ns;
	enum source_state source_state;
	char *order_json; /* owned: what its worker is to do (proto.h), for the engine */
	int64_t not_before; /* wall time: after a failure it does not start earlier; 0: at once */
};

/** Free what the snapshot owns; it is all zero afterwards. */
void job_snapshot_finish(struct job_snapshot *s);
#define auto_snapshot __attribute__((cleanup(job_snapshot_finish)))
void artifacts_free(struct artifact *artifacts, size_t n);

/** "queued", "running", "done", "failed", "cancelled". Static. */
const char *job_state_name(enum job_state state);
/** @return 0 or -EINVAL; "error" is understood as failed (INTERFACE.md, "The database") */
int job_state_from_name(const char *name, enum job_state *ret);
static inline bool job_state_is_final(enum job_state state)
{
	return state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED;
}

/** "copy", "head", "encode". Static. */
const char *clip_method_name(enum clip_method method);
int clip_method_from_name(const char *name, enum clip_method *ret);

/** Write clip_001.mp4 or clip_001.m4a (three digits, more when needed). */
void clip_filename(unsigned int number, bool is_audio, char out[24]);
/** The number in such a name, or 0 when it is none (leading zeros beyond three digits are none). */
unsigned int clip_number_from_filename(const char *name);
/** Add a clip's URL: CDN_BASE/<id>/<filename>, or jobs/<id>/clips/<filename> with an empty base. */
void clip_url(struct buf *out, const char *cdn_base, const char *job_id, const char *filename);

/** [A-Za-z0-9._-]{1,64}, no leading dot. */
bool job_id_is_valid(const char *id);
