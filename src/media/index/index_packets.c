/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An index made by reading all packets once, for what has no sample tables of ours: Matroska, and
 * MP4 that is fragmented or edited in several parts. index_scan.c reads them; here tracks are made
 * of them, on one time line.
 */
#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "../source.h"
#include "index_join.h"
#include "index_text.h"
#include "packet_order.h"

static int compare_pts(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/**
 * Decode times from the order of packets alone: the pts in rising order, moved so far ahead that
 * none is decoded after it is shown.
 */
static int derive_dts(struct index_track *t)
{
	auto_free int64_t *sorted = malloc((t->n_samples + 1) * sizeof(*sorted));
	int64_t ahead = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_samples; i++)
		sorted[i] = t->samples[i].pts;
	qsort(sorted, t->n_samples, sizeof(*sorted), compare_pts);
	for (size_t i = 0; i < t->n_samples; i++)
		if (sorted[i] - t->samples[i].pts > ahead)
			ahead = sorted[i] - t->samples[i].pts;
	for (size_t i = 0; i < t->n_samples; i++)
		t->samples[i].dts = sorted[i] - ahead;
	return 0;
}

static const char *kind_of(const AVStream *st)
{
	const char *kind = av_get_media_type_string(st->codecpar->codec_type);

	return packet_stream_is_picture(st) ? "picture" : kind ? kind : "data";
}

/* Which of the scan's tracks became this one of the index. */
static size_t scan_number(const struct packet_scan *scan, const struct index_track *t)
{
	size_t i = 0;

	while ((unsigned int)scan->reader->streams[i]->index != t->number)
		i++;
	return i;
}

/* Frames whose time of showing the container has left out get it from their order. */
static int order_frames(const struct packet_scan *scan, size_t number, struct scan_track *from,
			struct index_track *t)
{
	int64_t last;
	int r;

	if (!from->order)
		return 0;
	t->is_unpacked = scan->reader->is_packed[number];
	if (t->is_unpacked)
		packet_order_forget(from->order);
	for (size_t i = 0; i < t->n_samples && t->is_unpacked && !from->is_clocked; i++)
		t->samples[i].dts = t->samples[i].pts;
	r = packet_order_apply(from->order, t->samples, from->step);
	if (r < 0)
		return r;
	from->lacks_pts = false;
	t->is_derived = true;
	from->shown_min = last = t->samples[0].pts;
	for (size_t i = 0; i < t->n_samples; i++) {
		from->shown_min =
			t->samples[i].pts < from->shown_min ? t->samples[i].pts : from->shown_min;
		last = t->samples[i].pts > last ? t->samples[i].pts : last;
	}
	from->shown_max = last;
	from->last_ticks = from->step;
	return 0;
}

static int add_track(struct packet_scan *scan, size_t number)
{
	const AVStream *st = scan->reader->streams[number];
	struct scan_track *from = &scan->tracks[number];
	struct index_track *t = &scan->index->tracks[scan->index->n_tracks];
	bool is_mov = av_match_name("mov", scan->reader->input->format->iformat->name);
	int r;

	if (!from->n || from->shown_min > from->shown_max || st->time_base.den <= 0)
		return 0;
	scan->index->n_tracks++;
	t->is_video = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
	t->number = (unsigned int)st->index;
	t->timescale = (uint32_t)st->time_base.den;
	t->samples = take_ptr(from->samples);
	t->n_samples = from->n;
	memcpy(t->joins, from->joins, sizeof(t->joins));
	t->n_joins = from->n_joins;
	t->first_us = av_rescale(t->samples[0].pts, 1000000, st->time_base.den);
	t->set_ids = from->set_ids;
	t->has_fields = from->has_fields;
	if (from->has_hidden && from->hidden_max >= from->shown_min &&
	    from->hidden_min <= from->shown_max)
		t->obstacle = scan->is_edited ? "edited in several parts"
					      : "with a hole, where its container hides packets";
	r = t->is_video && from->lacks_pts ? order_frames(scan, number, from, t) : 0;
	if (r == -ENOMEM)
		return error_from_errno(scan->e, r, "reading the upload's index");
	if (t->is_video && from->lacks_pts)
		t->obstacle = "without the times at which frames are shown";
	if (t->is_video && from->is_jumping)
		t->obstacle = scan->is_edited ? "edited in several parts"
			      : is_mov	      ? "in fragments that overlap"
					      : "with a clock that jumps";
	/* A single one is damage. */
	if (scan->reader->n_other_forms[number] > 1)
		t->obstacle = "of one form and then another";
	if (scan->reader->is_packed[number] && !t->is_unpacked)
		t->obstacle = OBSTACLE_PACKED;
	r = index_describe(st, from, t);
	if (r == 0 && t->is_video && (!is_mov || !from->has_dts || t->is_unpacked))
		r = derive_dts(t);
	if (r < 0)
		return error_from_errno(scan->e, r, "reading the upload's index");
	if (t->is_video)
		t->end_dts = t->samples[t->n_samples - 1].dts +
			     (from->last_ticks > 0 ? from->last_ticks : 1);
	else
		index_complete_sound(st, from, t);
	return 0;
}

/* Where a track's presentation begins, in libavformat's time: sound before 0 is a decoder's
 * pre-roll, but where that is only what a clock said before it began again. */
static int64_t track_start(const struct packet_scan *scan, const struct index_track *t)
{
	const struct scan_track *from = &scan->tracks[scan_number(scan, t)];
	int64_t start;

	if (t->is_video)
		return from->shown_min;
	start = t->samples[0].pts + from->skipped;
	return start > 0 || av_input_has_mpeg_clock(scan->reader->input) ? start : 0;
}

/* The presented time line begins with the track that begins first. */
static void find_zero(struct packet_scan *scan)
{
	struct media_index *index = scan->index;

	index->zero = track_start(scan, &index->tracks[0]);
	index->zero_timescale = index->tracks[0].timescale;
	for (size_t i = 1; i < index->n_tracks; i++) {
		int64_t start = track_start(scan, &index->tracks[i]);
		uint32_t timescale = index->tracks[i].timescale;

		if ((__int128)start * index->zero_timescale >= (__int128)index->zero * timescale)
			continue;
		index->zero = start;
		index->zero_timescale = timescale;
	}
}

/* Move a track onto the presented time line and finish it. */
static int complete_track(struct packet_scan *scan, struct index_track *t)
{
	const struct scan_track *from = &scan->tracks[scan_number(scan, t)];
	int64_t zero = index_rescale(scan->index->zero, t->timescale, scan->index->zero_timescale);
	int64_t start = track_start(scan, t) - zero, end = INT64_MAX;

	for (size_t i = 0; i < t->n_samples; i++) {
		t->samples[i].dts -= zero;
		t->samples[i].pts -= zero;
	}
	t->end_dts -= zero;
	if (t->is_video && from->has_hidden && from->hidden_max > from->shown_max)
		end = from->shown_max - zero + (from->last_ticks > 0 ? from->last_ticks : 1);
	return index_track_complete(t, from->last_ticks, start, end, scan->listener);
}

/* A file that ends long before the end that its header claims. */
static int check_end(struct packet_scan *scan)
{
	int64_t declared = scan->reader->declared_us, end = 0, bound = declared / 100;

	bound = bound > 1000000 ? bound : 1000000;
	for (size_t i = 0; i < scan->index->n_tracks; i++) {
		const struct index_track *t = &scan->index->tracks[i];
		int64_t us = index_ticks_to_us(t->shown_end, t->timescale);

		end = us > end ? us : end;
	}
	/* What is said last may outlast what is seen. */
	if (index_texts_end(scan->index) > end)
		end = index_texts_end(scan->index);
	end += index_ticks_to_us(scan->index->zero, scan->index->zero_timescale);
	if (scan->reader->declared_bytes > scan->reader->input->size && !declared) {
		/* The rest would last as long as so many bytes do here. */
		declared = end + (int64_t)((double)end *
					   (double)(scan->reader->declared_bytes -
						    scan->reader->input->size) /
					   (double)scan->reader->input->size);
		bound = declared / 100 > 1000000 ? declared / 100 : 1000000;
	}
	if (declared - end > bound)
		return error_set(
			scan->e, SC_UPLOAD_INCOMPLETE,
			"the upload ends early: its header claims %.3f s, its packets end at "
			"%.3f s",
			(double)declared / 1e6, (double)end / 1e6);
	return 0;
}

static int on_text(void *context, size_t number, const AVPacket *packet)
{
	struct packet_scan *scan = context;

	return index_text_add(&scan->texts[number], scan->reader->texts[number], packet);
}

static int open_texts(struct packet_scan *scan)
{
	struct packet_reader *reader = scan->reader;

	for (size_t i = 0; i < reader->n_texts; i++)
		if (index_text_open(reader->texts[i], &scan->texts[i]) < 0)
			return error_from_errno(scan->e, -ENOMEM, "reading the upload");
	reader->text_found = on_text;
	reader->text_context = scan;
	return 0;
}

/* Onto the presented time line, and into the index. */
static int add_texts(struct packet_scan *scan)
{
	struct media_index *index = scan->index;
	int64_t zero = index_ticks_to_us(index->zero, index->zero_timescale);

	for (size_t i = 0; i < scan->reader->n_texts; i++) {
		struct text_track *text = &scan->texts[i];

		if (!index_video(index) || index->n_tracks + index->n_texts >= INDEX_MAX_TRACKS)
			continue;
		if (text_track_complete(text, zero) < 0)
			return error_from_errno(scan->e, -ENOMEM, "reading the upload's subtitles");
		if (text->is_too_large)
			continue;
		index->texts[index->n_texts++] = *text;
		*text = (struct text_track){0};
	}
	return 0;
}

/* MP4's own subtitles that libavcodec does not know have four letters at least. */
static void name_codec(const AVCodecParameters *par, char ret[32])
{
	char tag[AV_FOURCC_MAX_STRING_SIZE];
	bool is_word = true;

	for (int i = 0; i < 4; i++)
		is_word &= av_isgraph((int)(par->codec_tag >> 8 * i & 0xff)) &&
			   !strchr("\"\\", (int)(par->codec_tag >> 8 * i & 0xff));
	snprintf(ret, 32, "%s",
		 par->codec_id == AV_CODEC_ID_NONE && is_word
			 ? av_fourcc_make_string(tag, par->codec_tag)
			 : avcodec_get_name(par->codec_id));
}

static int list_dropped(struct packet_scan *scan)
{
	const AVFormatContext *format = scan->reader->input->format;
	auto_buf struct buf dropped = BUF_EMPTY;

	for (unsigned int i = 0; i < format->nb_streams; i++) {
		const AVStream *st = format->streams[i];
		bool is_kept = false;
		char codec[32];

		for (size_t k = 0; k < scan->index->n_tracks; k++)
			is_kept |= scan->index->tracks[k].number == i;
		for (size_t k = 0; k < scan->index->n_texts; k++)
			is_kept |= scan->index->texts[k].number == i;
		name_codec(st->codecpar, codec);
		if (!is_kept)
			index_add_dropped(&dropped, i, kind_of(st), codec);
	}
	if (!dropped.len)
		buf_add_str(&dropped, "[]");
	scan->index->dropped = buf_take(&dropped, NULL);
	return scan->index->dropped
		       ? 0
		       : error_from_errno(scan->e, -ENOMEM, "reading the upload's index");
}

static int make_tracks(struct packet_scan *scan)
{
	struct media_index *index = scan->index;
	size_t kept = 0;
	int r = 0;

	index_join_parts(scan);
	for (size_t i = 0; i < scan->reader->n_streams && r == 0; i++)
		r = add_track(scan, i);
	if (r < 0)
		return r;
	if (!index->n_tracks)
		return error_set(scan->e, SC_UPLOAD_INCOMPLETE,
				 "the upload has a header, but no packet of picture or sound");
	find_zero(scan);
	for (size_t i = 0; i < index->n_tracks; i++) {
		struct index_track *t = &index->tracks[i];

		r = complete_track(scan, t);
		if (r == -ENOMEM)
			return error_from_errno(scan->e, r, "reading the upload's index");
		if (r < 0) {
			index_track_finish(t);
			continue;
		}
		if (kept != i) {
			index->tracks[kept] = *t;
			memset(t, 0, sizeof(*t));
		}
		kept++;
	}
	index->n_tracks = kept;
	return kept ? 0
		    : error_set(scan->e, SC_INVALID_MEDIA,
				"the upload presents no picture and no sound");
}

int index_from_packets(int fd, bool is_length_checked, const struct media_listener *listener,
		       struct error *e, struct media_index **ret)
{
	auto_of(packet_reader) struct packet_reader *reader = NULL;
	auto_of(media_index) struct media_index *index = calloc(1, sizeof(*index));
	auto_free struct packet_scan *scan = calloc(1, sizeof(*scan));
	int r;

	if (index)
		index->tracks = calloc(INDEX_MAX_TRACKS + 1, sizeof(*index->tracks));
	if (index)
		index->texts = calloc(INDEX_MAX_TEXTS, sizeof(*index->texts));
	if (!index || !scan || !index->tracks || !index->texts)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	index->is_packets = true;
	r = packet_reader_open(fd, listener, e, &reader);
	if (r < 0)
		return r;
	reader->is_measuring = true;
	packet_reader_get_layout(reader, &index->layout);
	*scan = (struct packet_scan){.reader = reader,
				     .listener = listener,
				     .e = e,
				     .index = index,
				     .is_edited = !is_length_checked};
	r = open_texts(scan);
	if (r == 0)
		r = packet_scan_read(scan);
	index->clock_begin = reader->input->clock_begin;
	if (r == 0)
		r = make_tracks(scan);
	if (r == 0)
		r = add_texts(scan);
	if (r == 0 && is_length_checked)
		r = check_end(scan);
	if (r == 0)
		r = list_dropped(scan);
	for (size_t i = 0; i < INDEX_MAX_TEXTS; i++)
		text_track_finish(&scan->texts[i]);
	for (size_t i = 0; i < INDEX_MAX_TRACKS; i++) {
		free(scan->tracks[i].samples);
		packet_order_close(scan->tracks[i].order);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(index);
	return 0;
}
