/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start codes to lengths: ISO/IEC 14496-10 annex B, 23008-2 annex B, 14496-15. */
#include "annexb.h"

#include <errno.h>
#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>

#include "../mp4/bytes.h"
#include "../mp4/hvcc.h"

#define SETS_MAX 16
#define H264_SPS 7
#define H264_PPS 8

/* Of a packet; few have more than the first ones. */
struct units {
	struct nal_unit first[32];
	size_t n;
	size_t size;
};

/* The first start code (00 00 01) at or behind a place; len: none. All of a stream goes through
 * here, several times: looking for the rarest of the three bytes is left to the C library. */
static size_t find_start(const uint8_t *data, size_t len, size_t at)
{
	for (size_t one = at + 2; one < len; one++) {
		const uint8_t *found = memchr(data + one, 1, len - one);

		if (!found)
			break;
		one = (size_t)(found - data);
		if (!data[one - 1] && !data[one - 2])
			return one - 2;
	}
	return len;
}

bool annexb_next(const uint8_t *data, size_t len, size_t *at, struct nal_unit *ret)
{
	size_t i = *at;

	for (;;) {
		size_t start, end;

		i = find_start(data, len, i);
		if (i + 3 >= len)
			return false;
		start = i + 3;
		*at = i = end = find_start(data, len, start);
		while (end > start && !data[end - 1])
			end--;
		if (end > start) {
			*ret = (struct nal_unit){data + start, end - start};
			return true;
		}
	}
}

bool annexb_find_sets(const uint8_t *data, size_t len, struct avcc_sets *ret)
{
	struct nal_unit unit;
	size_t at = 0;

	*ret = (struct avcc_sets){0};
	while (annexb_next(data, len, &at, &unit)) {
		if ((unit.data[0] & 31) == H264_SPS) {
			ret->sps = unit.data;
			ret->sps_len = unit.len;
		} else if ((unit.data[0] & 31) == H264_PPS) {
			ret->pps = unit.data;
			ret->pps_len = unit.len;
		}
	}
	return ret->sps_len >= 4 && ret->sps_len <= UINT16_MAX && ret->pps_len &&
	       ret->pps_len <= UINT16_MAX;
}

int annexb_build_avcc(const uint8_t *data, size_t len, struct buf *ret)
{
	struct nal_unit units[AVCC_SPS_MAX + AVCC_PPS_MAX], unit;
	size_t n = 0, at = 0;

	while (annexb_next(data, len, &at, &unit)) {
		unsigned int type = unit.data[0] & 31;

		if (type != H264_SPS && type != H264_PPS)
			continue;
		if (n == SC_ARRAY_SIZE(units))
			return -EBADMSG;
		units[n++] = unit;
	}
	return avcc_build(units, n, ret);
}

bool annexb_is(const AVCodecParameters *par)
{
	return (par->codec_id == AV_CODEC_ID_H264 || par->codec_id == AV_CODEC_ID_HEVC) &&
	       par->extradata_size > 4 && !par->extradata[0] && !par->extradata[1];
}

/* The beginning of a sequence parameter set, without the bytes that keep start codes out. */
static bool unescape(const struct nal_unit *unit, uint8_t *ret, size_t want)
{
	size_t zeros = 0, n = 0;

	for (size_t i = 0; i < unit->len && n < want; i++) {
		if (zeros >= 2 && unit->data[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = unit->data[i] ? 0 : zeros + 1;
		ret[n++] = unit->data[i];
	}
	return n == want;
}

static void put_sets(struct buf *b, const struct nal_unit *units, size_t n, unsigned int type)
{
	unsigned int count = 0;

	for (size_t i = 0; i < n; i++)
		count += (units[i].data[0] >> 1 & 63) == type;
	put_u8(b, 0x80 | type); /* all of them are here */
	put_be16(b, count);
	for (size_t i = 0; i < n; i++) {
		if ((units[i].data[0] >> 1 & 63) != type)
			continue;
		put_be16(b, (unsigned int)units[i].len);
		buf_add(b, units[i].data, units[i].len);
	}
}

static int build_hvcc(const AVCodecParameters *par, struct buf *ret)
{
	const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)par->format);
	struct nal_unit units[SETS_MAX], unit;
	uint8_t sps[2 + 1 + 12];
	unsigned int found = 0, chroma;
	size_t n = 0, at = 0;

	while (annexb_next(par->extradata, (size_t)par->extradata_size, &at, &unit)) {
		unsigned int type = unit.data[0] >> 1 & 63;

		if (type < HEVC_VPS || type > HEVC_PPS || unit.len > UINT16_MAX || n == SETS_MAX)
			continue;
		if (type == HEVC_SPS && !unescape(&unit, sps, sizeof(sps)))
			return -EBADMSG;
		found |= 1u << (type - HEVC_VPS);
		units[n++] = unit;
	}
	if (found != 7 || !format)
		return -EBADMSG;
	chroma = format->nb_components == 1 ? 0
		 : format->log2_chroma_h    ? 1
		 : format->log2_chroma_w    ? 2
					    : 3;
	put_u8(ret, 1);
	buf_add(ret, sps + 3, 12); /* profile, tier, level */
	put_be16(ret, 0xf000);
	put_u8(ret, 0xfc);
	put_u8(ret, 0xfc | chroma);
	put_u8(ret, 0xf8 | ((unsigned int)format->comp[0].depth - 8));
	put_u8(ret, 0xf8 | ((unsigned int)format->comp[0].depth - 8));
	put_be16(ret, 0);
	put_u8(ret, ((sps[2] >> 1 & 7) + 1u) << 3 | (sps[2] & 1u) << 2 | 3);
	put_u8(ret, 3);
	for (unsigned int type = HEVC_VPS; type <= HEVC_PPS; type++)
		put_sets(ret, units, n, type);
	return buf_error(ret);
}

int annexb_convert_parameters(AVCodecParameters *par)
{
	auto_buf struct buf config = BUF_EMPTY;
	uint8_t *copy;
	int r = par->codec_id == AV_CODEC_ID_HEVC
			? build_hvcc(par, &config)
			: annexb_build_avcc(par->extradata, (size_t)par->extradata_size, &config);

	if (r < 0)
		return r;
	copy = av_mallocz(config.len + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, config.data, config.len);
	av_freep(&par->extradata);
	par->extradata = copy;
	par->extradata_size = (int)config.len;
	return 0;
}

/* All units of a packet, and the bytes that MP4 has for them. @return 0, -EBADMSG */
static int list_units(const AVPacket *packet, struct units *ret)
{
	size_t len = (size_t)packet->size, at = 0;
	struct nal_unit unit;

	*ret = (struct units){0};
	while (annexb_next(packet->data, len, &at, &unit)) {
		if (ret->n < SC_ARRAY_SIZE(ret->first))
			ret->first[ret->n] = unit;
		ret->n++;
		ret->size += 4 + unit.len;
	}
	return ret->size && ret->size <= INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE ? 0 : -EBADMSG;
}

static uint8_t *put_unit(uint8_t *out, const struct nal_unit *unit)
{
	set_be32(out, (uint32_t)unit->len);
	memcpy(out + 4, unit->data, unit->len);
	return out + 4 + unit->len;
}

int annexb_convert_packet(AVPacket *packet)
{
	AVBufferRef *buffer;
	struct units units;
	struct nal_unit unit;
	uint8_t *out;
	size_t at = 0;
	int r = list_units(packet, &units);

	if (r < 0)
		return r;
	buffer = av_buffer_alloc(units.size + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!buffer)
		return -ENOMEM;
	memset(buffer->data + units.size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
	out = buffer->data;
	if (units.n <= SC_ARRAY_SIZE(units.first)) {
		for (size_t i = 0; i < units.n; i++)
			out = put_unit(out, &units.first[i]);
	} else {
		while (annexb_next(packet->data, (size_t)packet->size, &at, &unit))
			out = put_unit(out, &unit);
	}
	av_buffer_unref(&packet->buf);
	packet->buf = buffer;
	packet->data = buffer->data;
	packet->size = (int)units.size;
	return 0;
}

int annexb_measure_packet(AVPacket *packet)
{
	struct units units;
	int r = list_units(packet, &units);

	if (r == 0)
		packet->size = (int)units.size;
	return r;
}
