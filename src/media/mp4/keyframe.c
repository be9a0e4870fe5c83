/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few bits of each codec's frame header that tell a key frame. */
#include "keyframe.h"

#include <string.h>

#include "storyclip/common/macros.h"

#define HEVC_LAST_SLICE 31
#define HEVC_IRAP_FIRST 16
#define HEVC_IRAP_LAST  23
#define HEVC_CRA        21

#define OBU_FRAME_HEADER 3
#define OBU_FRAME        6

#define MPEG4_VOP     0xb6
#define MPEG2_PICTURE 0x00

static void found(struct nal_picture *ret, bool is_key)
{
	ret->has_slice = true;
	ret->is_idr = ret->is_intra = is_key;
}

static void read_hevc(const uint8_t *data, size_t len, unsigned int length_bytes,
		      struct nal_picture *ret)
{
	while (len > length_bytes) {
		uint32_t size = 0;
		unsigned int type;

		for (unsigned int i = 0; i < length_bytes; i++)
			size = size << 8 | data[i];
		data += length_bytes;
		len -= length_bytes;
		type = data[0] >> 1 & 63;
		if (size && type <= HEVC_LAST_SLICE) {
			found(ret, type >= HEVC_IRAP_FIRST && type <= HEVC_IRAP_LAST);
			ret->is_cra = type == HEVC_CRA;
			return;
		}
		size = size < len ? size : (uint32_t)len;
		data += size;
		len -= size;
	}
}

/* An OBU's size: seven bits a byte, the lowest first. @return bytes taken, 0: cut short */
static size_t read_leb128(const uint8_t *data, size_t len, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < 8 && i < len; i++) {
		*ret |= (uint64_t)(data[i] & 0x7f) << (7 * i);
		if (!(data[i] & 0x80))
			return i + 1;
	}
	return 0;
}

static void read_av1(const uint8_t *data, size_t len, struct nal_picture *ret)
{
	while (len > 1) {
		unsigned int type = data[0] >> 3 & 15;
		size_t header = data[0] & 4 ? 2 : 1, n;
		uint64_t size;

		if (header >= len)
			return;
		size = len - header;
		n = 0;
		if (data[0] & 2)
			n = read_leb128(data + header, len - header, &size);
		if ((data[0] & 2 && !n) || header + n >= len)
			return;
		data += header + n;
		len -= header + n;
		if (type == OBU_FRAME || type == OBU_FRAME_HEADER) {
			/* show_existing_frame, two bits of frame_type (0: key), show_frame */
			found(ret, (data[0] & 0xf0) == 0x10);
			return;
		}
		size = size < len ? size : len;
		data += size;
		len -= size;
	}
}

static void read_vp9(const uint8_t *data, size_t len, struct nal_picture *ret)
{
	unsigned int profile, at;

	if (!len || data[0] >> 6 != 2)
		return;
	profile = (data[0] >> 5 & 1) | (data[0] >> 3 & 2);
	at = profile == 3 ? 2 : 3; /* profile 3 has a reserved bit more */
	/* show_existing_frame, then frame_type: 0 is a key frame */
	found(ret, !(data[0] >> at & 1) && !(data[0] >> (at - 1) & 1));
}

/* Behind the start code 00 00 01 and this byte, or NULL. */
static const uint8_t *find_code(const uint8_t *data, size_t len, unsigned int code)
{
	for (size_t i = 0; i + 5 < len; i++)
		if (!data[i] && !data[i + 1] && data[i + 2] == 1 && data[i + 3] == code)
			return data + i + 4;
	return NULL;
}

static void read_mpeg4(const uint8_t *data, size_t len, struct nal_picture *ret)
{
	const uint8_t *vop = find_code(data, len, MPEG4_VOP);

	if (vop)
		found(ret, vop[0] >> 6 == 0);
}

static void read_mpeg2(const uint8_t *data, size_t len, struct nal_picture *ret)
{
	const uint8_t *picture = find_code(data, len, MPEG2_PICTURE);

	if (picture)
		found(ret, (picture[1] >> 3 & 7) == 1);
}

void keyframe_read(const char *codec, const uint8_t *data, size_t len, unsigned int length_bytes,
		   struct nal_picture *ret)
{
	static const struct {
		const char *codec;
		void (*read)(const uint8_t *data, size_t len, struct nal_picture *ret);
	} readers[] = {
		{"av1", read_av1},          {"vp9", read_vp9},          {"mpeg4", read_mpeg4},
		{"mpeg2video", read_mpeg2}, {"mpeg1video", read_mpeg2},
	};

	*ret = (struct nal_picture){.recovery_frames = -1};
	if (!strcmp(codec, "h264"))
		nal_read_picture(data, len, length_bytes, ret);
	else if (!strcmp(codec, "hevc"))
		read_hevc(data, len, length_bytes, ret);
	for (size_t i = 0; i < SC_ARRAY_SIZE(readers); i++)
		if (!strcmp(codec, readers[i].codec))
			readers[i].read(data, len, ret);
}

/* The writers say so in user data: "DivX503b1393p". @return the p's place, 0: it is not there */
static size_t find_packed_mark(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i + 5 < len; i++) {
		if (memcmp(data + i, "DivX", 4) != 0)
			continue;
		for (size_t k = i + 4; k < len && k < i + 24 && data[k] > ' '; k++)
			if (data[k] == 'p')
				return k;
	}
	return 0;
}

bool keyframe_is_packed_mpeg4(const uint8_t *data, size_t len)
{
	return find_packed_mark(data, len) > 0;
}

void keyframe_unmark_packed_mpeg4(uint8_t *data, size_t len)
{
	size_t at = find_packed_mark(data, len);

	if (at)
		data[at] = '\0';
}
