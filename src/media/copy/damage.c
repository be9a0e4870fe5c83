/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Damage seen without decoding: the lengths of NAL units, and zeros where no codec has them. */
#include "damage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../index/damaged.h"
#include "../index/index_parts.h"

/* Places that are named of one clip. */
#define PLACES_MAX 3

/* Holes of a file that are known; a file with more is sparse by nature. */
#define HOLES_MAX 4096

struct damage_look {
	int fd;
	int flags;          /* of preadv2(2) */
	bool is_shared;     /* its bytes may not be in memory, and reading them would cost */
	struct {
		int64_t start, end;
	} holes[HOLES_MAX]; /* rising */
	size_t n_holes;
};

/* Ranges that were never written: an upload that lost its middle, or came out of order. */
static void find_holes(struct damage_look *look)
{
	off_t at = 0;

	while (look->n_holes < HOLES_MAX) {
		off_t start = lseek(look->fd, at, SEEK_HOLE), end;

		if (start < 0)
			return;
		end = lseek(look->fd, start, SEEK_DATA);
		look->holes[look->n_holes].start = start;
		look->holes[look->n_holes++].end = end < 0 ? INT64_MAX : end;
		if (end < 0)
			return;
		at = end;
	}
}

static bool is_in_hole(const struct damage_look *look, const struct index_sample *s)
{
	size_t low = 0, high = look->n_holes;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (look->holes[mid].end <= s->offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low < look->n_holes && look->holes[low].start < s->offset + s->size;
}

int damage_look_open(const struct media_source *source, struct error *e, struct damage_look **ret)
{
	struct damage_look *look = *ret = calloc(1, sizeof(*look));
	struct statfs fs;

	if (!look)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	look->fd = source->fd;
	look->flags = RWF_NOWAIT;
	look->is_shared = fstatfs(source->fd, &fs) == 0 &&
			  (fs.f_type == XFS_SUPER_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC);
	find_holes(look);
	return 0;
}

/** As pread(2), but only from memory. @return bytes; 0: not there, or an error */
static size_t peek(struct damage_look *look, void *data, size_t len, int64_t offset)
{
	struct iovec part = {data, len};
	ssize_t n;

	do
		n = preadv2(look->fd, &part, 1, offset, look->flags);
	while (n < 0 && errno == EINTR);
	/* File systems without this way of asking do not share blocks: the copy has read it all. */
	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) && look->flags) {
		look->flags = 0;
		return peek(look, data, len, offset);
	}
	return n > 0 ? (size_t)n : 0;
}

static bool is_sample_damaged(struct damage_look *look, const struct index_track *t,
			      const struct index_sample *s)
{
	unsigned int length_bytes = t->nal_length_bytes;
	uint32_t at = 0;
	uint8_t head[DAMAGED_ZEROS_BYTES];

	if (!length_bytes) {
		size_t want = s->size < sizeof(head) ? s->size : sizeof(head);

		return damaged_is_seen(t->codec, 0, head, peek(look, head, want, s->offset), s->size);
	}
	for (int i = 0; i < DAMAGED_UNITS_MAX && s->size - at > length_bytes; i++) {
		if (peek(look, head, length_bytes + 1, s->offset + at) <= length_bytes)
			return false;
		if (damaged_is_unit(head, length_bytes, s->size - at))
			return true;
		at += length_bytes + (uint32_t)damaged_unit_size(head, length_bytes);
	}
	return false;
}

/* @return whether any sample is damaged */
static bool look_at_track(struct damage_look *look, struct index_track *t,
			  const struct copy_track *track, bool with_bytes)
{
	bool any = false;

	for (size_t i = track->n_head; i < track->n_samples; i++) {
		struct index_sample *s = &t->samples[track->numbers[i]];

		s->is_damaged |= (look->n_holes && is_in_hole(look, s)) ||
				 (with_bytes && is_sample_damaged(look, t, s));
		any |= s->is_damaged;
	}
	return any;
}

void damage_look_at(struct damage_look *look, const struct media_source *source,
		    const struct copy_selection *selection, const struct copy_clip *clip)
{
	bool with_bytes = !look->is_shared;

	for (size_t k = 0; k < selection->n_tracks; k++) {
		struct index_track *t = &source->index->tracks[selection->tracks[k]];
		const struct copy_track *track = clip->tracks, *end = track + clip->movie.n_tracks;

		while (track < end && track->source != t)
			track++;
		if (track == end || track->is_spooled || damaged_may_be_zero(t->codec))
			continue;
		/* The picture comes first, and whatever spoils sound beside it rarely spares it. */
		if (!look_at_track(look, t, track, with_bytes) && t->is_video)
			with_bytes = false;
	}
}

/* What one clip shows of a damaged track. */
struct damaged_clip {
	const struct index_track *track;
	int64_t start, end; /* of the clip, in the track's ticks */
	struct {
		int64_t start, end;
	} places[PLACES_MAX];
	size_t n_places;
	size_t n_good; /* shown samples that are whole, as is a keyframe before them */
};

static void add_place(struct damaged_clip *d, int64_t from, int64_t to)
{
	size_t last = d->n_places < PLACES_MAX ? d->n_places : PLACES_MAX;

	from = from > d->start ? from : d->start;
	to = to < d->end ? to : d->end;
	if (from >= to)
		return;
	if (last && from <= d->places[last - 1].end + d->track->frame_ticks) {
		d->places[last - 1].end = to > d->places[last - 1].end ? to : d->places[last - 1].end;
		return;
	}
	if (d->n_places < PLACES_MAX) {
		d->places[d->n_places].start = from;
		d->places[d->n_places].end = to;
	}
	d->n_places++;
}

/* The first sample of a track, in decode order, that can matter to a clip. */
static size_t first_sample(const struct index_track *t, int64_t start)
{
	size_t sync = index_sync_at_or_before(t, start);

	return sync ? t->sync[sync - 1] : 0;
}

/* What lay between a damaged picture and the one before it may be lost altogether. */
static int64_t damage_start(const struct index_track *t, size_t i)
{
	int64_t before = i ? t->samples[i - 1].pts + t->frame_ticks : INT64_MAX;

	return before < t->samples[i].pts ? before : t->samples[i].pts;
}

static void find_places(struct damaged_clip *d)
{
	const struct index_track *t = d->track;
	int64_t from = INT64_MAX; /* of the damage in this group of pictures */
	bool is_decodable = false;

	for (size_t i = first_sample(t, d->start);
	     i < t->n_samples && t->samples[i].dts - t->max_lag < d->end; i++) {
		const struct index_sample *s = &t->samples[i];

		if (s->is_sync && from != INT64_MAX && !s->is_damaged) {
			add_place(d, from, s->pts);
			from = INT64_MAX;
		}
		if (s->is_damaged && !t->is_video)
			add_place(d, s->pts, s->pts + t->frame_ticks);
		else if (s->is_damaged)
			from = damage_start(t, i) < from ? damage_start(t, i) : from;
		is_decodable |= s->is_sync && !s->is_damaged;
		d->n_good += is_decodable && !s->is_damaged && s->pts < d->end &&
			     s->pts + t->frame_ticks > d->start;
	}
	if (from != INT64_MAX)
		add_place(d, from, d->end);
}

/* An edit list's parts one after the other: only within one do samples stand in order. */
static void find_in_parts(struct damaged_clip *d)
{
	const struct index_track *whole = d->track;
	int64_t start = d->start, end = d->end;

	if (!whole->n_parts)
		find_places(d);
	for (size_t k = index_part_from(whole, start); k < whole->n_parts; k++) {
		const struct index_track *part = &whole->parts[k];

		if (part->shown_start >= end)
			break;
		d->track = part;
		d->start = start > part->shown_start ? start : part->shown_start;
		d->end = end < part->shown_end ? end : part->shown_end;
		find_places(d);
	}
	d->track = whole;
	d->start = start;
	d->end = end;
}

static void tell_places(const struct media_source *source, const struct damaged_clip *d,
			size_t number)
{
	const struct index_track *t = d->track;
	char text[PLACES_MAX * 64] = "";
	size_t n = d->n_places < PLACES_MAX ? d->n_places : PLACES_MAX, at = 0;

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.3f to %.3f s",
				       i ? ", " : "",
				       (double)d->places[i].start / t->timescale,
				       (double)d->places[i].end / t->timescale);
	listener_warning(source->listener,
			 "clip %zu: the source is damaged, its %s (stream %u) at %s%s", number,
			 t->is_video ? "picture" : "sound", t->number, text,
			 d->n_places > n ? " and later" : "");
}

static bool has_damage(const struct index_track *t)
{
	for (size_t i = 0; i < t->n_samples; i++)
		if (t->samples[i].is_damaged)
			return true;
	return false;
}

int damage_tell(const struct media_source *source, const struct copy_selection *selection,
		const struct copy_cut *cuts, size_t n_cuts, struct error *e)
{
	uint32_t timescale = index_main(source->index)->timescale;

	for (size_t k = 0; k < selection->n_tracks; k++) {
		const struct index_track *t = &source->index->tracks[selection->tracks[k]];

		if (!has_damage(t))
			continue;
		for (size_t i = 0; i < n_cuts; i++) {
			struct damaged_clip d = {
				.track = t,
				.start = index_rescale(cuts[i].start, t->timescale, timescale),
				.end = index_rescale(cuts[i].end, t->timescale, timescale)};

			find_in_parts(&d);
			if (!d.n_good && d.n_places && t == index_main(source->index))
				return error_set(e, SC_INVALID_MEDIA,
						 "the upload is damaged: nothing of clip %zu (%.3f "
						 "to %.3f s) can be decoded",
						 i + 1, (double)d.start / t->timescale,
						 (double)d.end / t->timescale);
			if (d.n_places)
				tell_places(source, &d, i + 1);
		}
	}
	return 0;
}
