/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoded packets on their way into a clip. Entered by the media thread. */
#include "encode_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../index/annexb.h"
#include "../mp4/bytes.h"

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

int spool_add_h264(struct spool *spool, const AVPacket *packet, unsigned int length_bytes)
{
	int64_t offset = spool->size;
	struct nal_unit unit;
	uint8_t length[4];
	size_t at = 0;
	int r;

	while (annexb_next(packet->data, (size_t)packet->size, &at, &unit)) {
		if (length_bytes < 4 && unit.len >> (8 * length_bytes))
			return -E2BIG;
		set_be32(length, (uint32_t)unit.len);
		r = spool_write(spool, length + 4 - length_bytes, length_bytes);
		if (r == 0)
			r = spool_write(spool, unit.data, unit.len);
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
