/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cues from packets: what SubRip, WebVTT and ASS say in their own way becomes plain text. */
#include "index_text.h"

#include <string.h>

#include <libavutil/dict.h>
#include <libavutil/mathematics.h>

#include "storyclip/common/buf.h"

#define SUBTITLE_GROUP 3

int index_tag_copy(const AVStream *st, const char *key, char **ret)
{
	const AVDictionaryEntry *tag = av_dict_get(st->metadata, key, NULL, 0);

	if (!tag || !tag->value[0])
		return 0;
	*ret = strndup(tag->value, 255);
	return *ret ? 0 : -ENOMEM;
}

int index_text_open(const AVStream *st, struct text_track *ret)
{
	const AVCodecParameters *par = st->codecpar;
	const AVDictionaryEntry *tag = av_dict_get(st->metadata, "language", NULL, 0);
	bool has_body = par->codec_id == AV_CODEC_ID_MOV_TEXT &&
			par->extradata_size >= TEXT_BODY_MIN &&
			par->extradata_size <= TEXT_BODY_MAX;
	auto_buf struct buf stsd = BUF_EMPTY;

	ret->number = (unsigned int)st->index;
	ret->is_enabled = st->disposition & AV_DISPOSITION_DEFAULT;
	ret->is_forced = st->disposition & AV_DISPOSITION_FORCED;
	ret->is_gapless = par->codec_id == AV_CODEC_ID_MOV_TEXT;
	ret->alternate_group = SUBTITLE_GROUP;
	if (tag && strlen(tag->value) == 3 && strspn(tag->value, "abcdefghijklmnopqrstuvwxyz") == 3)
		memcpy(ret->language, tag->value, sizeof(ret->language));
	if (index_tag_copy(st, "handler_name", &ret->handler_name) < 0 ||
	    index_tag_copy(st, "title", &ret->name) < 0 ||
	    (!ret->handler_name && index_tag_copy(st, "title", &ret->handler_name) < 0) ||
	    text_build_entry(has_body ? par->extradata : NULL, (size_t)par->extradata_size, &stsd) <
		    0)
		return -ENOMEM;
	ret->stsd = (uint8_t *)buf_take(&stsd, &ret->stsd_len);
	return ret->stsd ? 0 : -ENOMEM;
}

int index_text_add(struct text_track *text, const AVStream *st, const AVPacket *packet)
{
	static const struct {
		enum AVCodecID id;
		void (*read)(const char *text, size_t len, struct buf *ret);
	} forms[] = {
		{AV_CODEC_ID_SUBRIP, text_from_subrip},
		{AV_CODEC_ID_TEXT, text_from_subrip},
		{AV_CODEC_ID_WEBVTT, text_from_webvtt},
		{AV_CODEC_ID_ASS, text_from_ass},
	};
	static const AVRational us = {1, 1000000};
	int64_t start, end = TEXT_END_UNKNOWN;
	auto_buf struct buf plain = BUF_EMPTY;

	if (packet->pts == AV_NOPTS_VALUE || packet->size <= 0)
		return 0;
	start = av_rescale_q(packet->pts, st->time_base, us);
	if (packet->duration > 0)
		end = av_rescale_q(packet->pts + packet->duration, st->time_base, us);
	if (st->codecpar->codec_id == AV_CODEC_ID_MOV_TEXT)
		return text_track_add(text, start, end, packet->data, (size_t)packet->size);
	for (size_t i = 0; i < SC_ARRAY_SIZE(forms); i++)
		if (forms[i].id == st->codecpar->codec_id)
			forms[i].read((const char *)packet->data, (size_t)packet->size, &plain);
	return plain.is_failed ? -ENOMEM
			       : text_track_add_plain(text, start, end, plain.data, plain.len);
}
