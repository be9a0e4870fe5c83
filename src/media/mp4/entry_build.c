/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sample entries made from what other containers store: one box of configuration per codec. */
#include <stdio.h>

#include "bytes.h"
#include "entry.h"

#define MPEG_LOW_RATE 32000 /* sound below it is of MPEG-2 */

static void put_sound_fields(struct buf *b, unsigned int channels, uint32_t rate)
{
	put_zeros(b, 6);
	put_be16(b, 1); /* data reference */
	put_zeros(b, 8);
	put_be16(b, channels);
	put_be16(b, 16); /* bits, by convention */
	put_be32(b, 0);
	put_be32(b, rate <= 0xffff ? rate << 16 : 0);
}

static void put_descriptor(struct buf *b, unsigned int tag, size_t len)
{
	put_u8(b, tag);
	put_u8(b, (unsigned int)(len >> 21 & 0x7f) | 0x80);
	put_u8(b, (unsigned int)(len >> 14 & 0x7f) | 0x80);
	put_u8(b, (unsigned int)(len >> 7 & 0x7f) | 0x80);
	put_u8(b, (unsigned int)(len & 0x7f));
}

/* esds; without a configuration (MP3) it has no such descriptor. */
static void put_esds(struct buf *b, unsigned int object_type, unsigned int stream_type,
		     uint32_t bit_rate, const uint8_t *config, size_t len)
{
	size_t inner = len ? 5 + len : 0, decoder = 5 + 13 + inner;
	size_t box = box_begin_full(b, "esds", 0, 0);

	put_descriptor(b, 3, 3 + decoder + 5 + 1);
	put_be16(b, 0);
	put_u8(b, 0);
	put_descriptor(b, 4, 13 + inner);
	put_u8(b, object_type);
	put_u8(b, stream_type << 2 | 1);
	put_be24(b, 0);
	put_be32(b, bit_rate);
	put_be32(b, bit_rate);
	if (len) {
		put_descriptor(b, 5, len);
		buf_add(b, config, len);
	}
	put_descriptor(b, 6, 1);
	put_u8(b, 2); /* as MP4 has it */
	box_end(b, box);
}

static void put_colour(struct buf *b, const struct entry_avc *video)
{
	size_t box;

	if (!video->primaries ||
	    (video->primaries == 2 && video->transfer == 2 && video->matrix == 2))
		return;
	box = box_begin(b, "colr");
	buf_add(b, "nclx", 4);
	put_be16(b, video->primaries);
	put_be16(b, video->transfer);
	put_be16(b, video->matrix);
	put_u8(b, video->is_full_range ? 0x80 : 0);
	box_end(b, box);
}

static void put_light(struct buf *b, const struct entry_light *light)
{
	size_t box;

	if (light->has_display) {
		box = box_begin(b, "mdcv");
		for (size_t i = 0; i < SC_ARRAY_SIZE(light->display_xy); i++)
			put_be16(b, light->display_xy[i]);
		put_be32(b, light->display_max);
		put_be32(b, light->display_min);
		box_end(b, box);
	}
	if (light->has_level) {
		box = box_begin(b, "clli");
		put_be16(b, light->level_max);
		put_be16(b, light->level_average);
		box_end(b, box);
	}
}

/* What each codec of pictures is called in MP4. */
static const struct video_form {
	const char *codec;
	char fourcc[5];
	char config[5];
	unsigned int object_type; /* with esds */
	size_t config_min;
	bool is_full; /* the box begins with a version and flags that the configuration lacks */
} video_forms[] = {
	{"h264", "avc1", "avcC", 0, 7, false},
	{"hevc", "hvc1", "hvcC", 0, 23, false},
	{"av1", "av01", "av1C", 0, 4, false},
	{"vp9", "vp09", "vpcC", 0, 8, true},
	{"mpeg4", "mp4v", "esds", 0x20, 5, false},
	{"mpeg2video", "mp4v", "esds", 0x61, 0, false},
};

static bool is_video_config_sane(const struct video_form *form, const struct entry_avc *video)
{
	if (video->avcc_len < form->config_min || video->avcc_len > 65536)
		return false;
	if (!strcmp(form->codec, "h264") || !strcmp(form->codec, "hevc"))
		return video->avcc[0] == 1;
	return strcmp(form->codec, "av1") != 0 || video->avcc[0] == 0x81;
}

int entry_build_video(const char *codec, const struct entry_avc *video, struct buf *ret)
{
	const struct video_form *form = NULL;
	size_t entry, box;

	for (size_t i = 0; i < SC_ARRAY_SIZE(video_forms); i++)
		if (!strcmp(codec, video_forms[i].codec))
			form = &video_forms[i];
	if (!form || !is_video_config_sane(form, video))
		return -EINVAL;
	put_be32(ret, 1);
	entry = box_begin(ret, form->fourcc);
	put_zeros(ret, 6);
	put_be16(ret, 1); /* data reference */
	put_zeros(ret, 16);
	put_be16(ret, video->width);
	put_be16(ret, video->height);
	put_be32(ret, 0x480000); /* 72 dpi */
	put_be32(ret, 0x480000);
	put_be32(ret, 0);
	put_be16(ret, 1);   /* frames per sample */
	put_zeros(ret, 32); /* compressor's name */
	put_be16(ret, 24);
	put_be16(ret, 0xffff);
	if (form->object_type) {
		put_esds(ret, form->object_type, 4, 0, video->avcc, video->avcc_len);
	} else {
		box = form->is_full ? box_begin_full(ret, form->config, 1, 0)
				    : box_begin(ret, form->config);
		buf_add(ret, video->avcc, video->avcc_len);
		box_end(ret, box);
	}
	put_colour(ret, video);
	put_light(ret, &video->light);
	if (video->pixel_width && video->pixel_height) {
		box = box_begin(ret, "pasp");
		put_be32(ret, video->pixel_width);
		put_be32(ret, video->pixel_height);
		box_end(ret, box);
	}
	box_end(ret, entry);
	return buf_error(ret);
}

int entry_build_avc(const struct entry_avc *avc, struct buf *ret)
{
	return entry_build_video("h264", avc, ret);
}

void entry_build_vpcc(const struct entry_vp9 *vp9, uint8_t ret[8])
{
	/* The largest picture of each level, in samples (VP9 levels, first column). */
	static const struct {
		uint32_t samples;
		unsigned int level;
	} levels[] = {{36864, 10},  {73728, 11},   {122880, 20},  {245760, 21},  {552960, 30},
		      {983040, 31}, {2228224, 41}, {8912896, 52}, {35651584, 62}};
	uint64_t samples = (uint64_t)vp9->width * vp9->height;
	unsigned int level = 62;

	for (size_t i = SC_ARRAY_SIZE(levels); i-- > 0;)
		if (samples <= levels[i].samples)
			level = levels[i].level;
	memset(ret, 0, 8);
	ret[0] = (uint8_t)vp9->profile;
	ret[1] = (uint8_t)level;
	ret[2] = (uint8_t)(vp9->bit_depth << 4 | vp9->chroma << 1 | vp9->is_full_range);
	ret[3] = (uint8_t)vp9->primaries;
	ret[4] = (uint8_t)vp9->transfer;
	ret[5] = (uint8_t)vp9->matrix;
}

int entry_build_configured(const char fourcc[4], const char box_type[4],
			   const struct entry_aac *sound, const uint8_t *config, size_t len,
			   struct buf *ret)
{
	size_t entry, box;

	put_be32(ret, 1);
	entry = box_begin(ret, fourcc);
	put_sound_fields(ret, sound->channels, sound->rate);
	box = box_begin(ret, box_type);
	buf_add(ret, config, len);
	box_end(ret, box);
	box_end(ret, entry);
	return buf_error(ret);
}

static int build_mp4a(const struct entry_aac *sound, unsigned int object_type, struct buf *ret)
{
	size_t entry;

	put_be32(ret, 1);
	entry = box_begin(ret, "mp4a");
	put_sound_fields(ret, sound->channels, sound->rate);
	put_esds(ret, object_type, 5, sound->bit_rate, sound->config, sound->config_len);
	box_end(ret, entry);
	return buf_error(ret);
}

int entry_build_aac(const struct entry_aac *aac, struct buf *ret)
{
	if (aac->config_len < 2 || aac->config_len > 4096 || !aac->channels || aac->channels > 64 ||
	    !aac->rate)
		return -EINVAL;
	return build_mp4a(aac, ESDS_AAC, ret);
}

/* MP3 and MP2 describe themselves in each packet. */
static int build_mpeg(const struct entry_aac *sound, struct buf *ret)
{
	struct entry_aac bare = *sound;

	bare.config_len = 0;
	return build_mp4a(&bare, sound->rate < MPEG_LOW_RATE ? ESDS_MP3_LOW : ESDS_MP3, ret);
}

/* OpusHead as Ogg and Matroska have it, least byte first, to dOps (Opus in ISOBMFF, 4.3.2). */
static int build_opus(const struct entry_aac *sound, struct buf *ret)
{
	const uint8_t *head = sound->config;
	auto_buf struct buf box = BUF_EMPTY;
	struct entry_aac fields = {.channels = sound->channels, .rate = 48000};

	if (sound->config_len < 19 || memcmp(head, "OpusHead", 8) != 0)
		return -EINVAL;
	put_u8(&box, 0);
	put_u8(&box, head[9]);
	put_be16(&box, (unsigned int)(head[11] << 8 | head[10]));
	for (int i = 3; i >= 0; i--)
		put_u8(&box, head[12 + i]);
	put_u8(&box, head[17]);
	put_u8(&box, head[16]);
	put_u8(&box, head[18]);
	if (head[18]) {
		if (sound->config_len < 21u + head[9])
			return -EINVAL;
		buf_add(&box, head + 19, 2u + head[9]);
	}
	if (buf_error(&box) < 0)
		return -ENOMEM;
	return entry_build_configured("Opus", "dOps", &fields, (const uint8_t *)box.data, box.len,
				      ret);
}

/* STREAMINFO, of the whole beginning of a FLAC file or alone. */
static int build_flac(const struct entry_aac *sound, struct buf *ret)
{
	uint8_t config[4 + 4 + 34] = {0, 0, 0, 0, 0x80, 0, 0, 34}; /* the last block, of 34 bytes */
	const uint8_t *info = sound->config;
	size_t len = sound->config_len;

	if (len >= 42 && !memcmp(info, "fLaC", 4)) {
		info += 8;
		len -= 8;
	}
	if (len < 34)
		return -EINVAL;
	memcpy(config + 8, info, 34);
	return entry_build_configured("fLaC", "dfLa", sound, config, sizeof(config), ret);
}

/* What libavformat keeps of ALAC is the box, whole. */
static int build_alac(const struct entry_aac *sound, struct buf *ret)
{
	if (sound->config_len < 36 || memcmp(sound->config + 4, "alac", 4) != 0)
		return -EINVAL;
	return entry_build_configured("alac", "alac", sound, sound->config + 8,
				      sound->config_len - 8, ret);
}

/* A packet's header begins with the bits 0x0b77. (ETSI TS 102 366, 4.4 and F.4) */
static int build_ac3(const struct entry_aac *sound, const uint8_t *p, size_t len, struct buf *ret)
{
	unsigned int acmod, lfe_at;
	uint32_t bits, config;
	uint8_t bytes[3];

	if (len < 8 || p[0] != 0x0b || p[1] != 0x77)
		return -EINVAL;
	bits = get_be32(p + 4); /* fscod 2, frmsizecod 6, bsid 5, bsmod 3, acmod 3, … */
	acmod = bits >> 13 & 7;
	lfe_at = 12; /* the bit behind acmod, and behind what some channel layouts put between */
	lfe_at -= (acmod & 1 && acmod != 1 ? 2 : 0) + (acmod & 4 ? 2 : 0) + (acmod == 2 ? 2 : 0);
	config = (bits >> 30) << 22 | (bits >> 19 & 31) << 17 | (bits >> 16 & 7) << 14 |
		 acmod << 11 | (bits >> lfe_at & 1) << 10 | (bits >> 25 & 31) << 5;
	if ((bits >> 19 & 31) > 10)
		return -EINVAL;
	for (int i = 0; i < 3; i++)
		bytes[i] = (uint8_t)(config >> (16 - 8 * i));
	return entry_build_configured("ac-3", "dac3", sound, bytes, sizeof(bytes), ret);
}

/* One independent substream, without further ones: what all but a few discs have. */
static int build_eac3(const struct entry_aac *sound, const uint8_t *p, size_t len, struct buf *ret)
{
	uint32_t rate = sound->bit_rate / 1000, size;
	uint8_t config[5];

	if (len < 8 || p[0] != 0x0b || p[1] != 0x77 || p[2] >> 3 != 0)
		return -EINVAL;
	size = (((uint32_t)p[2] & 7) << 8 | p[3]) * 2 + 2;
	if (p[5] >> 3 <= 10 || size != len)
		return -EINVAL; /* AC-3, or more substreams in the packet */
	/* data_rate 13, num_ind_sub 3; fscod 2, bsid 5, 0, asvc 1, bsmod 3, acmod 3, lfeon 1, … */
	config[0] = (uint8_t)(rate >> 5);
	config[1] = (uint8_t)(rate << 3);
	config[2] = (uint8_t)((p[4] & 0xc0) | (p[5] >> 3) << 1);
	config[3] = (uint8_t)(p[4] & 0x0f);
	config[4] = 0;
	return entry_build_configured("ec-3", "dec3", sound, config, sizeof(config), ret);
}

int entry_build_sound(const char *codec, const struct entry_aac *sound, const uint8_t *packet,
		      size_t packet_len, struct buf *ret)
{
	static const struct {
		const char *codec;
		int (*build)(const struct entry_aac *sound, struct buf *ret);
	} builders[] = {
		{"aac", entry_build_aac}, {"mp3", build_mpeg},  {"mp2", build_mpeg},
		{"opus", build_opus},     {"flac", build_flac}, {"alac", build_alac},
	};

	if (!sound->channels || sound->channels > 64 || !sound->rate)
		return -EINVAL;
	if (!strcmp(codec, "ac3"))
		return build_ac3(sound, packet, packet_len, ret);
	if (!strcmp(codec, "eac3"))
		return build_eac3(sound, packet, packet_len, ret);
	for (size_t i = 0; i < SC_ARRAY_SIZE(builders); i++)
		if (!strcmp(codec, builders[i].codec))
			return builders[i].build(sound, ret);
	return -EINVAL;
}
