/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Heads by x264, which writes the ids that it is told. Entered by the media thread. */
#include <errno.h>
#include <stdio.h>

#include "../encode/encode_spool.h"
#include "../encode/picture_colour.h"
#include "../index/annexb.h"
#include "head_codec.h"

/* A quality that is not told from the source beside it, and small enough. */
#define PRESET "veryfast"
#define CRF    15

/* x264's name of the profile that the head must have too; NULL: it has none like it. */
static const char *profile_name(int profile)
{
	static const struct {
		int profile;
		const char *name;
	} names[] = {
		{66, "baseline"}, {77, "main"},     {100, "high"},
		{110, "high10"},  {122, "high422"}, {244, "high444"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(names); i++)
		if ((profile & 0xff) == names[i].profile)
			return names[i].name;
	return NULL;
}

static int read_sets(const uint8_t *stsd, size_t len, struct head_source *ret)
{
	int r = avcc_read(stsd, len, ret->set_ids, &ret->avcc);

	return r == 0 && ret->avcc.length_bytes == 1 ? -ENOSPC : r;
}

static int set_up(const struct head_source *source, const AVCodecContext *decoder,
		  const AVFrame *frame, AVCodecContext *codec, AVDictionary **settings)
{
	const char *profile = profile_name(decoder->profile);
	char parameters[160];
	int r;

	if (!profile)
		return -EINVAL;
	if (colour_is_interlaced(frame))
		codec->flags |= AV_CODEC_FLAG_INTERLACED_DCT;
	if (decoder->level > 0)
		codec->level = decoder->level;
	/* Without looking ahead, which takes a dozen frames of memory for little here. */
	snprintf(parameters, sizeof(parameters),
		 "sps-id=%u:keyint=infinite:scenecut=0:bframes=0:open-gop=0:mbtree=0:"
		 "rc-lookahead=0%s",
		 source->avcc.free_id,
		 source->avcc.length_bytes == 2 ? ":slice-max-size=60000" : "");
	r = av_dict_set(settings, "preset", PRESET, 0);
	if (r >= 0)
		r = source->avcc.may_be_lossless ? av_dict_set(settings, "qp", "0", 0)
						 : av_dict_set_int(settings, "crf", CRF, 0);
	if (r >= 0)
		r = av_dict_set(settings, "profile", profile, 0);
	if (r >= 0)
		r = av_dict_set(settings, "x264-params", parameters, 0);
	return r < 0 ? -ENOMEM : 0;
}

static int add(const struct head_source *source, const AVPacket *packet, bool is_joint,
	       struct spool *spool)
{
	return spool_add_h264(spool, packet, source->avcc.length_bytes);
}

static int describe(const AVCodecContext *codec, const struct head_source *source,
		    const uint8_t *stsd, size_t len, struct buf *ret)
{
	struct avcc_sets sets;

	if (!annexb_find_sets(codec->extradata, (size_t)codec->extradata_size, &sets))
		return -EBADMSG;
	return avcc_add(stsd, len, &sets, ret);
}

const struct head_codec head_h264 = {
	.name = "h264",
	.encoder = "libx264",
	.maker = "x264",
	.read = read_sets,
	.set_up = set_up,
	.add = add,
	.describe = describe,
};
