/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sample entries: the boxes in stsd that say how a track's samples are to be decoded. Which codec,
 * and the content of an stsd for a clip. No libav, no I/O.
 */
#pragma once

#include "reader.h"
#include "storyclip/common/buf.h"

struct entry_info {
	char codec[24];   /* as libavcodec names it where known, else the fourcc */
	bool is_copyable; /* an MP4 can hold it, and all that its decoder needs is there */
	bool is_picture;  /* a still: cover art; more than one of them is a video */
	bool is_encrypted;
	unsigned int nal_length_bytes; /* of H.264 and HEVC */
};

/** What the first entry of a track says. Never fails: what cannot be read is "unknown". */
void entry_read_info(const struct mp4_track *track, struct entry_info *ret);

/**
 * The content of stsd (count and one entry) for a copy of the track. Verbatim, but for QuickTime's
 * own form of sound entries, which players of MP4 do not know: that is put into the ISO form.
 * @return 0, -ENOMEM, -EBADMSG
 */
int entry_copy(const struct mp4_track *track, struct buf *ret);

/* Object types of esds. */
#define ESDS_AAC            0x40
#define ESDS_AAC_MPEG2_MAIN 0x66
#define ESDS_AAC_MPEG2_SSR  0x68
#define ESDS_MP3_LOW        0x69 /* at the sampling rates of MPEG-2 */
#define ESDS_MP3            0x6b

/** What the screen and the light were that an HDR picture was made for (ISO/IEC 23001-8, CTA-861.3). */
struct entry_light {
	bool has_display;
	/* Green, blue, red, white, x and y of each, in 0.00002; then 0.0001 cd/m². */
	uint16_t display_xy[8];
	uint32_t display_max, display_min;
	bool has_level;
	uint16_t level_max, level_average; /* cd/m², of a pixel and of a frame */
};

/** A picture's description; of other codecs avcc is what their own box holds. */
struct entry_avc {
	uint16_t width, height;
	uint32_t pixel_width, pixel_height; /* aspect of a pixel; 0 unknown */
	const uint8_t *avcc;                /* the content of avcC */
	size_t avcc_len;
	/* H.273 numbers for colr; all 2 (unspecified) or 0: no box */
	uint16_t primaries, transfer, matrix;
	bool is_full_range;
	struct entry_light light;
};

struct entry_aac {
	unsigned int channels;
	uint32_t rate;
	const uint8_t *config; /* AudioSpecificConfig */
	size_t config_len;
	uint32_t bit_rate; /* 0 unknown */
};

struct entry_vp9 {
	uint32_t width, height;
	unsigned int profile, bit_depth;
	unsigned int chroma; /* 1: 4:2:0, 2: 4:2:2, 3: 4:4:4 */
	unsigned int primaries, transfer, matrix;
	bool is_full_range;
};

/** The content of vpcC behind its version and flags, which VP9 elsewhere does not have. */
void entry_build_vpcc(const struct entry_vp9 *vp9, uint8_t ret[8]);

/** stsd's content made from what other containers store. @return 0, -ENOMEM, -EINVAL */
int entry_build_avc(const struct entry_avc *avc, struct buf *ret);
int entry_build_aac(const struct entry_aac *aac, struct buf *ret);
/** The same by the codec's name. -EINVAL also where MP4 cannot hold it, or not so described. */
int entry_build_video(const char *codec, const struct entry_avc *video, struct buf *ret);
/** @param packet  the stream's first: AC-3 and E-AC-3 are described there; NULL: there is none */
int entry_build_sound(const char *codec, const struct entry_aac *sound, const uint8_t *packet,
		      size_t packet_len, struct buf *ret);
/** Sound in this entry, with this one box. */
int entry_build_configured(const char fourcc[4], const char box_type[4],
			   const struct entry_aac *sound, const uint8_t *config, size_t len,
			   struct buf *ret);
