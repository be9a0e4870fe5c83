/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A finished clip is read again as any player would and compared with what was meant. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../mp4/bytes.h"
#include "../mp4/reader.h"
#include "clip.h"

struct check {
	const struct mp4_movie *movie;
	const char *name;
	int64_t size_bytes;
	int64_t payload_pos;
	struct error *e;
};

static int check_samples(const struct check *c, size_t number, const struct mp4_sample *samples,
			 size_t n)
{
	const struct mp4_out_track *out = &c->movie->tracks[number];
	int64_t shift = n ? samples[0].pts - out->samples[0].pts : 0;

	if (n != out->n_samples)
		return error_set(c->e, SC_VERIFY_FAILED, "%s: track %zu has %zu samples, not %zu",
				 c->name, number + 1, n, out->n_samples);
	if (!samples[0].is_sync)
		return error_set(c->e, SC_VERIFY_FAILED, "%s: track %zu begins without a keyframe",
				 c->name, number + 1);
	for (size_t i = 0; i < n; i++) {
		const struct mp4_sample *s = &samples[i];
		const struct mp4_out_sample *meant = &out->samples[i];

		if (s->size != meant->size || s->is_sync != meant->is_sync ||
		    s->dts != meant->dts - out->samples[0].dts || s->pts != meant->pts + shift)
			return error_set(c->e, SC_VERIFY_FAILED,
					 "%s: sample %zu of track %zu is not what was written",
					 c->name, i, number + 1);
		if (s->offset < c->payload_pos || s->offset > c->size_bytes - s->size)
			return error_set(c->e, SC_VERIFY_FAILED,
					 "%s: sample %zu of track %zu lies outside the file",
					 c->name, i, number + 1);
	}
	return 0;
}

/* One part of what is presented: where it begins among the samples, and for how long. */
static int check_edit(const struct check *c, size_t number, const struct mp4_edit *edit,
		      const struct mp4_out_edit *meant, int64_t first_pts)
{
	const struct mp4_out_track *out = &c->movie->tracks[number];
	int64_t tolerance = out->timescale / c->movie->timescale + 1, measured;

	measured = edit->media_time - first_pts;
	if (measured != meant->start - out->samples[0].pts)
		return error_set(c->e, SC_VERIFY_FAILED, "%s: track %zu begins at a wrong time",
				 c->name, number + 1);
	measured = index_rescale((int64_t)edit->duration, out->timescale, c->movie->timescale) -
		   (meant->end - meant->start);
	if (measured > tolerance || -measured > tolerance)
		return error_set(c->e, SC_VERIFY_FAILED, "%s: track %zu has a wrong duration",
				 c->name, number + 1);
	return 0;
}

static int check_edits(const struct check *c, size_t number, const struct mp4_track *track,
		       const struct mp4_sample *samples)
{
	const struct mp4_out_track *out = &c->movie->tracks[number];
	const struct mp4_out_edit whole = {out->shown_start, out->shown_end};
	const struct mp4_out_edit *meant = out->n_edits ? out->edits : &whole;
	size_t n = out->n_edits ? out->n_edits : 1, n_before = out->delay ? 1 : 0;
	int r = 0;

	if (track->timescale != out->timescale || track->n_edits != n_before + n)
		return error_set(c->e, SC_VERIFY_FAILED, "%s: track %zu has a wrong edit list",
				 c->name, number + 1);
	for (size_t i = 0; i < n && r == 0; i++)
		r = check_edit(c, number, &track->edits[n_before + i], &meant[i], samples[0].pts);
	return r;
}

/* What its decoder is set up by: the source's own, or with a head's parameter sets beside them. */
static int check_description(const struct check *c, size_t number, const struct mp4_track *track)
{
	const struct mp4_out_track *out = &c->movie->tracks[number];

	if (!track->entry || track->entry_len + 4 != out->stsd_len ||
	    memcmp(track->entry, out->stsd + 4, track->entry_len) != 0)
		return error_set(c->e, SC_VERIFY_FAILED,
				 "%s: the description of track %zu is not what was written",
				 c->name, number + 1);
	return 0;
}

/* What a player takes it for, under which name, and whether before others. */
static int check_kind(const struct check *c, size_t number, const struct mp4_track *track)
{
	const struct mp4_out_track *out = &c->movie->tracks[number];
	uint32_t handler = out->is_video  ? FOURCC('v', 'i', 'd', 'e')
			   : out->is_text ? FOURCC('s', 'b', 't', 'l')
					  : FOURCC('s', 'o', 'u', 'n');
	const char *name = out->name ? out->name : "";

	if (track->handler != handler || strcmp(track->name ? track->name : "", name) != 0 ||
	    track->flags != (out->flags ? out->flags : MP4_TRACK_ENABLED))
		return error_set(c->e, SC_VERIFY_FAILED, "%s: track %zu is of another kind",
				 c->name, number + 1);
	return 0;
}

static int check_track(const struct check *c, size_t number, const struct mp4_track *track)
{
	auto_free struct mp4_sample *samples = NULL;
	size_t n = 0;
	int r = check_description(c, number, track);

	if (r == 0)
		r = check_kind(c, number, track);
	if (r < 0)
		return r;
	r = mp4_track_expand(track, INT32_MAX, &samples, &n);
	if (r == -ENOMEM)
		return error_from_errno(c->e, r, "checking %s", c->name);
	if (r < 0)
		return error_set(c->e, SC_VERIFY_FAILED, "%s: the tables of track %zu are damaged",
				 c->name, number + 1);
	r = check_samples(c, number, samples, n);
	return r < 0 ? r : check_edits(c, number, track, samples);
}

int check_clip(int fd, const struct mp4_movie *movie, const char *name, struct error *e)
{
	auto_of(mp4_file) struct mp4_file *file = NULL;
	struct check c = {.movie = movie, .name = name, .e = e};
	struct mp4_input input;
	struct error inner = {0};
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return error_from_errno(e, -errno, "checking %s", name);
	c.size_bytes = c.payload_pos = st.st_size;
	for (size_t i = 0; i < movie->n_ranges; i++)
		c.payload_pos -= movie->ranges[i].length;
	if (c.payload_pos <= 0 || c.payload_pos % MP4_BLOCK)
		return error_set(e, SC_VERIFY_FAILED, "%s has %lld bytes, which cannot be all", name,
				 (long long)st.st_size);
	input = mp4_input_from_fd(&fd, st.st_size);
	r = mp4_file_read(&input, &inner, &file);
	if (r < 0 && (inner.code == SC_IO_ERROR || inner.code == SC_OUT_OF_MEMORY))
		return error_set_errno(e, r, inner.code, "checking %s: %s", name, inner.message);
	if (r < 0)
		return error_set(e, SC_VERIFY_FAILED, "%s: %s", name, inner.message);
	if (file->n_tracks != movie->n_tracks || file->timescale != movie->timescale)
		return error_set(e, SC_VERIFY_FAILED, "%s has %zu tracks, not %zu", name,
				 file->n_tracks, movie->n_tracks);
	for (size_t i = 0; i < movie->n_tracks && r == 0; i++)
		r = check_track(&c, i, &file->tracks[i]);
	return r;
}
