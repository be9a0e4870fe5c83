/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From an MP4's sample tables to an index. Picks the tracks that clips are made of, applies their
 * edit lists, and leaves out what the file names but does not hold.
 */
#include <stdio.h>
#include <string.h>

#include "../mp4/bytes.h"
#include "../mp4/avcc.h"
#include "../mp4/entry.h"
#include "../mp4/field.h"
#include "../mp4/keyframe.h"
#include "../mp4/reader.h"
#include "../source.h"
#include "damaged.h"
#include "index.h"
#include "index_parts.h"
#include "text_track.h"

#define HANDLER_VIDEO FOURCC('v', 'i', 'd', 'e')
#define HANDLER_SOUND FOURCC('s', 'o', 'u', 'n')
#define CODEC_TX3G    FOURCC('t', 'x', '3', 'g')
#define TKHD_ENABLED  1u
/* Enough of a sample for what stands before its first slice, but for the longest messages. */
#define FIELD_BYTES 2048

struct build {
	const struct mp4_file *file;
	const struct mp4_input *input;
	const struct media_listener *listener;
	struct error *e;
	struct media_index *index;
	size_t samples_left; /* of INDEX_MAX_SAMPLES */
};

/* Those whose edits matter. */
static bool is_media(const struct mp4_track *t)
{
	return t->handler == HANDLER_VIDEO || t->handler == HANDLER_SOUND;
}

bool index_mp4_is_simple(const struct mp4_file *file)
{
	if (file->is_fragmented || file->is_compressed)
		return false;
	for (size_t i = 0; i < file->n_tracks; i++) {
		const struct mp4_track *t = &file->tracks[i];
		auto_free struct edit_part *parts = NULL;
		size_t n;

		if (is_media(t) && t->timescale && edit_parts_read(file, t, &parts, &n) < 0)
			return false;
	}
	return true;
}

bool index_has_parts(const struct media_index *index)
{
	for (size_t i = 0; i < index->n_tracks; i++)
		if (index->tracks[i].n_parts)
			return true;
	return false;
}

/* The first part that a track presents; all of it where its list cannot be followed. */
static struct edit_part first_part(const struct mp4_file *file, const struct mp4_track *t)
{
	auto_free struct edit_part *parts = NULL;
	size_t n;

	if (edit_parts_read(file, t, &parts, &n) < 0)
		return (struct edit_part){.duration = INT64_MAX};
	return parts[0];
}

static const char *kind_of(const struct mp4_track *t)
{
	static const struct {
		char handler[5];
		const char *kind;
	} kinds[] = {
		{"vide", "video"},    {"soun", "audio"},    {"sbtl", "subtitle"},
		{"text", "text"},     {"subt", "subtitle"}, {"clcp", "captions"},
		{"tmcd", "timecode"}, {"meta", "metadata"}, {"hint", "hint"},
		{"subp", "subtitle"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(kinds); i++)
		if (t->handler == get_be32((const uint8_t *)kinds[i].handler))
			return kinds[i].kind;
	return "data";
}

/* The picture: enabled before disabled, larger before smaller, what can be copied before what
 * must be decoded. */
static const struct mp4_track *pick_video(const struct mp4_file *file)
{
	const struct mp4_track *best = NULL;
	uint64_t best_score = 0;

	for (size_t i = 0; i < file->n_tracks; i++) {
		const struct mp4_track *t = &file->tracks[i];
		struct entry_info info;
		uint64_t score;

		entry_read_info(t, &info);
		if (t->handler != HANDLER_VIDEO || !t->n_samples || !t->timescale ||
		    info.is_picture)
			continue;
		score = 1 + ((uint64_t)(t->width >> 16) * (t->height >> 16));
		score |= (t->flags & TKHD_ENABLED) ? 1ull << 40 : 0;
		score |= info.is_copyable ? 1ull << 39 : 0;
		if (score > best_score) {
			best_score = score;
			best = t;
		}
	}
	return best;
}

/* Duration of a track whose samples are not listed, by its runs of equal steps. */
static int64_t table_duration(const struct mp4_track *t)
{
	uint64_t left = t->n_samples;
	int64_t sum = 0;

	for (uint32_t i = 0; i < t->stts.n && left; i++) {
		uint64_t n = get_be32(t->stts.data + 8 * (size_t)i);
		int64_t step;

		n = n < left ? n : left;
		left -= n;
		if (__builtin_mul_overflow((int64_t)n, get_be32(t->stts.data + 8 * (size_t)i + 4),
					   &step) ||
		    __builtin_add_overflow(sum, step, &sum) || sum > INT64_MAX / 4)
			return INT64_MAX / 4;
	}
	return sum;
}

static bool is_inside(const struct build *b, const struct mp4_sample *s)
{
	return s->offset >= 0 && s->offset <= b->input->size_bytes &&
	       s->size <= b->input->size_bytes - s->offset;
}

/*
 * Leave out the samples that the file does not hold: few of them with a warning, its end missing
 * by more than max(1 s, 1 %) as an upload cut short.
 */
static int drop_outside(struct build *b, const struct mp4_track *t, struct mp4_sample *samples,
			size_t *n)
{
	int64_t start = INT64_MAX, end = INT64_MIN, held = INT64_MIN, bound;
	int64_t first_lost = INT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		int64_t sample_end = samples[i].pts + samples[i].duration;

		start = samples[i].pts < start ? samples[i].pts : start;
		end = sample_end > end ? sample_end : end;
		if (!is_inside(b, &samples[i])) {
			first_lost = samples[i].pts < first_lost ? samples[i].pts : first_lost;
			continue;
		}
		held = sample_end > held ? sample_end : held;
		samples[kept++] = samples[i];
	}
	if (kept == *n)
		return 0;
	bound = (end - start) / 100 > t->timescale ? (end - start) / 100 : t->timescale;
	if (!kept || end - held > bound)
		return error_set(
			b->e, SC_UPLOAD_INCOMPLETE,
			"the upload ends early: its index names %.3f s, its bytes hold %.3f s",
			(double)(end - start) / t->timescale,
			kept ? (double)(held - start) / t->timescale : 0.0);
	listener_warning(
		b->listener,
		"%zu samples of stream %u lie outside the file and are left out, the first "
		"at %.3f s",
		*n - kept, (unsigned int)(t - b->file->tracks), (double)first_lost / t->timescale);
	*n = kept;
	return 0;
}

/* The first bytes of a sample, and more of them where messages stand before the picture. Where
 * they show damage it is no keyframe: nobody can begin there. */
static int read_picture(const struct build *b, struct index_sample *s,
			const struct entry_info *info, struct nal_picture *ret)
{
	/* The encoder's name, some 800 bytes in x264's case, often stands before the first. */
	static const size_t tries[] = {2048, 65536};
	uint8_t data[65536];

	*ret = (struct nal_picture){.recovery_frames = -1};
	for (size_t i = 0; i < SC_ARRAY_SIZE(tries) && !ret->has_slice; i++) {
		size_t want = s->size < tries[i] ? s->size : tries[i];
		ssize_t n = b->input->read(b->input->context, data, want, s->offset);

		if (n < 0)
			return error_from_errno(b->e, (int)n, "reading the upload");
		keyframe_read(info->codec, data, (size_t)n, info->nal_length_bytes, ret);
		if (!strcmp(info->codec, "mpeg4") && keyframe_is_packed_mpeg4(data, (size_t)n))
			return -ENOTSUP;
		if (!ret->has_slice && damaged_is_seen(info->codec, info->nal_length_bytes, data,
						      (size_t)n, s->size)) {
			s->is_damaged = true;
			s->is_sync = false;
			return 0;
		}
		if (s->size <= tries[i])
			break;
	}
	return 0;
}

/**
 * What the container's keyframes really are. A file without a table of them claims that all samples
 * are, which is true of pictures without reference to others only.
 */
static int look_at_keyframes(struct build *b, const struct mp4_track *t, struct index_track *track)
{
	struct entry_info info;
	size_t n_intra = 0;

	entry_read_info(t, &info);
	if (!track->is_video || !info.is_copyable)
		return 0;
	for (size_t i = 0; i < track->n_samples; i++) {
		struct index_sample *s = &track->samples[i];
		struct nal_picture picture;
		int r;

		if (!s->is_sync)
			continue;
		r = read_picture(b, s, &info, &picture);
		if (r == -ENOTSUP) {
			track->is_copyable = false;
			track->obstacle = OBSTACLE_PACKED;
			return 0;
		}
		if (r < 0)
			return r;
		index_note_picture(s, &picture);
		track->set_ids |= picture.set_ids;
		track->has_cra |= picture.is_cra;
		if (!t->has_sync_table && !picture.has_slice)
			s->is_sync = false;
		n_intra += s->is_sync && !s->is_gradual;
		if (!t->has_sync_table && picture.has_slice && !picture.is_idr && picture.is_intra)
			s->is_gradual =
				true; /* for now: an I picture, by its own word no keyframe */
	}
	for (size_t i = 0; i < track->n_samples && !t->has_sync_table; i++) {
		struct index_sample *s = &track->samples[i];

		if (n_intra < track->n_samples && s->is_gradual)
			s->is_sync = false;
		s->is_gradual = false;
	}
	return 0;
}

/* Frames of H.264 that are two samples; only interlaced video has such, and is looked through. */
static int look_for_fields(struct build *b, struct index_track *track)
{
	enum field open = FIELD_NONE;
	struct field_form form;
	const uint8_t *avcc;
	uint8_t data[FIELD_BYTES];
	size_t len;

	if (!track->is_video || !track->stsd || strcmp(track->codec, "h264") != 0 ||
	    avcc_find(track->stsd, track->stsd_len, &avcc, &len) < 0)
		return 0;
	field_form_read(avcc, len, &form);
	for (size_t i = 0; i < track->n_samples && form.is_possible; i++) {
		struct index_sample *s = &track->samples[i];
		size_t want = s->size < sizeof(data) ? s->size : sizeof(data);
		ssize_t n = b->input->read(b->input->context, data, want, s->offset);

		if (n < 0)
			return error_from_errno(b->e, (int)n, "reading the upload");
		s->is_second = field_is_second(&open, field_read(&form, data, (size_t)n,
								 track->nal_length_bytes));
		s->is_sync &= !s->is_second;
		track->has_fields |= s->is_second;
	}
	return 0;
}

/* A track's samples as its tables have them, as far as the file holds them. */
static int read_samples(struct build *b, const struct mp4_track *t, struct index_track *track,
			struct mp4_sample **ret, size_t *ret_n)
{
	auto_free struct mp4_sample *samples = NULL;
	size_t n = 0;
	int r = mp4_track_expand(t, b->samples_left, &samples, &n);

	if (r == -E2BIG)
		return error_set(b->e, SC_LIMIT_EXCEEDED,
				 "the upload has more than %d samples: stream %u alone names %u",
				 INDEX_MAX_SAMPLES, track->number, t->n_samples);
	if (r == -ENOMEM)
		return error_from_errno(b->e, r, "reading the upload's index");
	if (r < 0)
		return error_set(b->e, SC_INVALID_MEDIA, "the index of stream %u is damaged",
				 track->number);
	b->samples_left -= n;
	for (size_t i = 0; i < n; i++)
		if (samples[i].description != 1) {
			track->is_copyable = false;
			track->obstacle = "which changes its form midway";
		}
	r = drop_outside(b, t, samples, &n);
	if (r < 0)
		return r;
	*ret = take_ptr(samples);
	*ret_n = n;
	return 0;
}

/* All of a track is presented, or one part of it. */
static int complete_part(struct build *b, const struct mp4_track *t, struct index_track *track,
			 const struct mp4_sample *samples, const struct edit_part *part)
{
	int64_t shift = part->delay - part->media_time, last = INT64_MIN, last_ticks = 0, edit_end;
	int r;

	edit_end = part->duration == INT64_MAX ? INT64_MAX : part->delay + part->duration;
	for (size_t i = 0; i < track->n_samples; i++) {
		struct index_sample *s = &track->samples[i];

		s->dts += shift;
		s->pts += shift;
		track->end_dts = s->dts + samples[i].duration;
		if (s->pts >= last && s->pts < edit_end) {
			last = s->pts;
			last_ticks = samples[i].duration;
		}
	}
	r = index_track_complete(track, last_ticks, part->delay, edit_end, b->listener);
	if (r == 0 && track->is_video && t->n_edits)
		track->snapped = track->shown_start - part->delay;
	return r;
}

/* Also where they come to one part: libavformat goes from edit to edit for all that. */
static bool has_several_edits(const struct mp4_track *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_edits; i++)
		n += t->edits[i].media_time >= 0;
	return n > 1;
}

static int add_samples(struct build *b, const struct mp4_track *t, struct index_track *track)
{
	auto_free struct edit_part *parts = NULL;
	auto_free struct mp4_sample *samples = NULL;
	size_t n = 0, n_parts = 0;
	int r = edit_parts_read(b->file, t, &parts, &n_parts);

	if (r < 0) /* only whether the bytes are there is asked of such a file */
		parts = calloc(n_parts = 1, sizeof(*parts));
	if (!parts)
		return error_from_errno(b->e, -ENOMEM, "reading the upload's index");
	if (r < 0)
		parts[0].duration = INT64_MAX;
	r = read_samples(b, t, track, &samples, &n);
	if (r < 0)
		return r;
	track->samples = calloc(n + 1, sizeof(*track->samples));
	if (!track->samples)
		return error_from_errno(b->e, -ENOMEM, "reading the upload's index");
	track->n_samples = n;
	for (size_t i = 0; i < n; i++)
		track->samples[i] = (struct index_sample){.dts = samples[i].dts,
							  .pts = samples[i].pts,
							  .offset = samples[i].offset,
							  .size = samples[i].size,
							  .is_sync = samples[i].is_sync};
	r = look_at_keyframes(b, t, track);
	if (r == 0)
		r = look_for_fields(b, track);
	if (r < 0)
		return r;
	if (!has_several_edits(t)) {
		r = complete_part(b, t, track, samples, &parts[0]);
	} else {
		b->samples_left += n; /* the parts' own take their place */
		r = index_parts_complete(track, samples, parts, n_parts, &b->samples_left,
					 b->listener);
	}
	if (r == -E2BIG)
		return error_set(b->e, SC_LIMIT_EXCEEDED,
				 "the edit list of stream %u presents more than %d samples",
				 track->number, INDEX_MAX_SAMPLES);
	return r == -ENOMEM ? error_from_errno(b->e, r, "reading the upload's index") : r;
}

/* Sound that is not copied needs no list: its duration will do. */
static int add_duration(struct build *b, const struct mp4_track *t, struct index_track *track)
{
	struct edit_part part = first_part(b->file, t);
	int64_t duration = table_duration(t) - part.media_time;

	if (part.duration < duration)
		duration = part.duration;
	track->shown_start = part.delay;
	track->shown_end = part.delay + duration;
	track->end_dts = track->shown_end;
	track->frame_ticks = t->timescale / 50 ? t->timescale / 50 : 1;
	return duration > 0 ? 0 : -ENODATA;
}

static int fill_track(struct build *b, const struct mp4_track *t, struct index_track *track)
{
	struct entry_info info;
	auto_buf struct buf stsd = BUF_EMPTY;

	entry_read_info(t, &info);
	track->is_video = t->handler == HANDLER_VIDEO;
	track->is_copyable = info.is_copyable;
	memcpy(track->codec, info.codec, sizeof(track->codec));
	track->nal_length_bytes = info.nal_length_bytes;
	track->timescale = t->timescale;
	track->alternate_group = t->alternate_group;
	track->is_disabled = !(t->flags & TKHD_ENABLED);
	memcpy(track->matrix, t->matrix, sizeof(track->matrix));
	track->width = t->width;
	track->height = t->height;
	memcpy(track->language, t->language, sizeof(track->language));
	if (t->handler_name) {
		track->handler_name = strdup(t->handler_name);
		if (!track->handler_name)
			return error_from_errno(b->e, -ENOMEM, "reading the upload's index");
	}
	if (t->name) {
		track->name = strdup(t->name);
		if (!track->name)
			return error_from_errno(b->e, -ENOMEM, "reading the upload's index");
	}
	if (!track->is_copyable)
		return 0;
	if (entry_copy(t, &stsd) == -EBADMSG) {
		track->is_copyable = false;
		track->obstacle = "damaged in its description";
		return 0;
	}
	track->stsd = (uint8_t *)buf_take(&stsd, &track->stsd_len);
	return track->stsd ? 0 : error_from_errno(b->e, -ENOMEM, "reading the upload's index");
}

/* @return 1 added, 0 has nothing to present, or a negative errno */
static int add_track(struct build *b, const struct mp4_track *t)
{
	struct index_track *track = &b->index->tracks[b->index->n_tracks];
	struct entry_info info;
	int r;

	entry_read_info(t, &info);
	if (info.is_encrypted)
		return error_set(b->e, SC_INVALID_MEDIA, "the upload is encrypted (%s)",
				 info.codec);
	if (t->is_external)
		return error_set(b->e, SC_INVALID_MEDIA,
				 "the upload only refers to another file that holds its %s",
				 kind_of(t));
	b->index->n_tracks++; /* from here on index_free() knows of it */
	track->number = (unsigned int)(t - b->file->tracks);
	r = fill_track(b, t, track);
	if (r < 0)
		return r;
	r = track->is_video || track->is_copyable ? add_samples(b, t, track)
						  : add_duration(b, t, track);
	if (r == -ENODATA) {
		index_track_finish(track);
		b->index->n_tracks--;
		return 0;
	}
	return r < 0 ? r : 1;
}

/* @return as index_add_mp4_text() */
static int add_text(struct build *b, size_t number)
{
	const struct mp4_track *t = &b->file->tracks[number];
	struct edit_part part;

	if (!t->timescale || b->index->n_tracks + b->index->n_texts >= INDEX_MAX_TRACKS)
		return 0;
	/* Only libavformat puts these together. */
	b->index->has_edited_texts |= t->codec == CODEC_TX3G && has_several_edits(t);
	part = first_part(b->file, t);
	return index_add_mp4_text(b->index, t, (unsigned int)number, b->input,
				  index_ticks_to_us(part.delay, t->timescale), part.media_time,
				  b->e);
}

static bool is_sound(const struct mp4_track *t)
{
	return t->handler == HANDLER_SOUND && t->timescale && t->n_samples;
}

static int add_tracks(struct build *b, struct buf *dropped)
{
	const struct mp4_track *video = pick_video(b->file);
	int r = video ? add_track(b, video) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < b->file->n_tracks; i++) {
		const struct mp4_track *t = &b->file->tracks[i];
		struct entry_info info;

		if (t == video)
			continue;
		r = 0;
		if (!is_sound(t))
			r = add_text(b, i);
		else if (b->index->n_tracks + b->index->n_texts < INDEX_MAX_TRACKS)
			r = add_track(b, t);
		if (r < 0)
			return r;
		entry_read_info(t, &info);
		if (r == 0)
			index_add_dropped(dropped, (unsigned int)i,
					  info.is_picture ? "picture" : kind_of(t), info.codec);
	}
	return 0;
}

int index_from_mp4(const struct mp4_file *file, const struct mp4_input *input,
		   const struct media_listener *listener, struct error *e, struct media_index **ret)
{
	auto_of(media_index) struct media_index *index = calloc(1, sizeof(*index));
	auto_buf struct buf dropped = BUF_EMPTY;
	struct build b = {.file = file,
			  .input = input,
			  .listener = listener,
			  .e = e,
			  .index = index,
			  .samples_left = INDEX_MAX_SAMPLES};
	int r;

	if (!index)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	index->tracks = calloc(INDEX_MAX_TRACKS + 1, sizeof(*index->tracks));
	index->texts = calloc(INDEX_MAX_TEXTS, sizeof(*index->texts));
	if (!index->tracks || !index->texts)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	index->creation_time = file->creation_time;
	index->zero_timescale = 1;
	r = add_tracks(&b, &dropped);
	if (r < 0)
		return r;
	if (!index->n_tracks && file->is_reference)
		return error_set(e, SC_INVALID_MEDIA,
				 "the upload only refers to other files that hold its picture and "
				 "sound");
	if (!index->n_tracks)
		return error_set(e, SC_INVALID_MEDIA,
				 "the upload holds neither a picture nor sound, of %zu streams",
				 file->n_tracks);
	if (!dropped.len)
		buf_add_str(&dropped, "[]");
	index->dropped = buf_take(&dropped, NULL);
	if (!index->dropped)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	*ret = take_ptr(index);
	return 0;
}
