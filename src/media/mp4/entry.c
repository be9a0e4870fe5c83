/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sample entries, ISO/IEC 14496-12 section 8.5.2, -14 and -15, and QuickTime's forms of them. */
#include "entry.h"

#include <stdio.h>

#include "bytes.h"

#define VIDEO_ENTRY_BYTES   86 /* box header and fixed fields; boxes follow */
#define SOUND_ENTRY_BYTES   36
#define ESDS_AAC            0x40
#define ESDS_AAC_MPEG2_MAIN 0x66
#define ESDS_AAC_MPEG2_SSR  0x68

struct child {
	const uint8_t *data; /* content */
	size_t len;
};

/* Find a child box; with the end of the last whole child, to leave QuickTime's end mark out. */
static bool find_child(const uint8_t *data, size_t len, uint32_t type, struct child *ret,
		       size_t *ret_end)
{
	size_t at = 0;
	bool found = false;

	while (len - at >= 8) {
		uint32_t size = get_be32(data + at);

		if (size < 8 || size > len - at)
			break;
		if (!found && get_be32(data + at + 4) == type) {
			*ret = (struct child){data + at + 8, size - 8};
			found = true;
		}
		at += size;
	}
	if (ret_end)
		*ret_end = at;
	return found;
}

/* Where the boxes begin in a sound entry: QuickTime's versions 1 and 2 have more fields. */
static size_t sound_header_bytes(const struct mp4_track *t)
{
	static const size_t more[] = {0, 16, 36};
	unsigned int version;

	if (t->entry_len < SOUND_ENTRY_BYTES)
		return 0;
	version = get_be16(t->entry + 16);
	if (version >= SC_ARRAY_SIZE(more) || t->entry_len < SOUND_ENTRY_BYTES + more[version])
		return 0;
	return SOUND_ENTRY_BYTES + more[version];
}

static bool find_esds(const struct mp4_track *t, struct child *ret)
{
	size_t header = sound_header_bytes(t);
	struct child wave;

	if (!header)
		return false;
	if (find_child(t->entry + header, t->entry_len - header, FOURCC('e', 's', 'd', 's'), ret,
		       NULL))
		return true;
	return find_child(t->entry + header, t->entry_len - header, FOURCC('w', 'a', 'v', 'e'),
			  &wave, NULL) &&
	       find_child(wave.data, wave.len, FOURCC('e', 's', 'd', 's'), ret, NULL);
}

/* A descriptor's tag and length (up to four bytes of seven bits). @return false when cut short */
static bool next_descriptor(struct child *rest, unsigned int *ret_tag, size_t *ret_len)
{
	size_t at = 1, len = 0;

	if (rest->len < 2)
		return false;
	*ret_tag = rest->data[0];
	for (int i = 0; i < 4 && at < rest->len; i++) {
		len = len << 7 | (rest->data[at] & 0x7f);
		if (!(rest->data[at++] & 0x80))
			break;
	}
	rest->data += at;
	rest->len -= at;
	if (len > rest->len)
		len = rest->len;
	*ret_len = len;
	return true;
}

/* The object type that esds names, 0 when it names none. */
static unsigned int esds_object_type(struct child esds)
{
	unsigned int tag, flags;
	size_t len, skip = 3;

	if (esds.len < 4)
		return 0;
	esds = (struct child){esds.data + 4, esds.len - 4};
	if (!next_descriptor(&esds, &tag, &len) || tag != 3 || esds.len < 3)
		return 0;
	flags = esds.data[2];
	if (flags & 0x80)
		skip += 2;
	if (flags & 0x40)
		skip += esds.len > skip ? 1 + (size_t)esds.data[skip] : 1;
	if (flags & 0x20)
		skip += 2;
	if (skip > esds.len)
		return 0;
	esds = (struct child){esds.data + skip, esds.len - skip};
	if (!next_descriptor(&esds, &tag, &len) || tag != 4 || !len)
		return 0;
	return esds.data[0];
}

static void read_mp4a(const struct mp4_track *t, struct entry_info *ret)
{
	static const struct {
		unsigned int object_type;
		const char *codec;
	} others[] = {{0x69, "mp3"}, {0x6b, "mp3"},  {0xa5, "ac3"},    {0xa6, "eac3"},
		      {0xa9, "dts"}, {0xad, "opus"}, {0xdd, "vorbis"}, {0xe1, "qcelp"}};
	struct child esds;
	unsigned int type;

	snprintf(ret->codec, sizeof(ret->codec), "mp4a");
	if (!find_esds(t, &esds))
		return;
	type = esds_object_type(esds);
	if (type == ESDS_AAC || (type >= ESDS_AAC_MPEG2_MAIN && type <= ESDS_AAC_MPEG2_SSR)) {
		snprintf(ret->codec, sizeof(ret->codec), "aac");
		ret->is_aac = true;
	}
	for (size_t i = 0; i < SC_ARRAY_SIZE(others); i++)
		if (others[i].object_type == type)
			snprintf(ret->codec, sizeof(ret->codec), "%s", others[i].codec);
}

static void read_avc(const struct mp4_track *t, struct entry_info *ret)
{
	struct child avcc;

	snprintf(ret->codec, sizeof(ret->codec), "h264");
	if (t->entry_len < VIDEO_ENTRY_BYTES ||
	    !find_child(t->entry + VIDEO_ENTRY_BYTES, t->entry_len - VIDEO_ENTRY_BYTES,
			FOURCC('a', 'v', 'c', 'C'), &avcc, NULL) ||
	    avcc.len < 7)
		return;
	ret->is_h264 = true;
	ret->nal_length_bytes = (avcc.data[4] & 3) + 1u;
}

void entry_read_info(const struct mp4_track *track, struct entry_info *ret)
{
	static const struct {
		char fourcc[5];
		const char *codec;
	} names[] = {
		{"hvc1", "hevc"},      {"hev1", "hevc"},      {"dvh1", "hevc"},
		{"dvhe", "hevc"},      {"av01", "av1"},       {"vp08", "vp8"},
		{"vp09", "vp9"},       {"mp4v", "mpeg4"},     {"apch", "prores"},
		{"apcn", "prores"},    {"apcs", "prores"},    {"apco", "prores"},
		{"ap4h", "prores"},    {"ap4x", "prores"},    {"AVdn", "dnxhd"},
		{"s263", "h263"},      {"ac-3", "ac3"},       {"ec-3", "eac3"},
		{"Opus", "opus"},      {"fLaC", "flac"},      {"alac", "alac"},
		{".mp3", "mp3"},       {"samr", "amr_nb"},    {"sawb", "amr_wb"},
		{"sowt", "pcm_s16le"}, {"twos", "pcm_s16be"}, {"lpcm", "pcm"},
		{"in24", "pcm_s24"},   {"in32", "pcm_s32"},   {"ipcm", "pcm"},
		{"raw ", "pcm_u8"},    {"ulaw", "pcm_mulaw"}, {"alaw", "pcm_alaw"},
	};
	static const char pictures[][5] = {"jpeg", "png ", "gif ", "tiff"};
	char fourcc[5];

	*ret = (struct entry_info){0};
	for (int i = 0; i < 4; i++) {
		char c = (char)(track->codec >> (24 - 8 * i));

		fourcc[i] = c >= ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?';
	}
	fourcc[4] = '\0';
	snprintf(ret->codec, sizeof(ret->codec), "%s", track->codec ? fourcc : "unknown");
	for (size_t i = 0; i < SC_ARRAY_SIZE(names); i++)
		if (!strcmp(fourcc, names[i].fourcc))
			snprintf(ret->codec, sizeof(ret->codec), "%s", names[i].codec);
	for (size_t i = 0; i < SC_ARRAY_SIZE(pictures); i++)
		ret->is_picture |= !strcmp(fourcc, pictures[i]);
	ret->is_encrypted = !strcmp(fourcc, "encv") || !strcmp(fourcc, "enca") ||
			    !strcmp(fourcc, "drmi") || !strcmp(fourcc, "drms");
	if (!strcmp(fourcc, "avc1") || !strcmp(fourcc, "avc3"))
		read_avc(track, ret);
	if (!strcmp(fourcc, "mp4a"))
		read_mp4a(track, ret);
}

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

static int copy_quicktime_sound(const struct mp4_track *t, struct buf *ret)
{
	unsigned int channels = get_be16(t->entry + 24);
	struct child esds;
	size_t entry, box;

	if (!find_esds(t, &esds))
		return -EBADMSG;
	if (get_be16(t->entry + 16) == 2 && t->entry_len >= 52)
		channels = get_be32(t->entry + 48) & 0xffff;
	put_be32(ret, 1);
	entry = box_begin(ret, "mp4a");
	put_sound_fields(ret, channels, t->timescale);
	box = box_begin(ret, "esds");
	buf_add(ret, esds.data, esds.len);
	box_end(ret, box);
	box_end(ret, entry);
	return buf_error(ret);
}

int entry_copy(const struct mp4_track *track, struct buf *ret)
{
	bool is_sound = track->handler == FOURCC('s', 'o', 'u', 'n');
	size_t header = is_sound ? sound_header_bytes(track) : VIDEO_ENTRY_BYTES, end, start;
	struct child unused;

	if (!header || track->entry_len < header)
		return -EBADMSG;
	find_child(track->entry + header, track->entry_len - header, 0, &unused, &end);
	if (is_sound && (header != SOUND_ENTRY_BYTES ||
			 !find_child(track->entry + header, track->entry_len - header,
				     FOURCC('e', 's', 'd', 's'), &unused, NULL)))
		return copy_quicktime_sound(track, ret);
	put_be32(ret, 1);
	start = ret->len;
	buf_add(ret, track->entry, header + end);
	if (buf_error(ret) < 0)
		return -ENOMEM;
	set_be32_at(ret, start, (uint32_t)(header + end));
	ret->data[start + 14] = 0; /* the copy has one data reference only */
	ret->data[start + 15] = 1;
	return 0;
}

int entry_build_avc(const struct entry_avc *avc, struct buf *ret)
{
	size_t entry, box;

	if (avc->avcc_len < 7 || avc->avcc[0] != 1)
		return -EINVAL;
	put_be32(ret, 1);
	entry = box_begin(ret, "avc1");
	put_zeros(ret, 6);
	put_be16(ret, 1); /* data reference */
	put_zeros(ret, 16);
	put_be16(ret, avc->width);
	put_be16(ret, avc->height);
	put_be32(ret, 0x480000); /* 72 dpi */
	put_be32(ret, 0x480000);
	put_be32(ret, 0);
	put_be16(ret, 1);   /* frames per sample */
	put_zeros(ret, 32); /* compressor's name */
	put_be16(ret, 24);
	put_be16(ret, 0xffff);
	box = box_begin(ret, "avcC");
	buf_add(ret, avc->avcc, avc->avcc_len);
	box_end(ret, box);
	if (avc->primaries && (avc->primaries != 2 || avc->transfer != 2 || avc->matrix != 2)) {
		box = box_begin(ret, "colr");
		buf_add(ret, "nclx", 4);
		put_be16(ret, avc->primaries);
		put_be16(ret, avc->transfer);
		put_be16(ret, avc->matrix);
		put_u8(ret, avc->is_full_range ? 0x80 : 0);
		box_end(ret, box);
	}
	if (avc->pixel_width && avc->pixel_height) {
		box = box_begin(ret, "pasp");
		put_be32(ret, avc->pixel_width);
		put_be32(ret, avc->pixel_height);
		box_end(ret, box);
	}
	box_end(ret, entry);
	return buf_error(ret);
}

static void put_descriptor(struct buf *b, unsigned int tag, size_t len)
{
	put_u8(b, tag);
	put_u8(b, (unsigned int)(len >> 21 & 0x7f) | 0x80);
	put_u8(b, (unsigned int)(len >> 14 & 0x7f) | 0x80);
	put_u8(b, (unsigned int)(len >> 7 & 0x7f) | 0x80);
	put_u8(b, (unsigned int)(len & 0x7f));
}

int entry_build_aac(const struct entry_aac *aac, struct buf *ret)
{
	size_t entry, box, config = 5 + aac->config_len, decoder = 5 + 13 + config;

	if (aac->config_len < 2 || aac->config_len > 4096 || !aac->channels || aac->channels > 64 ||
	    !aac->rate)
		return -EINVAL;
	put_be32(ret, 1);
	entry = box_begin(ret, "mp4a");
	put_sound_fields(ret, aac->channels, aac->rate);
	box = box_begin_full(ret, "esds", 0, 0);
	put_descriptor(ret, 3, 3 + decoder + 5 + 1);
	put_be16(ret, 0);
	put_u8(ret, 0);
	put_descriptor(ret, 4, 13 + config);
	put_u8(ret, ESDS_AAC);
	put_u8(ret, 0x15); /* a sound stream */
	put_be24(ret, 0);
	put_be32(ret, aac->bit_rate);
	put_be32(ret, aac->bit_rate);
	put_descriptor(ret, 5, aac->config_len);
	buf_add(ret, aac->config, aac->config_len);
	put_descriptor(ret, 6, 1);
	put_u8(ret, 2); /* as MP4 has it */
	box_end(ret, box);
	box_end(ret, entry);
	return buf_error(ret);
}
