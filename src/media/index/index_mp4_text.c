/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The subtitles of an MP4 whose sample tables tell all: their samples are small, and read at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../mp4/bytes.h"
#include "../mp4/reader.h"
#include "index.h"
#include "storyclip/common/macros.h"
#include "text_track.h"

#define CODEC_TX3G       FOURCC('t', 'x', '3', 'g')
#define CODEC_WVTT       FOURCC('w', 'v', 't', 't')
#define HANDLER_SUBTITLE FOURCC('s', 'b', 't', 'l')
#define HANDLER_TEXT     FOURCC('t', 'e', 'x', 't')
#define TKHD_ENABLED     1u
/* A box with its data reference; behind it all that the entry says. */
#define ENTRY_HEADER 16

static bool is_known_entry(const struct mp4_track *t)
{
	if (t->n_entries != 1)
		return false;
	return t->codec == CODEC_WVTT || (t->codec == CODEC_TX3G &&
					  t->entry_len >= ENTRY_HEADER + TEXT_BODY_MIN &&
					  t->entry_len <= ENTRY_HEADER + TEXT_BODY_MAX);
}

/* Chapters are texts too; those of them that come as tx3g are not enabled. */
static bool is_subtitle(const struct mp4_track *t)
{
	size_t n_parts = 0;

	for (size_t i = 0; i < t->n_edits; i++)
		n_parts += t->edits[i].media_time >= 0;
	return is_known_entry(t) && n_parts <= 1 && t->timescale && !t->is_external &&
	       (t->handler == HANDLER_SUBTITLE ||
		(t->handler == HANDLER_TEXT && (t->flags & TKHD_ENABLED)));
}

static int describe(const struct mp4_track *t, struct text_track *text)
{
	const uint8_t *body = t->codec == CODEC_TX3G ? t->entry + ENTRY_HEADER : NULL;
	auto_buf struct buf stsd = BUF_EMPTY;

	text->is_enabled = t->flags & TKHD_ENABLED;
	text->is_forced = t->is_forced;
	text->alternate_group = t->alternate_group;
	text->width = t->width;
	text->height = t->height;
	memcpy(text->matrix, t->matrix, sizeof(text->matrix));
	memcpy(text->language, t->language, sizeof(text->language));
	if (t->handler_name)
		text->handler_name = strdup(t->handler_name);
	if (t->name)
		text->name = strdup(t->name);
	if ((t->handler_name && !text->handler_name) || (t->name && !text->name) ||
	    text_build_entry(body, body ? t->entry_len - ENTRY_HEADER : 0, &stsd) < 0)
		return -ENOMEM;
	text->stsd = (uint8_t *)buf_take(&stsd, &text->stsd_len);
	return text->stsd ? 0 : -ENOMEM;
}

/* The next box within others; what does not fit is the end. @return false: none */
static bool next_box(const uint8_t **data, size_t *len, uint32_t *ret_type, const uint8_t **ret,
		     size_t *ret_len)
{
	uint32_t size = *len >= 8 ? get_be32(*data) : 0;

	if (size < 8 || size > *len)
		return false;
	*ret_type = get_be32(*data + 4);
	*ret = *data + 8;
	*ret_len = size - 8;
	*data += size;
	*len -= size;
	return true;
}

static void add_payload(const uint8_t *cue, size_t len, struct buf *plain)
{
	const uint8_t *text;
	size_t text_len;
	uint32_t type;

	while (next_box(&cue, &len, &type, &text, &text_len)) {
		if (type != FOURCC('p', 'a', 'y', 'l'))
			continue;
		if (plain->len)
			buf_add_str(plain, "\n");
		text_from_webvtt((const char *)text, text_len, plain);
	}
}

/* The words of a sample of WebVTT: a box for each cue, its text in a box of its own (ISO/IEC
 * 14496-30, 6.6); where nothing is shown there is an empty one. */
static int add_webvtt(struct text_track *text, int64_t start, int64_t end, const uint8_t *data,
		      size_t len)
{
	auto_buf struct buf plain = BUF_EMPTY;
	const uint8_t *cue;
	size_t cue_len;
	uint32_t type;

	while (next_box(&data, &len, &type, &cue, &cue_len))
		if (type == FOURCC('v', 't', 't', 'c'))
			add_payload(cue, cue_len, &plain);
	if (plain.is_failed)
		return -ENOMEM;
	return plain.len ? text_track_add_plain(text, start, end, plain.data, plain.len) : 0;
}

/* @return 0 (also where the sample is not in the file), or a negative errno */
static int read_cue(const struct mp4_track *t, const struct mp4_sample *s,
		    const struct mp4_input *input, int64_t delay_us, int64_t media_time,
		    struct text_track *text)
{
	int64_t start = index_ticks_to_us(s->pts - media_time, t->timescale);
	int64_t end = index_ticks_to_us(s->pts + s->duration - media_time, t->timescale);
	auto_free uint8_t *data = NULL;
	ssize_t n;

	if (__builtin_add_overflow(start, delay_us, &start) ||
	    __builtin_add_overflow(end, delay_us, &end) || s->size <= 2 || s->offset < 0 ||
	    s->offset > input->size_bytes - s->size)
		return 0;
	data = malloc(s->size);
	if (!data)
		return -ENOMEM;
	n = input->read(input->context, data, s->size, s->offset);
	if (n < 0)
		return (int)n;
	if ((size_t)n < s->size)
		return 0;
	return t->codec == CODEC_WVTT ? add_webvtt(text, start, end, data, s->size)
				      : text_track_add(text, start, end, data, s->size);
}

int index_add_mp4_text(struct media_index *index, const struct mp4_track *t, unsigned int number,
		       const struct mp4_input *input, int64_t delay_us, int64_t media_time,
		       struct error *e)
{
	struct text_track *text = &index->texts[index->n_texts];
	auto_free struct mp4_sample *samples = NULL;
	size_t n = 0, bytes = 0;
	int r;

	if (!is_subtitle(t) || !index_video(index) || index->n_texts == INDEX_MAX_TEXTS ||
	    mp4_track_expand(t, 2 * TEXT_MAX_CUES, &samples, &n) < 0)
		return 0;
	index->n_texts++; /* from here on index_free() knows of it */
	text->number = number;
	r = describe(t, text);
	for (size_t i = 0; i < n && r == 0 && !text->is_too_large; i++) {
		bytes += samples[i].size;
		text->is_too_large = bytes > TEXT_MAX_BYTES;
		if (!text->is_too_large)
			r = read_cue(t, &samples[i], input, delay_us, media_time, text);
	}
	if (r == 0)
		r = text_track_complete(text, 0);
	if (r < 0)
		return error_from_errno(e, r, "reading the upload's subtitles");
	if (!text->is_too_large)
		return 1;
	text_track_finish(text);
	index->n_texts--;
	return 0;
}
