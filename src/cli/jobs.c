/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs as the mount's files tell of them. */
#include "jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "signals.h"
#include "storyclip/common/buf.h"
#include "times.h"

#define STATUS_MAX (64u << 20) /* 10000 clips with long names stay far below */

void job_status_finish(struct job_status *status)
{
	free(status->message);
	free(status->upload_id);
	free(status->error_code);
	free(status->error_message);
	*status = (struct job_status){0};
}

static char *copy_text(const json_t *value)
{
	const char *text = json_string_value(value);

	return strdup(text ? text : "");
}

static int64_t read_time(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	int64_t ms = 0;

	if (text)
		times_parse_utc(text, &ms);
	return ms;
}

static int64_t read_number(const json_t *json, const char *key, int64_t otherwise)
{
	const json_t *value = json_object_get(json, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static int read_status(const json_t *json, struct job_status *s)
{
	const char *id = json_string_value(json_object_get(json, "id"));
	const char *state = json_string_value(json_object_get(json, "status"));
	const json_t *error = json_object_get(json, "error");

	if (!id || !job_id_is_valid(id) || !state || job_state_from_name(state, &s->state) < 0)
		return -EBADMSG;
	memcpy(s->id, id, strlen(id) + 1);
	s->progress = (int)read_number(json, "progress", 0);
	s->total_clips = (int)read_number(json, "totalClips", -1);
	s->clips_ready = (int)read_number(json, "clipsReady", 0);
	s->attempt = (int)read_number(json, "attempt", 0);
	s->processing_ms = read_number(json, "processingMs", -1);
	s->n_warnings = json_array_size(json_object_get(json, "warnings"));
	s->created_ms = read_time(json, "createdAt");
	s->started_ms = read_time(json, "startedAt");
	s->finished_ms = read_time(json, "finishedAt");
	s->message = copy_text(json_object_get(json, "message"));
	s->upload_id = copy_text(json_object_get(json, "uploadId"));
	s->error_code = copy_text(json_object_get(error, "code"));
	s->error_message = copy_text(json_object_get(error, "message"));
	return s->message && s->upload_id && s->error_code && s->error_message ? 0 : -ENOMEM;
}

int job_status_parse(const char *text, struct job_status *ret)
{
	auto_status struct job_status s = {0};
	json_t *json = json_loads(text, 0, NULL);
	int r = read_status(json, &s);

	json_decref(json);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct job_status){0};
	return 0;
}

int clip_names_parse(const char *text, struct clip_names *ret)
{
	json_t *json = json_loads(text, 0, NULL);
	const json_t *artifacts = json_object_get(json_object_get(json, "result"), "artifacts");
	size_t n = json_array_size(artifacts);
	auto_free char(*names)[24] = calloc(n ? n : 1, sizeof(*names));
	size_t kept = 0;

	for (size_t i = 0; names && i < n; i++) {
		const json_t *clip = json_array_get(artifacts, i);
		const char *name = json_string_value(json_object_get(clip, "filename"));

		/* Such a name is no way out of the directory either. */
		if (!name || !clip_number_from_filename(name) ||
		    json_is_true(json_object_get(clip, "deleted")))
			continue;
		snprintf(names[kept++], sizeof(names[0]), "%s", name);
	}
	json_decref(json);
	if (!names)
		return -ENOMEM;
	ret->names = take_ptr(names);
	ret->n = kept;
	return 0;
}

/* Unlike file_read_text, a caught signal ends it: `wait` may block for hours. */
static int read_text(int fd, struct buf *text)
{
	char chunk[16384];

	while (text->len < STATUS_MAX) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR && !signals_caught())
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return buf_error(text);
		buf_add(text, chunk, (size_t)n);
	}
	return -EFBIG;
}

int job_read(int dir_fd, const char *id, const char *file, struct job_status *ret, char **ret_text,
	     struct timespec *ret_mtime)
{
	auto_buf struct buf text = BUF_EMPTY;
	char path[JOB_ID_SIZE + 32];
	auto_fd int fd = -1;
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "jobs/%s/%s", id, file);
	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = read_text(fd, &text);
	if (r < 0)
		return r;
	r = job_status_parse(text.len ? text.data : "", ret);
	if (r < 0)
		return r;
	if (ret_mtime)
		*ret_mtime = st.st_mtim;
	if (!ret_text)
		return 0;
	*ret_text = buf_take(&text, NULL);
	if (*ret_text)
		return 0;
	job_status_finish(ret);
	return -ENOMEM;
}

void job_list_finish(struct job_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		job_status_finish(&list->rows[i].status);
	free(list->rows);
	*list = (struct job_list){0};
}

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct job_row *)a)->status.id,
		      ((const struct job_row *)b)->status.id);
}

/*
 * Move the row out of the list of last time, if it is still true. Only of ended jobs: those that
 * run change often enough for two versions within one tick of the clock.
 */
static bool take_known(struct job_list *old, int jobs_fd, const char *id, struct job_row *ret)
{
	struct job_row key = {0}, *known;
	char path[JOB_ID_SIZE + 16];
	struct stat st;

	if (!old->n)
		return false;
	memcpy(key.status.id, id, strlen(id) + 1);
	known = bsearch(&key, old->rows, old->n, sizeof(key), compare_rows);
	if (!known || !known->status.message || !job_state_is_final(known->status.state))
		return false;
	snprintf(path, sizeof(path), "%.*s/status", JOB_ID_MAX, id);
	if (fstatat(jobs_fd, path, &st, 0) < 0 || st.st_mtim.tv_sec != known->mtime.tv_sec ||
	    st.st_mtim.tv_nsec != known->mtime.tv_nsec)
		return false;
	/* The id stays behind: the old list must remain sorted. */
	*ret = *known;
	known->status.message = known->status.upload_id = NULL;
	known->status.error_code = known->status.error_message = NULL;
	return true;
}

static int list_add(struct job_list *list, size_t *cap, const struct job_row *row)
{
	if (list->n == *cap) {
		size_t more = *cap ? *cap * 2 : 64;
		struct job_row *rows = reallocarray(list->rows, more, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		list->rows = rows;
		*cap = more;
	}
	list->rows[list->n++] = *row;
	return 0;
}

static int list_fill(struct job_list *list, struct job_list *old, int dir_fd, DIR *dir)
{
	size_t cap = 0;
	int r;

	for (;;) {
		struct job_row row = {0};
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (!job_id_is_valid(entry->d_name))
			continue;
		if (!take_known(old, dirfd(dir), entry->d_name, &row)) {
			r = job_read(dir_fd, entry->d_name, "status", &row.status, NULL,
				     &row.mtime);
			if (r == -ENOTCONN || r == -ENOMEM || r == -EINTR)
				return r;
			if (r < 0) /* removed meanwhile, or not to be read: no row */
				continue;
		}
		r = list_add(list, &cap, &row);
		if (r < 0) {
			job_status_finish(&row.status);
			return r;
		}
	}
}

int job_list_refresh(struct job_list *list, int dir_fd)
{
	auto_job_list struct job_list fresh = {0};
	struct job_list old;
	DIR *dir;
	int fd, r;

	fd = openat(dir_fd, "jobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	r = list_fill(&fresh, list, dir_fd, dir);
	closedir(dir);
	if (r < 0)
		return r;
	if (fresh.n)
		qsort(fresh.rows, fresh.n, sizeof(*fresh.rows), compare_rows);
	old = *list;
	*list = fresh;
	fresh = old;
	return 0;
}

typedef int (*status_compare)(const struct job_status *a, const struct job_status *b);

static int compare_pointers(const void *a, const void *b, void *compare)
{
	return (*(status_compare *)compare)(*(const struct job_status *const *)a,
					    *(const struct job_status *const *)b);
}

const struct job_status **job_list_sorted(const struct job_list *list, status_compare compare)
{
	const struct job_status **sorted = calloc(list->n ? list->n : 1, sizeof(*sorted));

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < list->n; i++)
		sorted[i] = &list->rows[i].status;
	qsort_r(sorted, list->n, sizeof(*sorted), compare_pointers, &compare);
	return sorted;
}

static int compare_times(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

int job_compare_newest(const struct job_status *a, const struct job_status *b)
{
	int r = compare_times(b->created_ms, a->created_ms);

	return r ? r : strcmp(b->id, a->id);
}

int job_compare_active(const struct job_status *a, const struct job_status *b)
{
	static const int rank[JOB_STATE_COUNT] = {
		[JOB_RUNNING] = 0, [JOB_QUEUED] = 1,    [JOB_DONE] = 2,
		[JOB_FAILED] = 2,  [JOB_CANCELLED] = 2,
	};
	int r = rank[a->state] - rank[b->state];

	if (!r && job_state_is_final(a->state))
		r = compare_times(b->finished_ms, a->finished_ms);
	else if (!r)
		r = compare_times(a->created_ms, b->created_ms);
	return r ? r : strcmp(a->id, b->id);
}

void job_format_clips(const struct job_status *status, char out[JOB_CLIPS_SIZE])
{
	if (status->total_clips < 0)
		snprintf(out, JOB_CLIPS_SIZE, "-");
	else if (status->state == JOB_DONE)
		snprintf(out, JOB_CLIPS_SIZE, "%d", status->total_clips);
	else
		snprintf(out, JOB_CLIPS_SIZE, "%d/%d", status->clips_ready, status->total_clips);
}
