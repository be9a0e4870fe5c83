/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Heads by x265. It numbers its parameter sets with 0: they, and the slices that name them, are
 * numbered anew (mp4/hvcc.h). Entered by the media thread.
 */
#include <errno.h>
#include <stdio.h>

#include <libavutil/mastering_display_metadata.h>

#include "../encode/picture_colour.h"
#include "../index/annexb.h"
#include "../mp4/bytes.h"
#include "head_codec.h"

/* As in head_h264.c. A slower preset takes half as long again for 1 dB and a sixth of the bytes. */
#define PRESET "ultrafast"
#define CRF    15

static int read_sets(const uint8_t *stsd, size_t len, struct head_source *ret)
{
	int r = hvcc_read(stsd, len, &ret->hvcc);

	if (r < 0)
		return r;
	/* A frame may well take more than two bytes can say. */
	return ret->hvcc.is_layered || ret->hvcc.length_bytes < 4 ? -ENOSPC : 0;
}

static long long scaled(AVRational value, int to)
{
	return av_rescale_rnd(value.num, to, value.den ? value.den : 1, AV_ROUND_NEAR_INF);
}

/* What the source says of its light (ISO/IEC 23008-2, D.3.28 and D.3.35), in x265's words. */
static void add_light(const AVFrame *frame, struct buf *parameters)
{
	const AVFrameSideData *display =
		av_frame_get_side_data(frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
	const AVFrameSideData *content =
		av_frame_get_side_data(frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);

	if (display) {
		const AVMasteringDisplayMetadata *m = (const void *)display->data;
		const AVRational(*p)[2] = m->display_primaries;

		if (m->has_primaries && m->has_luminance)
			buf_printf(
				parameters,
				":master-display=G(%lld,%lld)B(%lld,%lld)R(%lld,%lld)"
				"WP(%lld,%lld)L(%lld,%lld)",
				scaled(p[1][0], 50000), scaled(p[1][1], 50000),
				scaled(p[2][0], 50000), scaled(p[2][1], 50000),
				scaled(p[0][0], 50000), scaled(p[0][1], 50000),
				scaled(m->white_point[0], 50000), scaled(m->white_point[1], 50000),
				scaled(m->max_luminance, 10000), scaled(m->min_luminance, 10000));
	}
	if (content) {
		const AVContentLightMetadata *m = (const void *)content->data;

		buf_printf(parameters, ":max-cll=%u,%u", m->MaxCLL, m->MaxFALL);
	}
}

static int set_up(const struct head_source *source, const AVCodecContext *decoder,
		  const AVFrame *frame, AVCodecContext *codec, AVDictionary **settings)
{
	auto_buf struct buf parameters = BUF_EMPTY;
	int r;

	/* Fields are pictures of their own in HEVC, and messages say which is which. */
	if (colour_is_interlaced(frame))
		return -EINVAL;
	/* One reference, nothing reordered: when a keyframe follows, no frame of the head waits. */
	buf_add_str(&parameters, "keyint=-1:scenecut=0:bframes=0:b-adapt=0:open-gop=0:cutree=0:"
				 "rc-lookahead=0:info=0:hrd=0:aud=0:log-level=none");
	add_light(frame, &parameters);
	if (buf_error(&parameters) < 0)
		return -ENOMEM;
	r = av_dict_set(settings, "preset", PRESET, 0);
	if (r >= 0)
		r = av_dict_set_int(settings, "crf", CRF, 0);
	if (r >= 0)
		r = av_dict_set(settings, "x265-params", parameters.data, 0);
	return r < 0 ? -ENOMEM : 0;
}

static int put_unit(struct spool *spool, const void *data, size_t len)
{
	uint8_t length[4];
	int r;

	if (len > UINT32_MAX)
		return -E2BIG;
	set_be32(length, (uint32_t)len);
	r = spool_write(spool, length, sizeof(length));
	return r < 0 ? r : spool_write(spool, data, len);
}

static int add(const struct head_source *source, const AVPacket *packet, bool is_joint,
	       struct spool *spool)
{
	/* Behind an end of the sequence any keyframe begins anew, also one of an open group. */
	static const uint8_t end[] = {HEVC_END_OF_SEQUENCE << 1, 1};
	auto_buf struct buf numbered = BUF_EMPTY;
	size_t at = 0, n = 0;
	struct nal_unit unit;
	int r = 0;

	while (r == 0 && annexb_next(packet->data, (size_t)packet->size, &at, &unit)) {
		/* With messages about light x265 repeats its parameter sets; the track has them. */
		if (hevc_type(&unit) >= HEVC_VPS && hevc_type(&unit) <= HEVC_PPS)
			continue;
		buf_reset(&numbered);
		r = hevc_renumber(&unit, &source->hvcc, NULL, &numbered);
		if (r == 0)
			r = put_unit(spool, numbered.data, numbered.len);
		n++;
	}
	if (r == 0 && is_joint)
		r = put_unit(spool, end, sizeof(end));
	return r == 0 && !n ? -EBADMSG : r;
}

static int describe(const AVCodecContext *codec, const struct head_source *source,
		    const uint8_t *stsd, size_t len, struct buf *ret)
{
	auto_buf struct buf vps = BUF_EMPTY, sps = BUF_EMPTY, pps = BUF_EMPTY;
	uint8_t profile[HEVC_PROFILE_BYTES] = {0};
	struct hvcc_sets sets;
	struct nal_unit unit;
	size_t at = 0;
	int r = 0;

	while (r == 0 && annexb_next(codec->extradata, (size_t)codec->extradata_size, &at, &unit)) {
		unsigned int type = hevc_type(&unit);
		struct buf *set = type == HEVC_VPS   ? &vps
				  : type == HEVC_SPS ? &sps
				  : type == HEVC_PPS ? &pps
						     : NULL;

		if (set && set->len)
			return -EBADMSG;
		if (set)
			r = hevc_renumber(&unit, &source->hvcc, profile, set);
	}
	if (r < 0)
		return r;
	if (!vps.len || !sps.len || !pps.len)
		return -EBADMSG;
	if (!hevc_is_profile_like(source->hvcc.profile, profile))
		return -EINVAL;
	sets = (struct hvcc_sets){{(const uint8_t *)vps.data, vps.len},
				  {(const uint8_t *)sps.data, sps.len},
				  {(const uint8_t *)pps.data, pps.len}};
	return hvcc_add(stsd, len, &sets, ret);
}

const struct head_codec head_hevc = {
	.name = "hevc",
	.encoder = "libx265",
	.maker = "x265",
	.read = read_sets,
	.set_up = set_up,
	.add = add,
	.describe = describe,
};
