/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The times of sound in an index made from packets: what the container's coarse clock has rounded
 * is mended, so that packets follow each other without gaps of a millisecond.
 */
#include <string.h>

#include "index_scan.h"

/* What the first packet or the description says about the samples of sound in a packet; 0: nothing.
 */
static int64_t told_samples(const AVCodecParameters *par, const struct scan_track *from)
{
	static const int opus_silk[] = {480, 960, 1920, 2880}, blocks[] = {1, 2, 3, 6};
	const uint8_t *extra = par->extradata;
	unsigned int config = from->head[0] >> 3;
	int frames;

	switch (par->codec_id) {
	case AV_CODEC_ID_MP3:
		return par->sample_rate >= 32000 ? 1152 : 576;
	case AV_CODEC_ID_MP2:
		return 1152;
	case AV_CODEC_ID_AC3:
		return 1536;
	case AV_CODEC_ID_EAC3: /* of 256 samples: one, two, three or six blocks */
		return 256 * (from->head[4] >> 6 == 3 ? 6 : blocks[from->head[4] >> 4 & 3]);
	case AV_CODEC_ID_FLAC: /* the smallest and the largest block */
		return par->extradata_size >= 34 && !memcmp(extra, extra + 2, 2)
			       ? extra[0] << 8 | extra[1]
			       : 0;
	case AV_CODEC_ID_ALAC:
		return par->extradata_size >= 36
			       ? extra[12] << 24 | extra[13] << 16 | extra[14] << 8 | extra[15]
			       : 0;
	case AV_CODEC_ID_OPUS: /* RFC 6716, 3.1 */
		frames = (from->head[0] & 3) == 0   ? 1
			 : (from->head[0] & 3) == 3 ? from->head[1] & 63
						    : 2;
		if (config >= 16)
			return (int64_t)frames * (120 << (config & 3));
		if (config >= 12)
			return (int64_t)frames * (480 << (config & 1));
		return (int64_t)frames * opus_silk[config & 3];
	default:
		return 0;
	}
}

/* How many samples of sound a packet holds: what the codec says, else what the clock shows. */
static int64_t packet_samples(const AVCodecParameters *par, const struct scan_track *from,
			      const struct index_track *t)
{
	static const int64_t usual[] = {1024, 2048, 960, 1920, 512, 480, 1152, 1536};
	int64_t measured = told_samples(par, from);

	if (measured > 0)
		return measured;
	if (par->frame_size > 0)
		return par->frame_size;
	if (t->n_samples < 2)
		return usual[0];
	measured = (t->samples[t->n_samples - 1].pts - t->samples[0].pts) /
		   (int64_t)(t->n_samples - 1);
	for (size_t i = 0; i < SC_ARRAY_SIZE(usual); i++)
		if (measured > usual[i] * 95 / 100 && measured < usual[i] * 105 / 100)
			return usual[i];
	return measured > 0 ? measured : 1;
}

/**
 * Packets of sound follow each other without gaps, but a container's clock (milliseconds) makes
 * them tremble. Each run that fits an even step is given exact times, at the place that fits all
 * of its rounded ones best. `slack` ticks off is another run: a true gap. A first one that begins
 * where the coder's delay (`padding`, 0 unknown) ends at 0 does exactly that.
 */
static void smooth_sound(struct index_track *t, int64_t step, int64_t slack, int64_t padding)
{
	size_t start = 0;

	while (start < t->n_samples) {
		int64_t first = t->samples[start].pts, sum = 0, n = 0;
		size_t end = start;

		for (; end < t->n_samples; end++, n++) {
			int64_t off = t->samples[end].pts - (first + n * step);

			if (off > slack || -off > slack)
				break;
			sum += off;
		}
		first += (sum >= 0 ? sum + n / 2 : sum - n / 2) / n;
		if (!start && padding > 0 && first + padding <= slack && first + padding >= -slack)
			first = -padding;
		for (size_t i = start; i < end; i++)
			t->samples[i].dts = t->samples[i].pts = first + (int64_t)(i - start) * step;
		start = end;
	}
}

void index_complete_sound(const AVStream *st, const struct scan_track *from, struct index_track *t)
{
	uint32_t rate = (uint32_t)st->codecpar->sample_rate;
	int64_t step, slack, last;

	if (st->codecpar->sample_rate > 0) {
		for (size_t i = 0; i < t->n_samples; i++)
			t->samples[i].pts = index_rescale(t->samples[i].pts, rate, t->timescale);
		slack = 2 * index_rescale(st->time_base.num, rate, (uint32_t)st->time_base.den);
		t->timescale = rate;
		step = packet_samples(st->codecpar, from, t);
		smooth_sound(t, step, slack > rate / 500 ? slack : rate / 500,
			     st->codecpar->initial_padding);
	} else {
		step = packet_samples(st->codecpar, from, t);
		for (size_t i = 0; i < t->n_samples; i++)
			t->samples[i].dts = t->samples[i].pts;
	}
	/* The last one may be shorter; a clock of milliseconds does not tell by how little. */
	last = st->codecpar->sample_rate > 0
		       ? av_rescale_q(from->duration, (AVRational){1, st->time_base.den},
				      (AVRational){1, st->codecpar->sample_rate})
		       : from->duration;
	last = last > 0 && last < step * 9 / 10 ? last : step;
	last -= from->padded < last ? from->padded : 0;
	t->end_dts = t->n_samples ? t->samples[t->n_samples - 1].dts + last : 0;
}
