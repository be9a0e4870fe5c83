/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Colours of frames. Any thread. */
#include "picture_colour.h"

#include <libavutil/pixdesc.h>

#include "storyclip/common/macros.h"

static const struct {
	int named, plain;
} full_range_formats[] = {
	{AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P}, {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
	{AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P}, {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P},
	{AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P},
};

int colour_plain_format(int format)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(full_range_formats); i++)
		if (full_range_formats[i].named == format)
			return full_range_formats[i].plain;
	return format;
}

bool colour_is_full_range(const AVFrame *frame)
{
	return frame->color_range == AVCOL_RANGE_JPEG ||
	       colour_plain_format(frame->format) != frame->format;
}

bool colour_is_rgb(int format)
{
	const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get((enum AVPixelFormat)format);

	return desc && (desc->flags & AV_PIX_FMT_FLAG_RGB);
}

bool colour_is_ready(int format)
{
	return colour_plain_format(format) == AV_PIX_FMT_YUV420P;
}

enum AVColorSpace colour_space_for_rgb(int height)
{
	return height >= 720 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

const char *colour_matrix_for_rgb(int height)
{
	return height >= 720 ? "bt709" : "smpte170m";
}

bool colour_is_interlaced(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_INTERLACED
	return frame->flags & AV_FRAME_FLAG_INTERLACED;
#else
	return frame->interlaced_frame;
#endif
}

bool colour_is_hdr(const AVFrame *frame)
{
	return frame->color_trc == AVCOL_TRC_SMPTE2084 ||
	       frame->color_trc == AVCOL_TRC_ARIB_STD_B67;
}

bool colour_can_tone_map(const AVFrame *frame, const struct filter_library *library)
{
	/* Others (ICtCp) libzimg takes for something else. */
	bool is_known = frame->colorspace == AVCOL_SPC_UNSPECIFIED ||
			frame->colorspace == AVCOL_SPC_BT2020_NCL ||
			frame->colorspace == AVCOL_SPC_BT709;

	return colour_is_hdr(frame) && is_known && library->avfilter_get_by_name("zscale") &&
	       library->avfilter_get_by_name("tonemap");
}

void colour_add_tone_map(struct buf *chain, const AVFrame *frame)
{
	/* Through linear light of 100 cd/m² white. What is not tagged is BT.2020, as HDR is. */
	buf_printf(chain, "%szscale=transferin=%s", chain->len ? "," : "",
		   av_color_transfer_name(frame->color_trc));
	if (frame->color_primaries == AVCOL_PRI_UNSPECIFIED)
		buf_add_str(chain, ":primariesin=2020");
	if (frame->colorspace == AVCOL_SPC_UNSPECIFIED)
		buf_add_str(chain, ":matrixin=2020_ncl");
	buf_printf(chain,
		   ":rangein=%s:transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=709,"
		   "tonemap=tonemap=hable:desat=0,"
		   "zscale=transfer=709:matrix=709:range=limited,format=yuv420p",
		   colour_is_full_range(frame) ? "full" : "limited");
}
