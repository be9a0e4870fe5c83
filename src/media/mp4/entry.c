/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sample entries, ISO/IEC 14496-12 section 8.5.2, -14 and -15, and QuickTime's forms of them. */
#include "entry.h"

#include <stdio.h>

#include "bytes.h"

#define VIDEO_ENTRY_BYTES   86 /* box header and fixed fields; boxes follow */
#define SOUND_ENTRY_BYTES   36
#define CODEC_QUICKTIME_MP3 FOURCC('.', 'm', 'p', '3')

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

/* The box that configures the decoder; QuickTime puts a sound's into another one. */
static bool find_config(const struct mp4_track *t, uint32_t type, struct child *ret)
{
	bool is_sound = t->handler == FOURCC('s', 'o', 'u', 'n');
	size_t header = is_sound ? sound_header_bytes(t) : VIDEO_ENTRY_BYTES;
	struct child wave;

	if (!header || t->entry_len < header)
		return false;
	if (find_child(t->entry + header, t->entry_len - header, type, ret, NULL))
		return true;
	return is_sound &&
	       find_child(t->entry + header, t->entry_len - header, FOURCC('w', 'a', 'v', 'e'),
			  &wave, NULL) &&
	       find_child(wave.data, wave.len, type, ret, NULL);
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

/* mp4a and mp4v leave it to esds what they are. */
static void read_esds(const struct mp4_track *t, struct entry_info *ret)
{
	static const struct {
		unsigned int first, last;
		const char *codec;
		bool is_sound;
		bool is_copyable;
	} types[] = {
		{0x20, 0x20, "mpeg4", false, true},
		{0x60, 0x65, "mpeg2video", false, true},
		{0x6a, 0x6a, "mpeg1video", false, false}, /* FFmpeg marks the wrong frames hidden */
		{0x6c, 0x6c, "mjpeg", false, false},
		{ESDS_AAC, ESDS_AAC, "aac", true, true},
		{ESDS_AAC_MPEG2_MAIN, ESDS_AAC_MPEG2_SSR, "aac", true, true},
		{ESDS_MP3_LOW, ESDS_MP3_LOW, "mp3", true, true},
		{ESDS_MP3, ESDS_MP3, "mp3", true, true},
		{0xa5, 0xa5, "ac3", true, false},
		{0xa6, 0xa6, "eac3", true, false},
		{0xa9, 0xa9, "dts", true, false},
		{0xad, 0xad, "opus", true, false},
		{0xdd, 0xdd, "vorbis", true, false},
		{0xe1, 0xe1, "qcelp", true, false},
	};
	bool is_sound = t->handler == FOURCC('s', 'o', 'u', 'n');
	struct child esds;
	unsigned int type;

	ret->is_copyable = false;
	if (!find_config(t, FOURCC('e', 's', 'd', 's'), &esds))
		return;
	type = esds_object_type(esds);
	for (size_t i = 0; i < SC_ARRAY_SIZE(types); i++)
		if (type >= types[i].first && type <= types[i].last &&
		    types[i].is_sound == is_sound) {
			snprintf(ret->codec, sizeof(ret->codec), "%s", types[i].codec);
			ret->is_copyable = types[i].is_copyable;
		}
}

/* How long the numbers before NAL units are. */
static void read_nal_length(const struct mp4_track *t, struct entry_info *ret)
{
	struct child config;

	if (find_config(t, FOURCC('a', 'v', 'c', 'C'), &config) && config.len >= 7)
		ret->nal_length_bytes = (config.data[4] & 3) + 1u;
	else if (find_config(t, FOURCC('h', 'v', 'c', 'C'), &config) && config.len >= 23)
		ret->nal_length_bytes = (config.data[21] & 3) + 1u;
	else
		ret->is_copyable = false;
}

/* Codecs by fourcc; the box without which MP4 cannot hold them, "" where it cannot at all. */
static const struct entry_name {
	char fourcc[5];
	const char *codec;
	char config[5];
} names[] = {
	{"avc1", "h264", "avcC"},  {"avc3", "h264", "avcC"},  {"hvc1", "hevc", "hvcC"},
	{"hev1", "hevc", "hvcC"},  {"dvh1", "hevc", "hvcC"},  {"dvhe", "hevc", "hvcC"},
	{"av01", "av1", "av1C"},   {"vp08", "vp8", ""},       {"vp09", "vp9", "vpcC"},
	{"mp4v", "mpeg4", "esds"}, {"mp4a", "mp4a", "esds"},  {"apch", "prores", ""},
	{"apcn", "prores", ""},    {"apcs", "prores", ""},    {"apco", "prores", ""},
	{"ap4h", "prores", ""},    {"ap4x", "prores", ""},    {"AVdn", "dnxhd", ""},
	{"s263", "h263", ""},      {"ac-3", "ac3", "dac3"},   {"ec-3", "eac3", "dec3"},
	{"Opus", "opus", "dOps"},  {"fLaC", "flac", "dfLa"},  {"alac", "alac", "alac"},
	{".mp3", "mp3", ""},       {"samr", "amr_nb", ""},    {"sawb", "amr_wb", ""},
	{"sowt", "pcm_s16le", ""}, {"twos", "pcm_s16be", ""}, {"lpcm", "pcm", ""},
	{"in24", "pcm_s24", ""},   {"in32", "pcm_s32", ""},   {"ipcm", "pcm", ""},
	{"raw ", "pcm_u8", ""},    {"ulaw", "pcm_mulaw", ""}, {"alaw", "pcm_alaw", ""},
	{"jpeg", "mjpeg", ""},     {"mjpa", "mjpeg", ""},     {"mjpb", "mjpeg", ""},
	{"dvc ", "dvvideo", ""},   {"dvcp", "dvvideo", ""},   {"dvpp", "dvvideo", ""},
	{"SVQ3", "svq3", ""},      {"rle ", "qtrle", ""},     {"png ", "png", ""},
};

static const struct entry_name *find_name(uint32_t fourcc)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(names); i++)
		if (get_be32((const uint8_t *)names[i].fourcc) == fourcc)
			return &names[i];
	return NULL;
}

void entry_read_info(const struct mp4_track *track, struct entry_info *ret)
{
	static const char pictures[][5] = {"jpeg", "png ", "gif ", "tiff"};
	const struct entry_name *name = find_name(track->codec);
	struct child config;
	char fourcc[5];

	*ret = (struct entry_info){0};
	for (int i = 0; i < 4; i++) {
		char c = (char)(track->codec >> (24 - 8 * i));

		fourcc[i] = c >= ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?';
	}
	fourcc[4] = '\0';
	snprintf(ret->codec, sizeof(ret->codec), "%s",
		 name           ? name->codec
		 : track->codec ? fourcc
				: "unknown");
	for (size_t i = 0; i < SC_ARRAY_SIZE(pictures); i++)
		ret->is_picture |= !strcmp(fourcc, pictures[i]) && track->n_samples <= 1;
	ret->is_encrypted = !strcmp(fourcc, "encv") || !strcmp(fourcc, "enca") ||
			    !strcmp(fourcc, "drmi") || !strcmp(fourcc, "drms");
	if (!name)
		return;
	ret->is_copyable = name->config[0] &&
			   find_config(track, get_be32((const uint8_t *)name->config), &config);
	if (!strcmp(name->config, "esds"))
		read_esds(track, ret);
	if (!strcmp(name->config, "avcC") || !strcmp(name->config, "hvcC"))
		read_nal_length(track, ret);
	if (track->codec == CODEC_QUICKTIME_MP3)
		ret->is_copyable = sound_header_bytes(track) > 0;
}

static int copy_quicktime_sound(const struct mp4_track *t, struct buf *ret)
{
	struct entry_aac sound = {.channels = get_be16(t->entry + 24), .rate = t->timescale};
	const struct entry_name *name = find_name(t->codec);
	struct child config;

	if (get_be16(t->entry + 16) == 2 && t->entry_len >= 52)
		sound.channels = get_be32(t->entry + 48) & 0xffff;
	if (t->codec == CODEC_QUICKTIME_MP3)
		return entry_build_sound("mp3", &sound, NULL, 0, ret);
	if (!name || !find_config(t, get_be32((const uint8_t *)name->config), &config))
		return -EBADMSG;
	return entry_build_configured(name->fourcc, name->config, &sound, config.data, config.len,
				      ret);
}

int entry_copy(const struct mp4_track *track, struct buf *ret)
{
	bool is_sound = track->handler == FOURCC('s', 'o', 'u', 'n');
	size_t header = is_sound ? sound_header_bytes(track) : VIDEO_ENTRY_BYTES, end, start;
	const struct entry_name *name = find_name(track->codec);
	struct child unused;

	if (!header || track->entry_len < header || !name)
		return -EBADMSG;
	find_child(track->entry + header, track->entry_len - header, 0, &unused, &end);
	if (is_sound && (header != SOUND_ENTRY_BYTES ||
			 !find_child(track->entry + header, track->entry_len - header,
				     get_be32((const uint8_t *)name->config), &unused, NULL)))
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
