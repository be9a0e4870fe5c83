/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoded packets on their way into a clip. Entered by the media thread. */
#include "encode_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mp4/avcc.h"
#include "mp4/bytes.h"

#define NAL_SPS 7
#define NAL_PPS 8

/* Note a sample whose bytes are [offset, end of the spool). */
static int track_note(struct spool_track *track, const struct spool *spool, const AVPacket *packet,
		      int64_t offset)
{
	if (track->n_samples == track->cap) {
		size_t cap = track->cap ? track->cap * 2 : 256;
		struct mp4_out_sample *samples =
			reallocarray(track->samples, cap, sizeof(*samples));

		if (!samples)
			return -ENOMEM;
		track->samples = samples;
		track->cap = cap;
	}
	track->samples[track->n_samples++] = (struct mp4_out_sample){
		.dts = packet->dts,
		.pts = packet->pts,
		.offset = offset,
		.size = (uint32_t)(spool->size - offset),
		.is_sync = (packet->flags & AV_PKT_FLAG_KEY) != 0,
	};
	return 0;
}

int spool_track_add(struct spool_track *track, struct spool *spool, const AVPacket *packet)
{
	int64_t offset = spool->size;
	int r = spool_write(spool, packet->data, (size_t)packet->size);

	return r < 0 ? r : track_note(track, spool, packet, offset);
}

/*
 * The next NAL unit of a byte stream (H.264 annex B) from *at on: what lies between two start
 * codes, without the zero bytes that may stand before the second. @return false at the end
 */
static bool next_nal(const uint8_t *data, size_t len, size_t *at, size_t *ret_start, size_t *ret_end)
{
	size_t i = *at, end;

	while (i + 3 <= len && !(data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1))
		i++;
	if (i + 3 >= len)
		return false;
	*ret_start = i + 3;
	for (end = i + 3; end + 3 <= len; end++)
		if (data[end] == 0 && data[end + 1] == 0 && data[end + 2] == 1)
			break;
	if (end + 3 > len)
		end = len;
	*at = end;
	while (end > *ret_start && data[end - 1] == 0)
		end--;
	*ret_end = end;
	return end > *ret_start;
}

int spool_add_h264(struct spool *spool, const AVPacket *packet, unsigned int length_bytes)
{
	size_t at = 0, start, end, len = (size_t)packet->size;
	int64_t offset = spool->size;
	uint8_t length[4];
	int r;

	while (next_nal(packet->data, len, &at, &start, &end)) {
		if (length_bytes < 4 && (end - start) >> (8 * length_bytes))
			return -E2BIG;
		set_be32(length, (uint32_t)(end - start));
		r = spool_write(spool, length + 4 - length_bytes, length_bytes);
		if (r == 0)
			r = spool_write(spool, packet->data + start, end - start);
		if (r < 0)
			return r;
	}
	return spool->size == offset ? -EBADMSG : 0;
}

int spool_track_add_h264(struct spool_track *track, struct spool *spool, const AVPacket *packet)
{
	int64_t offset = spool->size;
	int r = spool_add_h264(spool, packet, 4);

	return r < 0 ? r : track_note(track, spool, packet, offset);
}

void spool_track_reset(struct spool_track *track)
{
	track->n_samples = 0;
}

void spool_track_finish(struct spool_track *track)
{
	free(track->samples);
	*track = (struct spool_track){0};
}

bool spool_find_sets(const uint8_t *data, size_t len, struct avcc_sets *ret)
{
	size_t at = 0, start, end;

	*ret = (struct avcc_sets){0};
	while (next_nal(data, len, &at, &start, &end)) {
		if ((data[start] & 31) == NAL_SPS) {
			ret->sps = data + start;
			ret->sps_len = end - start;
		} else if ((data[start] & 31) == NAL_PPS) {
			ret->pps = data + start;
			ret->pps_len = end - start;
		}
	}
	return ret->sps_len >= 4 && ret->sps_len <= UINT16_MAX && ret->pps_len &&
	       ret->pps_len <= UINT16_MAX;
}

int spool_build_avcc(const uint8_t *data, size_t len, struct buf *ret)
{
	struct avcc_sets sets;

	if (!spool_find_sets(data, len, &sets))
		return -EBADMSG;
	put_u8(ret, 1);
	buf_add(ret, sets.sps + 1, 3); /* profile, its constraints, level */
	put_u8(ret, 0xff);        /* lengths have 4 bytes */
	put_u8(ret, 0xe1);        /* one SPS */
	put_be16(ret, (unsigned int)sets.sps_len);
	buf_add(ret, sets.sps, sets.sps_len);
	put_u8(ret, 1);
	put_be16(ret, (unsigned int)sets.pps_len);
	buf_add(ret, sets.pps, sets.pps_len);
	if (sets.sps[1] == 100 || sets.sps[1] == 110 || sets.sps[1] == 122 ||
	    sets.sps[1] == 244) {
		/* What we encode is always 4:2:0 with 8 bits. */
		put_u8(ret, 0xfd);
		put_u8(ret, 0xf8);
		put_u8(ret, 0xf8);
		put_u8(ret, 0);
	}
	return buf_error(ret);
}
