/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A clip on its way from nothing to its name: temporary file, header, payload, check, rename, and
 * at the end of all clips the sync. Whatever mode made the clip.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "clip.h"
#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"

void clip_set_init(struct clip_set *set, const struct media_source *source, int dir_fd,
		   clip_made made, void *made_context)
{
	*set = (struct clip_set){
		.source = source, .dir_fd = dir_fd, .made = made, .made_context = made_context};
}

static void on_synced(void *context, uint64_t units)
{
	listener_worked(context, units);
}

/* Sync and close what is open. */
static int sync_open(struct clip_set *set)
{
	int64_t begun_us = clock_precise_us();
	void *listener = (void *)(uintptr_t)set->source->listener;
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < set->n_open && r == 0; i++)
		r = fstat(set->open_fds[i], &st) < 0
			    ? -errno
			    : file_write_back(set->open_fds[i], st.st_size, on_synced, listener);
	if (r == 0)
		r = file_sync_many(set->open_fds, set->n_open, on_synced, listener);
	listener_synced(set->source->listener, clock_precise_us() - begun_us);
	while (set->n_open)
		if (close(set->open_fds[--set->n_open]) < 0 && r == 0)
			r = -errno;
	return r;
}

int clip_set_sync(struct clip_set *set, struct error *e)
{
	int r = sync_open(set);
	int64_t begun_us = clock_precise_us();

	if (r == 0)
		r = file_sync_dir(set->dir_fd);
	listener_synced(set->source->listener, clock_precise_us() - begun_us);
	return r < 0 ? error_from_errno(e, r, "syncing the clips") : 0;
}

void clip_set_finish(struct clip_set *set)
{
	for (size_t i = 0; i < set->n_open; i++)
		close(set->open_fds[i]);
	set->n_open = 0;
}

int clip_file_begin(struct clip_set *set, const struct mp4_movie *movie, unsigned int number,
		    struct clip_file *clip, struct error *e)
{
	int r;

	*clip = CLIP_FILE_NONE;
	snprintf(clip->tmp_name, sizeof(clip->tmp_name), ".clip_%03u.tmp", number);
	clip->fd = openat(set->dir_fd, clip->tmp_name,
			  O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (clip->fd < 0)
		return error_from_errno(e, -errno, "creating clip %u", number);
	r = mp4_write_header(movie, clip->fd, &clip->header);
	if (r == -ERANGE)
		return error_set(e, SC_LIMIT_EXCEEDED,
				 "a frame of clip %u lasts longer than an MP4 can say (2^32 ticks)",
				 number);
	if (r == -EINVAL)
		return error_set(e, SC_INTERNAL, "clip %u cannot be described as MP4", number);
	if (r == 0)
		r = file_take_blocks(clip->fd, clip->header.file_bytes);
	return r < 0 ? error_from_errno(e, r, "writing clip %u", number) : 0;
}

int clip_file_finish(struct clip_set *set, const struct mp4_movie *movie, struct clip_file *clip,
		     struct artifact *artifact, struct error *e)
{
	int r;

	clip_filename(artifact->number, movie->is_audio, artifact->filename);
	artifact->is_audio = movie->is_audio;
	artifact->size_bytes = clip->header.file_bytes;
	hook_reach("clip-written");
	r = check_clip(clip->fd, movie, artifact->filename, e);
	if (r < 0)
		return r;
	if (renameat(set->dir_fd, clip->tmp_name, set->dir_fd, artifact->filename) < 0)
		return error_from_errno(e, -errno, "naming %s", artifact->filename);
	clip->tmp_name[0] = '\0';
	/* Writing begins now, waiting for it is left to the end; not every file system can. */
	(void)sync_file_range(clip->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (set->n_open == CLIP_SET_OPEN_MAX) {
		r = sync_open(set);
		if (r < 0)
			return error_from_errno(e, r, "syncing the clips");
	}
	set->open_fds[set->n_open++] = take_fd(&clip->fd);
	if (set->made)
		set->made(set->made_context, artifact);
	return 0;
}

void clip_file_discard(struct clip_set *set, struct clip_file *clip)
{
	if (clip->fd >= 0)
		close(clip->fd);
	if (clip->fd >= 0 && clip->tmp_name[0])
		unlinkat(set->dir_fd, clip->tmp_name, 0);
	clip->fd = -1;
}

struct payload_progress {
	const struct media_listener *listener;
	uint64_t done_bytes;
	uint64_t all_bytes;
};

static void payload_worked(void *context, uint64_t bytes)
{
	struct payload_progress *progress = context;

	progress->done_bytes += bytes;
	listener_clip_progress(progress->listener,
			       (double)progress->done_bytes / (double)progress->all_bytes);
	listener_worked(progress->listener, bytes);
}

int clip_set_add(struct clip_set *set, const struct mp4_movie *movie, int payload_fd,
		 struct artifact *artifact, struct error *e)
{
	struct payload_progress progress = {.listener = set->source->listener};
	struct clip_file clip = CLIP_FILE_NONE;
	int r;

	r = clip_file_begin(set, movie, artifact->number, &clip, e);
	if (r == 0) {
		progress.all_bytes =
			(uint64_t)(clip.header.file_bytes - clip.header.payload_pos) | 1;
		r = mp4_write_payload(movie, &clip.header, payload_fd, clip.fd, payload_worked,
				      &progress, &artifact->shared_bytes);
		if (r == -ENODATA)
			error_set_errno(e, r, SC_UPLOAD_CHANGED,
					"the upload became shorter while clip %u was cut",
					artifact->number);
		else if (r < 0)
			error_from_errno(e, r, "writing clip %u", artifact->number);
	}
	if (r == 0)
		r = clip_file_finish(set, movie, &clip, artifact, e);
	clip_file_discard(set, &clip);
	return r;
}
