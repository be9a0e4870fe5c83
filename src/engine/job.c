/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One live job: legal moves, progress that only rises, the table. Under engine.jobs. */
#include "job.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WARNINGS_MAX 100

static const bool moves[JOB_STATE_COUNT][JOB_STATE_COUNT] = {
	[JOB_QUEUED] = {[JOB_RUNNING] = true, [JOB_FAILED] = true, [JOB_CANCELLED] = true},
	[JOB_RUNNING] = {[JOB_QUEUED] = true,
			 [JOB_DONE] = true,
			 [JOB_FAILED] = true,
			 [JOB_CANCELLED] = true},
};

bool job_may_move(enum job_state from, enum job_state to)
{
	return moves[from][to];
}

struct job *job_create(struct job_snapshot *shown)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->refs = 1;
	job->source_fd = -1;
	job->shown = *shown;
	memset(shown, 0, sizeof(*shown));
	job->progress = job->shown.progress;
	memcpy(job->message, job->shown.message, sizeof(job->message));
	job->queue.priority = job->shown.priority;
	return job;
}

struct job *job_ref(struct job *job)
{
	job->refs++;
	return job;
}

void job_unref(struct job *job)
{
	if (--job->refs)
		return;
	job_snapshot_finish(&job->shown);
	artifacts_free(job->clips, job->n_clips);
	free(job->warnings);
	if (job->source_fd >= 0)
		close(job->source_fd); /* read only: nothing that could block is behind it */
	free(job);
}

static unsigned int bucket_of_id(const char *id)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 16777619u;
	return hash % JOB_TABLE_BUCKETS;
}

static unsigned int bucket_of_source(dev_t dev, ino_t ino)
{
	uint64_t mixed = ((uint64_t)dev ^ (uint64_t)ino) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned int)(mixed >> 32) % JOB_TABLE_BUCKETS;
}

int job_table_add(struct job_table *table, struct job *job)
{
	struct job **id = &table->by_id[bucket_of_id(job->shown.id)];
	struct job **source =
		&table->by_source[bucket_of_source(job->shown.source_dev, job->shown.source_ino)];

	if (job_table_find(table, job->shown.id))
		return -EEXIST;
	job->next_of_id = *id;
	*id = job;
	job->next_of_source = *source;
	*source = job;
	job->prev = table->last;
	*(job->prev ? &job->prev->next : &table->first) = job;
	table->last = job;
	table->n++;
	job_ref(job);
	return 0;
}

void job_table_remove(struct job_table *table, struct job *job)
{
	struct job **p = &table->by_id[bucket_of_id(job->shown.id)];

	while (*p && *p != job)
		p = &(*p)->next_of_id;
	if (!*p)
		return;
	*p = job->next_of_id;
	p = &table->by_source[bucket_of_source(job->shown.source_dev, job->shown.source_ino)];
	while (*p != job)
		p = &(*p)->next_of_source;
	*p = job->next_of_source;
	*(job->prev ? &job->prev->next : &table->first) = job->next;
	*(job->next ? &job->next->prev : &table->last) = job->prev;
	job->next = job->prev = NULL;
	table->n--;
	job_unref(job);
}

struct job *job_table_find(const struct job_table *table, const char *id)
{
	struct job *job = table->by_id[bucket_of_id(id)];

	while (job && strcmp(job->shown.id, id) != 0)
		job = job->next_of_id;
	return job;
}

unsigned int job_table_of_uid(const struct job_table *table, uid_t uid)
{
	unsigned int n = 0;

	for (const struct job *job = table->first; job; job = job->next)
		n += job->shown.owner_uid == uid;
	return n;
}

struct job *job_table_of_source(const struct job_table *table, const struct job *after, dev_t dev,
				ino_t ino)
{
	struct job *job =
		after ? after->next_of_source : table->by_source[bucket_of_source(dev, ino)];

	while (job && (job->shown.source_dev != dev || job->shown.source_ino != ino))
		job = job->next_of_source;
	return job;
}

void job_forget_clips(struct job *job)
{
	artifacts_free(job->clips, job->n_clips);
	job->clips = NULL;
	job->n_clips = job->cap_clips = 0;
}

void job_begin_attempt(struct job *job, int64_t now_ms)
{
	job_forget_clips(job);
	free(take_ptr(job->warnings));
	job->n_warnings = 0;
	job->total_clips = 0;
	job->progress = job->shown.progress;
	memcpy(job->message, job->shown.message, sizeof(job->message));
	memset(&job->verdict, 0, sizeof(job->verdict));
	job_begin_child(job, now_ms);
}

void job_begin_child(struct job *job, int64_t now_ms)
{
	job->work = 0;
	job->worked_at_ms = now_ms;
}

static int note_clip(struct job *job, struct artifact *clip)
{
	size_t at = job->n_clips;

	while (at && job->clips[at - 1].number > clip->number)
		at--;
	if (at && job->clips[at - 1].number == clip->number)
		return -EINVAL;
	if (job->n_clips == job->cap_clips) {
		size_t cap = job->cap_clips ? 2 * job->cap_clips : 16;
		struct artifact *clips = realloc(job->clips, cap * sizeof(*clips));

		if (!clips)
			return -ENOMEM;
		job->clips = clips;
		job->cap_clips = cap;
	}
	memmove(&job->clips[at + 1], &job->clips[at], (job->n_clips - at) * sizeof(*clip));
	job->clips[at] = *clip;
	job->n_clips++;
	memset(clip, 0, sizeof(*clip)); /* what it owned is the job's now */
	return 0;
}

static int note_warning(struct job *job, const char *message)
{
	json_t *list;
	char *text = NULL;

	if (job->n_warnings == WARNINGS_MAX)
		return 0;
	list = job->warnings ? json_loads(job->warnings, 0, NULL) : json_array();
	if (list && json_array_append_new(list, json_string(message)) == 0)
		text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	if (!text)
		return -ENOMEM;
	free(job->warnings);
	job->warnings = text;
	job->n_warnings++;
	return 0;
}

/* @return whether it says something that was not known */
static bool note_progress(struct job *job, const struct report *report, int max_progress)
{
	int progress = report->progress < max_progress ? report->progress : max_progress;
	bool is_new = false;

	if (progress > job->progress) {
		job->progress = progress;
		is_new = true;
	}
	if (report->message[0] && strcmp(report->message, job->message) != 0) {
		memcpy(job->message, report->message, sizeof(job->message));
		is_new = true;
	}
	return is_new;
}

int job_note_report(struct job *job, struct report *report, int max_progress, int64_t now_ms)
{
	bool has_worked = false;
	int r = 0;

	switch (report->kind) {
	case REPORT_PHASE:
		/* Said twice it is a heartbeat, and no work. */
		has_worked = note_progress(job, report, max_progress);
		break;
	case REPORT_PLAN:
		has_worked = job->total_clips != report->total_clips;
		job->total_clips = report->total_clips;
		break;
	case REPORT_PROGRESS:
		note_progress(job, report, max_progress);
		has_worked = report->work > job->work;
		if (has_worked)
			job->work = report->work;
		break;
	case REPORT_CLIP:
		r = note_clip(job, &report->artifact);
		has_worked = r == 0;
		break;
	case REPORT_WARNING:
		r = note_warning(job, report->message);
		break;
	case REPORT_LOG:
		break;
	case REPORT_DONE:
		/* What the worker had shared is gone: the clips lie on another volume now. */
		for (size_t i = 0; report->copied_bytes && i < job->n_clips; i++)
			job->clips[i].shared_bytes = 0;
		has_worked = true;
		break;
	case REPORT_FAILED:
		has_worked = true;
		break;
	}
	if (has_worked)
		job->worked_at_ms = now_ms;
	return r;
}

int64_t job_wall_ms(const struct job *job, int64_t wall_ms)
{
	return wall_ms > job->shown.updated_at ? wall_ms : job->shown.updated_at;
}

/* Copy the warnings when there are more than are shown. @return whether that was so */
static bool show_warnings(struct job *job)
{
	char *copy;

	if (!job->warnings || (job->shown.warnings && !strcmp(job->shown.warnings, job->warnings)))
		return false;
	copy = strdup(job->warnings);
	if (!copy)
		return false; /* they are shown at the end */
	free(job->shown.warnings);
	job->shown.warnings = copy;
	return true;
}

unsigned int job_show(struct job *job, uint64_t version, int64_t wall_ms)
{
	struct job_snapshot *shown = &job->shown;
	unsigned int what = 0;

	if (job->is_moving || job->is_ended || shown->state != JOB_RUNNING)
		return 0;
	if (shown->clips_ready != job->n_clips)
		what |= JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS;
	if (shown->progress != job->progress || shown->total_clips != job->total_clips ||
	    strcmp(shown->message, job->message) != 0)
		what |= JOB_CHANGED_TEXT;
	if (show_warnings(job))
		what |= JOB_CHANGED_TEXT;
	if (!what)
		return 0;
	shown->progress = job->progress;
	shown->total_clips = job->total_clips;
	shown->clips_ready = (unsigned int)job->n_clips;
	memcpy(shown->message, job->message, sizeof(shown->message));
	shown->updated_at = job_wall_ms(job, wall_ms);
	shown->version = version;
	return what;
}
