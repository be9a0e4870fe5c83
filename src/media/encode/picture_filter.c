/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chain of filters as text, and the graph that it becomes. Entered by the media thread. */
#include "picture_filter.h"

#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

#include "picture_colour.h"

/* As sharp as libswscale's default, and exact in its rounding. */
#define SCALE_FLAGS "bicubic+accurate_rnd+full_chroma_int"

int picture_filter_init(struct picture_filter *f, const struct media_source *source,
			struct error *e)
{
	const struct index_track *track = index_video(source->index);
	int r;

	*f = (struct picture_filter){.source = source, .turn = ""};
	if (!track)
		return encode_options_keep_size(&source->encode)
			       ? 0
			       : error_set(e, SC_NO_VIDEO,
					   "the upload has only sound, so aspect, "
					   "width and height have no use");
	r = filter_library_load(&f->library, e);
	if (r < 0)
		return r;
	f->frame = av_frame_alloc();
	if (!f->frame)
		return error_from_errno(e, -ENOMEM, "making the filters");
	if (encode_options_keep_size(&source->encode))
		return 0;
	f->turn = picture_turn(track->matrix, &f->is_turned);
	f->is_upright = f->turn != NULL;
	if (!f->is_upright) {
		f->turn = "";
		listener_warning(source->listener,
				 "the picture is shown turned by an angle that is no quarter turn; "
				 "its shape is that before turning");
	}
	return 0;
}

static void drop_graph(struct picture_filter *f)
{
	if (f->graph)
		f->library.avfilter_graph_free(&f->graph);
	f->in = f->out = NULL;
}

void picture_filter_finish(struct picture_filter *f)
{
	drop_graph(f);
	av_frame_free(&f->frame);
}

/* What is seen in a frame for the first time is told. */
static void look_at(struct picture_filter *f, const AVFrame *frame)
{
	const struct media_listener *listener = f->source->listener;

	if (colour_is_hdr(frame) && !f->is_hdr) {
		f->is_hdr = true;
		if (colour_can_tone_map(frame, &f->library))
			listener_warning(listener,
					 "the picture is HDR (%s); its brightness and colours were "
					 "mapped to BT.709",
					 av_color_transfer_name(frame->color_trc));
		else
			listener_warning(
				listener,
				"the picture is HDR (%s) and stays so with 8 bits: it cannot "
				"be mapped to BT.709 here",
				av_color_transfer_name(frame->color_trc));
	}
	if (colour_is_interlaced(frame) && !f->is_interlaced) {
		f->is_interlaced = true;
		listener_warning(listener, "the picture is interlaced and was deinterlaced");
	}
}

static void note_frame(struct picture_filter *f, const AVFrame *frame)
{
	f->made_for.width = frame->width;
	f->made_for.height = frame->height;
	f->made_for.format = frame->format;
	f->made_for.trc = frame->color_trc;
	f->made_for.colorspace = frame->colorspace;
	f->made_for.is_full_range = colour_is_full_range(frame);
	f->made_for.is_interlaced = f->is_interlaced;
}

bool picture_filter_fits(const struct picture_filter *f, const AVFrame *frame)
{
	/* Fields are looked for in every frame; the rest is of interest only to a graph. */
	if (colour_is_interlaced(frame) && !f->made_for.is_interlaced)
		return false;
	return !f->graph ||
	       (f->made_for.width == frame->width && f->made_for.height == frame->height &&
		f->made_for.format == frame->format && f->made_for.trc == (int)frame->color_trc &&
		f->made_for.colorspace == (int)frame->colorspace &&
		f->made_for.is_full_range == colour_is_full_range(frame));
}

/* To add one more filter to. */
static struct buf *next(struct buf *chain)
{
	if (chain->len)
		buf_add_str(chain, ",");
	return chain;
}

/* The shape of this clip's frames; one that began with another size is brought to that. */
static int make_shape(const struct picture_filter *f, const AVFrame *frame,
		      struct picture_shape *ret, struct error *e)
{
	const struct picture_size from = {frame->width, frame->height, f->made_for.sar.num,
					  f->made_for.sar.den};
	struct encode_options options = f->source->encode;
	int r;

	if (f->width) {
		bool keeps = encode_options_keep_size(&options);

		*ret = (struct picture_shape){.scale_width = f->width, .scale_height = f->height};
		if (keeps)
			return 0;
		options.width = (unsigned int)f->width;
		options.height = (unsigned int)f->height;
	}
	r = picture_shape_make(&options, &from, f->is_turned, ret);
	if (r < 0)
		return error_set(
			e, SC_LIMIT_EXCEEDED,
			"a picture of %dx%d cannot be made to fit: at most %d in width and "
			"height",
			frame->width, frame->height, PICTURE_SIZE_MAX);
	return 0;
}

static int describe_chain(const struct picture_filter *f, const AVFrame *frame,
			  const struct picture_shape *s, struct buf *chain)
{
	const char *range = colour_is_full_range(frame) ? "full" : "limited";
	bool is_rgb = colour_is_rgb(frame->format);

	if (f->is_interlaced)
		buf_printf(next(chain), "bwdif=mode=send_frame:parity=auto:deint=interlaced");
	if (s->crop_width)
		buf_printf(next(chain), "crop=%d:%d:%d:%d", s->crop_width, s->crop_height,
			   s->crop_x, s->crop_y);
	if (is_rgb)
		buf_printf(next(chain), "scale=flags=%s:out_color_matrix=%s:out_range=limited",
			   SCALE_FLAGS, colour_matrix_for_rgb(frame->height));
	if (s->scale_width)
		buf_printf(next(chain), "scale=%d:%d:flags=%s", s->scale_width, s->scale_height,
			   SCALE_FLAGS);
	else if (!is_rgb && !colour_is_ready(frame->format))
		buf_printf(next(chain), "scale=flags=%s", SCALE_FLAGS);
	/* Neither may the range change on the way to 4:2:0. */
	if (!is_rgb && (s->scale_width || !colour_is_ready(frame->format)))
		buf_printf(chain, ":in_range=%s:out_range=%s", range, range);
	if (f->is_tone_mapped)
		colour_add_tone_map(chain, frame);
	else
		buf_printf(next(chain), "format=yuv420p");
	if (s->pad_width)
		buf_printf(next(chain), "pad=%d:%d:%d:%d", s->pad_width, s->pad_height, s->pad_x,
			   s->pad_y);
	if (*f->turn)
		buf_printf(next(chain), "%s", f->turn);
	if (s->scale_width && !encode_options_keep_size(&f->source->encode))
		buf_printf(next(chain), "setsar=1");
	return buf_error(chain);
}

static int make_source(struct picture_filter *f, const AVFrame *frame)
{
	const struct filter_library *library = &f->library;
	AVBufferSrcParameters *parameters;
	int r;

	f->in = library->avfilter_graph_alloc_filter(f->graph,
						     library->avfilter_get_by_name("buffer"), "in");
	parameters = library->av_buffersrc_parameters_alloc();
	if (!f->in || !parameters) {
		av_free(parameters);
		return AVERROR(ENOMEM);
	}
	parameters->format = colour_plain_format(frame->format);
	parameters->width = frame->width;
	parameters->height = frame->height;
	parameters->time_base = f->time_base;
	parameters->sample_aspect_ratio = f->made_for.sar;
#if LIBAVFILTER_VERSION_MAJOR >= 10 /* FFmpeg 7: else a change in mid stream is complained about \
				     */
	parameters->color_space = frame->colorspace;
	parameters->color_range = colour_is_full_range(frame) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
#endif
	r = library->av_buffersrc_parameters_set(f->in, parameters);
	av_free(parameters);
	return r < 0 ? r : library->avfilter_init_str(f->in, NULL);
}

static int link_chain(struct picture_filter *f, const char *chain)
{
	const struct filter_library *library = &f->library;
	AVFilterInOut *from = library->avfilter_inout_alloc(),
		      *to = library->avfilter_inout_alloc();
	int r = AVERROR(ENOMEM);

	f->out = library->avfilter_graph_alloc_filter(
		f->graph, library->avfilter_get_by_name("buffersink"), "out");
	if (from && to && f->out) {
		*from = (AVFilterInOut){.name = av_strdup("in"), .filter_ctx = f->in};
		*to = (AVFilterInOut){.name = av_strdup("out"), .filter_ctx = f->out};
		r = library->avfilter_init_str(f->out, NULL);
		if (r >= 0)
			r = library->avfilter_graph_parse_ptr(f->graph, chain, &to, &from, NULL);
		if (r >= 0)
			r = library->avfilter_graph_config(f->graph, NULL);
	}
	library->avfilter_inout_free(&from);
	library->avfilter_inout_free(&to);
	return r;
}

static int make_graph(struct picture_filter *f, const AVFrame *frame, struct error *e)
{
	auto_buf struct buf chain = BUF_EMPTY;
	struct picture_shape shape;
	int r;

	drop_graph(f);
	note_frame(f, frame);
	f->is_tone_mapped = f->is_hdr && colour_can_tone_map(frame, &f->library);
	r = make_shape(f, frame, &shape, e);
	if (r < 0)
		return r;
	if (describe_chain(f, frame, &shape, &chain) < 0)
		return error_from_errno(e, -ENOMEM, "making the filters");
	f->graph = f->library.avfilter_graph_alloc();
	if (!f->graph)
		return error_from_errno(e, -ENOMEM, "making the filters");
	f->graph->nb_threads = 0; /* as many as there are CPUs */
	r = make_source(f, frame);
	if (r >= 0)
		r = link_chain(f, chain.data);
	if (r == AVERROR(ENOMEM))
		return error_from_errno(e, -ENOMEM, "making the filters");
	if (r < 0)
		return error_set(e, SC_INTERNAL, "making the filters '%s': %s", chain.data,
				 av_err2str(r));
	return 0;
}

int picture_filter_begin(struct picture_filter *f, const AVFrame *first, AVRational sar,
			 AVRational time_base, struct error *e)
{
	int r;

	drop_graph(f);
	f->is_tone_mapped = false;
	f->width = f->height = 0;
	f->time_base = time_base;
	f->made_for.sar = sar;
	look_at(f, first);
	note_frame(f, first);
	if (!f->is_interlaced && encode_options_keep_size(&f->source->encode) &&
	    !(f->is_hdr && colour_can_tone_map(first, &f->library))) {
		/* 4:2:0 needs even sizes: an odd source loses its last column or row. */
		f->width = first->width & ~1;
		f->height = first->height & ~1;
		return 0;
	}
	r = make_graph(f, first, e);
	if (r < 0)
		return r;
	f->width = f->library.av_buffersink_get_w(f->out);
	f->height = f->library.av_buffersink_get_h(f->out);
	return 0;
}

int picture_filter_change(struct picture_filter *f, const AVFrame *frame, struct error *e)
{
	bool was_tone_mapped = f->is_tone_mapped;
	int r;

	look_at(f, frame);
	r = make_graph(f, frame, e);
	if (r == 0 && f->is_tone_mapped != was_tone_mapped)
		listener_warning(
			f->source->listener,
			"the picture changes between HDR and SDR within a clip; its colours "
			"may be wrong there");
	return r;
}

int picture_filter_give(struct picture_filter *f, const AVFrame *frame, int64_t time)
{
	int r;

	if (!frame)
		return f->library.av_buffersrc_add_frame(f->in, NULL);
	r = av_frame_ref(f->frame, frame);
	if (r < 0)
		return r;
	f->frame->pts = time;
	f->frame->color_range = colour_is_full_range(frame) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	f->frame->format = colour_plain_format(frame->format);
	f->frame->sample_aspect_ratio = f->made_for.sar;
	r = f->library.av_buffersrc_add_frame(f->in, f->frame);
	av_frame_unref(f->frame);
	return r;
}

int picture_filter_take(struct picture_filter *f, AVFrame *ret)
{
	int r = f->library.av_buffersink_get_frame(f->out, ret);

	if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
		return 0;
	if (r < 0)
		return r;
	ret->pict_type = AV_PICTURE_TYPE_NONE; /* x264 would take the source's for an order */
	ret->pts = av_rescale_q(ret->pts, f->library.av_buffersink_get_time_base(f->out),
				f->time_base);
	return 1;
}

AVRational picture_filter_sar(const struct picture_filter *f)
{
	return f->graph ? f->library.av_buffersink_get_sample_aspect_ratio(f->out)
			: f->made_for.sar;
}

bool picture_filter_reshapes(const struct picture_filter *f)
{
	return !encode_options_keep_size(&f->source->encode);
}
