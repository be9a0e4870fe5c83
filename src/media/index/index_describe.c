/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stream is to an MP4: its sample description, names and place, from libavformat's words. */
#include <stdio.h>
#include <string.h>

#include <libavutil/dict.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/mathematics.h>
#include <libavutil/pixdesc.h>

#include "../mp4/entry.h"
#include "index_scan.h"
#include "index_text.h"

/* Of tkhd: one of these sounds is played, as libavformat writes it. */
#define SOUND_GROUP 1

/* What the container says beside the stream; NULL: not that, or less than min bytes of it. */
static const void *side_data(const AVStream *st, enum AVPacketSideDataType type, size_t min)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
	const AVPacketSideData *side = av_packet_side_data_get(
		st->codecpar->coded_side_data, st->codecpar->nb_coded_side_data, type);

	return side && side->size >= min ? side->data : NULL;
#else
	size_t size = 0;
	const uint8_t *data = av_stream_get_side_data(st, type, &size);

	return data && size >= min ? data : NULL;
#endif
}

/* In whole units of 1 / unit; false: no such number fits. */
static bool in_units(AVRational value, int unit, uint32_t max, uint32_t *ret)
{
	int64_t units;

	if (value.den <= 0 || value.num < 0)
		return false;
	units = av_rescale_rnd(value.num, unit, value.den, AV_ROUND_NEAR_INF);
	*ret = (uint32_t)units;
	return units <= max;
}

static bool read_display(const AVMasteringDisplayMetadata *display, struct entry_light *ret)
{
	/* MP4 has green first. */
	const AVRational xy[8] = {
		display->display_primaries[1][0], display->display_primaries[1][1],
		display->display_primaries[2][0], display->display_primaries[2][1],
		display->display_primaries[0][0], display->display_primaries[0][1],
		display->white_point[0],          display->white_point[1],
	};

	if (!display->has_primaries || !display->has_luminance)
		return false;
	for (size_t i = 0; i < SC_ARRAY_SIZE(xy); i++) {
		uint32_t units;

		if (!in_units(xy[i], 50000, UINT16_MAX, &units))
			return false;
		ret->display_xy[i] = (uint16_t)units;
	}
	return in_units(display->max_luminance, 10000, UINT32_MAX, &ret->display_max) &&
	       in_units(display->min_luminance, 10000, UINT32_MAX, &ret->display_min);
}

static void read_light(const AVStream *st, struct entry_light *ret)
{
	const AVMasteringDisplayMetadata *display =
		side_data(st, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, sizeof(*display));
	const AVContentLightMetadata *level =
		side_data(st, AV_PKT_DATA_CONTENT_LIGHT_LEVEL, sizeof(*level));

	ret->has_display = display && read_display(display, ret);
	if (!level || level->MaxCLL > UINT16_MAX || level->MaxFALL > UINT16_MAX)
		return;
	ret->has_level = true;
	ret->level_max = (uint16_t)level->MaxCLL;
	ret->level_average = (uint16_t)level->MaxFALL;
}

/* @return false when the form of the samples is not known */
static bool describe_vp9(const AVCodecParameters *par, uint8_t vpcc[8])
{
	const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)par->format);
	struct entry_vp9 vp9;

	if (!format || par->profile < 0 || par->profile > 3)
		return false;
	vp9 = (struct entry_vp9){
		.width = (uint32_t)par->width,
		.height = (uint32_t)par->height,
		.profile = (unsigned int)par->profile,
		.bit_depth = (unsigned int)format->comp[0].depth,
		.chroma = format->log2_chroma_h   ? 1
			  : format->log2_chroma_w ? 2
						  : 3,
		.primaries = (unsigned int)par->color_primaries,
		.transfer = (unsigned int)par->color_trc,
		.matrix = (unsigned int)par->color_space,
		.is_full_range = par->color_range == AVCOL_RANGE_JPEG,
	};
	entry_build_vpcc(&vp9, vpcc);
	return true;
}

static int describe_video(const AVStream *st, struct index_track *t, struct buf *stsd)
{
	const AVCodecParameters *par = st->codecpar;
	AVRational sar = st->sample_aspect_ratio.num > 0 ? st->sample_aspect_ratio
							 : par->sample_aspect_ratio;
	struct entry_avc avc = {
		.width = (uint16_t)par->width,
		.height = (uint16_t)par->height,
		.avcc = par->extradata,
		.avcc_len = (size_t)(par->extradata_size > 0 ? par->extradata_size : 0),
		.primaries = (uint16_t)par->color_primaries,
		.transfer = (uint16_t)par->color_trc,
		.matrix = (uint16_t)par->color_space,
		.is_full_range = par->color_range == AVCOL_RANGE_JPEG,
	};
	const int32_t *matrix = side_data(st, AV_PKT_DATA_DISPLAYMATRIX, sizeof(t->matrix));
	uint8_t vpcc[8];
	uint64_t width = (uint64_t)(par->width > 0 ? par->width : 0);

	read_light(st, &avc.light);
	if (sar.num > 0 && sar.den > 0) {
		avc.pixel_width = (uint32_t)sar.num;
		avc.pixel_height = (uint32_t)sar.den;
		width = (width * (uint64_t)sar.num + (uint64_t)sar.den / 2) / (uint64_t)sar.den;
	}
	t->width = width <= 0xffff ? (uint32_t)(width << 16) : 0;
	t->height = par->height > 0 && par->height <= 0xffff ? (uint32_t)par->height << 16 : 0;
	if (matrix)
		memcpy(t->matrix, matrix, sizeof(t->matrix));
	if (par->width <= 0 || par->height <= 0 || par->width > 0xffff || par->height > 0xffff)
		return -EINVAL;
	if (par->codec_id == AV_CODEC_ID_VP9) {
		if (!describe_vp9(par, vpcc))
			return -EINVAL;
		avc.avcc = vpcc;
		avc.avcc_len = sizeof(vpcc);
	}
	return entry_build_video(t->codec, &avc, stsd);
}

static int describe_sound(const AVStream *st, const struct scan_track *from, struct index_track *t,
			  struct buf *stsd)
{
	const AVCodecParameters *par = st->codecpar;
	struct entry_aac aac = {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
		.channels = (unsigned int)par->ch_layout.nb_channels,
#else
		.channels = (unsigned int)par->channels,
#endif
		.rate = (uint32_t)par->sample_rate,
		.config = par->extradata,
		.config_len = (size_t)(par->extradata_size > 0 ? par->extradata_size : 0),
		.bit_rate = (uint32_t)(par->bit_rate > 0 && par->bit_rate < 10000000 ? par->bit_rate
										     : 0),
	};

	return entry_build_sound(t->codec, &aac, from->head, from->head_len, stsd);
}

static bool is_known_to_mp4(enum AVCodecID id)
{
	static const enum AVCodecID known[] = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_AAC};

	for (size_t i = 0; i < SC_ARRAY_SIZE(known); i++)
		if (known[i] == id)
			return true;
	return false;
}

int index_describe(const AVStream *st, const struct scan_track *from, struct index_track *t)
{
	auto_buf struct buf stsd = BUF_EMPTY;
	const AVDictionaryEntry *tag = av_dict_get(st->metadata, "language", NULL, 0);
	enum AVCodecID id = st->codecpar->codec_id;
	int r;

	snprintf(t->codec, sizeof(t->codec), "%s", avcodec_get_name(id));
	if (tag && strlen(tag->value) == 3 && strspn(tag->value, "abcdefghijklmnopqrstuvwxyz") == 3)
		memcpy(t->language, tag->value, sizeof(t->language));
	if (index_tag_copy(st, "title", &t->name) < 0 ||
	    index_tag_copy(st, "handler_name", &t->handler_name) < 0 ||
	    (!t->handler_name && index_tag_copy(st, "title", &t->handler_name) < 0))
		return -ENOMEM;
	t->is_disabled = !(st->disposition & AV_DISPOSITION_DEFAULT);
	t->alternate_group = t->is_video ? 0 : SOUND_GROUP;
	r = t->is_video ? describe_video(st, t, &stsd) : describe_sound(st, from, t, &stsd);
	if (r == -ENOMEM)
		return r;
	t->is_copyable = r == 0 && !t->obstacle;
	if (r < 0 && !t->obstacle && is_known_to_mp4(id))
		t->obstacle = "a byte stream without the description that MP4 needs";
	if (!t->is_copyable)
		return 0;
	t->stsd = (uint8_t *)buf_take(&stsd, &t->stsd_len);
	return t->stsd ? 0 : -ENOMEM;
}
