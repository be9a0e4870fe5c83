/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libavfilter, loaded when it is needed: with it come some thirty libraries more, and a worker that
 * copies should not wait for them. Private to src/media.
 */
#pragma once

#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>

#include "storyclip/error.h"

/* What is called. */
#define FILTER_FUNCTIONS(X)                      \
	X(avfilter_get_by_name)                  \
	X(avfilter_graph_alloc)                  \
	X(avfilter_graph_alloc_filter)           \
	X(avfilter_graph_config)                 \
	X(avfilter_graph_free)                   \
	X(avfilter_graph_parse_ptr)              \
	X(avfilter_init_str)                     \
	X(avfilter_inout_alloc)                  \
	X(avfilter_inout_free)                   \
	X(av_buffersrc_add_frame)                \
	X(av_buffersrc_parameters_alloc)         \
	X(av_buffersrc_parameters_set)           \
	X(av_buffersink_get_frame)               \
	X(av_buffersink_get_h)                   \
	X(av_buffersink_get_sample_aspect_ratio) \
	X(av_buffersink_get_time_base)           \
	X(av_buffersink_get_w)

/** libavfilter's functions under their own names. */
struct filter_library {
#define X(name) __typeof__(&name) name;
	FILTER_FUNCTIONS(X)
#undef X
};

/**
 * Load the library; it stays until the process ends. Later calls open no file.
 * Codes: INTERNAL (it is not installed), OUT_OF_MEMORY.
 */
int filter_library_load(struct filter_library *ret, struct error *e);
