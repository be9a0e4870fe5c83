/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cues of a subtitle track, and what a clip shows of them. */
#include "text_track.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../mp4/bytes.h"
#include "index.h"

#define TEXT_TIMESCALE 90000
/* A sample's duration is a number of 32 bits: longer ones are said as several. */
#define TEXT_MAX_TICKS (1 << 30)
/* Of a clip. */
#define TEXT_MAX_SECONDS (366 * 24 * 3600)
/* So many are shown at the same time; of more the oldest give way. */
#define TEXT_MAX_AT_ONCE 8
/* How long a cue without an end is read. */
#define TEXT_READ_US 5000000

static int add_cue(struct text_track *t, const struct text_cue *cue)
{
	if (t->n_cues == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct text_cue *cues = reallocarray(t->cues, cap, sizeof(*cues));

		if (!cues)
			return -ENOMEM;
		t->cues = cues;
		t->cap = cap;
	}
	t->cues[t->n_cues++] = *cue;
	return 0;
}

int text_track_add(struct text_track *t, int64_t start, int64_t end, const uint8_t *sample,
		   size_t len)
{
	struct text_cue cue = {.start = start, .end = end, .at = t->bytes.len, .len = len};

	if (len < 2 || get_be16(sample) > len - 2u || end <= start ||
	    (!get_be16(sample) && end != TEXT_END_UNKNOWN) || start < -TEXT_MAX_US ||
	    start > TEXT_MAX_US || (end > TEXT_MAX_US && end != TEXT_END_UNKNOWN))
		return 0;
	if (t->n_cues >= TEXT_MAX_CUES || len > TEXT_MAX_BYTES - t->bytes.len) {
		t->is_too_large = true;
		return 0;
	}
	buf_add(&t->bytes, sample, len);
	return t->bytes.is_failed ? -ENOMEM : add_cue(t, &cue);
}

/* The longest part of a text that is at most max bytes and ends with a whole character. */
static size_t whole_characters(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

int text_track_add_plain(struct text_track *t, int64_t start, int64_t end, const char *text,
			 size_t len)
{
	auto_buf struct buf sample = BUF_EMPTY;

	len = whole_characters(text, len, UINT16_MAX);
	put_be16(&sample, (unsigned int)len);
	buf_add(&sample, text, len);
	if (sample.is_failed)
		return -ENOMEM;
	return text_track_add(t, start, end, (const uint8_t *)sample.data, sample.len);
}

static int compare_cues(const void *a, const void *b)
{
	const struct text_cue *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* What is shown from `start` on, while these cues are. */
static int add_shown(struct text_track *to, const struct text_track *from,
		     const struct text_cue *cues, size_t n, int64_t start, int64_t end)
{
	auto_buf struct buf text = BUF_EMPTY;

	if (n == 1)
		return text_track_add(to, start, end, (const uint8_t *)from->bytes.data + cues->at,
				      cues->len);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *sample = (const uint8_t *)from->bytes.data + cues[i].at;

		if (i)
			buf_add(&text, "\n", 1);
		buf_add(&text, sample + 2, get_be16(sample));
	}
	return text.is_failed ? -ENOMEM : text_track_add_plain(to, start, end, text.data, text.len);
}

static size_t forget_ended(struct text_cue *cues, size_t n, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (cues[i].end > now)
			cues[kept++] = cues[i];
	return kept;
}

/* From cues in their order to such as follow each other. */
static int part_cues(const struct text_track *from, struct text_track *to)
{
	struct text_cue shown[TEXT_MAX_AT_ONCE];
	size_t n = 0, next = 0;
	int64_t now = 0;
	int r = 0;

	while (r == 0 && (n || next < from->n_cues)) {
		int64_t end = INT64_MAX;

		if (!n)
			now = from->cues[next].start;
		for (; next < from->n_cues && from->cues[next].start <= now; next++) {
			if (n == TEXT_MAX_AT_ONCE)
				memmove(shown, shown + 1, --n * sizeof(shown[0]));
			shown[n++] = from->cues[next];
		}
		if (next < from->n_cues)
			end = from->cues[next].start;
		for (size_t i = 0; i < n; i++)
			end = shown[i].end < end ? shown[i].end : end;
		r = add_shown(to, from, shown, n, now, end);
		n = forget_ended(shown, n, end);
		now = end;
	}
	return r;
}

static void mend_times(struct text_track *t, int64_t zero)
{
	for (size_t i = 0; i < t->n_cues; i++) {
		struct text_cue *cue = &t->cues[i];

		cue->start -= zero;
		cue->end -= cue->end == TEXT_END_UNKNOWN ? 0 : zero;
	}
	if (t->n_cues)
		qsort(t->cues, t->n_cues, sizeof(*t->cues), compare_cues);
	for (size_t i = 0; i < t->n_cues; i++) {
		struct text_cue *cue = &t->cues[i];

		if (cue->end != TEXT_END_UNKNOWN)
			continue;
		cue->end = cue->start + TEXT_READ_US;
		if (i + 1 < t->n_cues && cue[1].start > cue->start &&
		    (cue[1].start < cue->end || t->is_gapless))
			cue->end = cue[1].start;
	}
}

int text_track_complete(struct text_track *t, int64_t zero)
{
	struct text_track parted = {0};
	int r;

	if (zero < -TEXT_MAX_US || zero > TEXT_MAX_US)
		t->n_cues = 0;
	mend_times(t, zero);
	r = part_cues(t, &parted);
	if (r < 0) {
		text_track_finish(&parted);
		return r;
	}
	free(t->cues);
	buf_finish(&t->bytes);
	t->cues = parted.cues;
	t->n_cues = parted.n_cues;
	t->cap = parted.cap;
	t->bytes = parted.bytes;
	t->is_too_large |= parted.is_too_large;
	return 0;
}

void text_track_finish(struct text_track *t)
{
	free(t->cues);
	buf_finish(&t->bytes);
	free(t->stsd);
	free(t->handler_name);
	free(t->name);
	memset(t, 0, sizeof(*t));
}

/* TS 26.245, 5.16: flags, justification, background, box, style, fonts. */
static void put_default_body(struct buf *b)
{
	static const char font[] = "Sans-Serif";
	size_t ftab;

	put_be32(b, 0);
	put_u8(b, 1);    /* in the middle */
	put_u8(b, 0xff); /* at the foot */
	put_be32(b, 0);  /* a background that is not seen */
	put_zeros(b, 8); /* all of the track's place */
	put_be32(b, 0);  /* the style of all characters */
	put_be16(b, 1);  /* font */
	put_u8(b, 0);    /* neither bold nor slanted */
	put_u8(b, 18);
	put_be32(b, UINT32_MAX); /* white */
	ftab = box_begin(b, "ftab");
	put_be16(b, 1);
	put_be16(b, 1);
	put_u8(b, sizeof(font) - 1);
	buf_add(b, font, sizeof(font) - 1);
	box_end(b, ftab);
}

int text_build_entry(const uint8_t *body, size_t len, struct buf *ret)
{
	size_t entry;

	put_be32(ret, 1);
	entry = box_begin(ret, "tx3g");
	put_zeros(ret, 6);
	put_be16(ret, 1);
	if (body)
		buf_add(ret, body, len);
	else
		put_default_body(ret);
	box_end(ret, entry);
	return buf_error(ret) < 0 ? -ENOMEM : 0;
}

/* Samples of a clip while they are made. */
struct text_cutter {
	struct mp4_out_sample *samples; /* owned */
	size_t n, cap;
	int64_t base;
	struct buf *bytes;
	int64_t behind; /* ticks: where the samples so far end */
};

/* Show a sample (NULL: nothing) up to a time. */
static int show_until(struct text_cutter *c, int64_t end, const char *data, size_t len)
{
	static const char nothing[2];

	if (!data) {
		data = nothing;
		len = sizeof(nothing);
	}
	while (c->behind < end) {
		int64_t ticks = end - c->behind < TEXT_MAX_TICKS ? end - c->behind : TEXT_MAX_TICKS;

		if (c->n == c->cap) {
			size_t cap = c->cap ? c->cap * 2 : 16;
			struct mp4_out_sample *samples =
				reallocarray(c->samples, cap, sizeof(*samples));

			if (!samples)
				return -ENOMEM;
			c->samples = samples;
			c->cap = cap;
		}
		c->samples[c->n++] =
			(struct mp4_out_sample){.dts = c->behind,
						.pts = c->behind,
						.offset = c->base + (int64_t)c->bytes->len,
						.size = (uint32_t)len,
						.is_sync = true};
		buf_add(c->bytes, data, len);
		c->behind += ticks;
	}
	return c->bytes->is_failed ? -ENOMEM : 0;
}

/* The first cue that ends behind a time. */
static size_t cue_at(const struct text_track *t, int64_t time)
{
	size_t low = 0, high = t->n_cues;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->cues[mid].end <= time)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void describe(const struct text_track *t, struct mp4_out_track *out)
{
	*out = (struct mp4_out_track){.is_text = true,
				      .timescale = TEXT_TIMESCALE,
				      .stsd = t->stsd,
				      .stsd_len = t->stsd_len,
				      .alternate_group = t->alternate_group,
				      .flags = t->is_enabled ? MP4_TRACK_ENABLED
							     : MP4_TRACK_DISABLED,
				      .width = t->width,
				      .height = t->height,
				      .handler_name = t->handler_name,
				      .name = t->name};
	memcpy(out->language, t->language, sizeof(out->language));
	out->is_forced = t->is_forced;
	memcpy(out->matrix, t->matrix, sizeof(out->matrix));
}

int text_track_cut(const struct text_track *t, int64_t start, int64_t end, int64_t base,
		   struct buf *bytes, struct mp4_out_track *out,
		   struct mp4_out_sample **ret_samples)
{
	/* Rounded down, so that the picture, not the text, says how long the clip is. */
	int64_t length = (int64_t)((__int128)(end - start) * TEXT_TIMESCALE / 1000000);
	struct text_cutter c = {.base = base, .bytes = bytes};
	int r = 0;

	if (length / TEXT_TIMESCALE > TEXT_MAX_SECONDS)
		return -ERANGE;
	length = length > 0 ? length : 1;
	for (size_t i = cue_at(t, start); i < t->n_cues && t->cues[i].start < end && r == 0; i++) {
		const struct text_cue *cue = &t->cues[i];
		int64_t from = cue->start > start
				       ? index_rescale(cue->start - start, TEXT_TIMESCALE, 1000000)
				       : 0;
		int64_t to = cue->end < end
				     ? index_rescale(cue->end - start, TEXT_TIMESCALE, 1000000)
				     : length;

		r = show_until(&c, from < length ? from : length, NULL, 0);
		if (r == 0)
			r = show_until(&c, to < length ? to : length, t->bytes.data + cue->at,
				       cue->len);
	}
	if (r == 0)
		r = show_until(&c, length, NULL, 0);
	if (r < 0) {
		free(c.samples);
		return r;
	}
	describe(t, out);
	out->samples = c.samples;
	out->n_samples = c.n;
	out->end_dts = out->shown_end = length;
	*ret_samples = c.samples;
	return 0;
}
