/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cut a file without mount and worker: the media library and a command line.
 *
 *     cut_tool SOURCE OUTDIR exact|smart|keyframe|encode SECONDS MAXCLIPS [START-END,…] [strict] [FIELD=VALUE…]
 *
 * FIELD: parts aspect width height fit quality preset, as in a request; strict alone. layout=true, or
 * how the second scan of packets is misled about the streams: layout=0, layout=1 a stream's form,
 * layout=fewer; then {"read":BYTES} of the source comes last on standard error.
 *
 * Prints {"duration":…} and a line of JSON for each clip; warnings and libav's lines go to standard
 * error. Exit codes: 0, 1 with "CODE: message" on standard error, 2 usage.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/media/source.h"
#include "storyclip/media.h"

static uint64_t n_read;

static void count_read(void *context, uint64_t bytes)
{
	n_read += bytes;
}

static void mislead(struct packet_layout *layout, const char *how)
{
	size_t i = (size_t)(*how - '0');

	if (!strcmp(how, "fewer"))
		layout->n_streams--;
	else if (i < layout->n_streams)
		layout->streams[i].form = layout->streams[i].form == PACKET_AS_IS ? PACKET_ANNEXB
										  : PACKET_AS_IS;
}

static void say(void *context, const char *line)
{
	fprintf(stderr, "%s%s\n", (const char *)context, line);
}

static void say_warning(void *context, const char *line)
{
	fprintf(stderr, "warning: %s\n", line);
}

static void print_clip(void *context, const struct artifact *a)
{
	printf("{\"filename\":\"%s\",\"size\":%lld,\"start\":%.6f,\"duration\":%.6f,"
	       "\"method\":\"%s\",\"hiddenHeadMs\":%lld,\"hiddenTailMs\":%lld,\"hiddenBytes\":%lld,"
	       "\"dropped\":%s}\n",
	       a->filename, (long long)a->size_bytes, (double)a->start_us / 1e6,
	       (double)a->duration_us / 1e6, clip_method_name(a->method),
	       (long long)a->hidden_head_us / 1000, (long long)a->hidden_tail_us / 1000,
	       (long long)a->hidden_bytes, a->dropped);
}

static size_t parse_ranges(char *text, struct clip_range *ranges, size_t max)
{
	size_t n = 0;

	for (char *part = strtok(text, ","); part && n < max; part = strtok(NULL, ",")) {
		double start, end;

		if (sscanf(part, "%lf-%lf", &start, &end) != 2)
			return 0;
		ranges[n++] = (struct clip_range){(int64_t)(start * 1e6 + 0.5),
						  (int64_t)(end * 1e6 + 0.5)};
	}
	return n;
}

/* One FIELD=VALUE. */
static bool set_field(const char *text, struct media_split *split, struct encode_options *o)
{
	const char *value = strchr(text, '=') + 1;

	if (!strncmp(text, "parts=", 6))
		split->parts = (unsigned int)strtoul(value, NULL, 10);
	else if (!strncmp(text, "aspect=", 7))
		return sscanf(value, "%u:%u", &o->aspect_width, &o->aspect_height) == 2;
	else if (!strncmp(text, "width=", 6))
		o->width = (unsigned int)strtoul(value, NULL, 10);
	else if (!strncmp(text, "height=", 7))
		o->height = (unsigned int)strtoul(value, NULL, 10);
	else if (!strncmp(text, "quality=", 8))
		o->quality = (unsigned int)strtoul(value, NULL, 10);
	else if (!strncmp(text, "fit=", 4))
		return picture_fit_from_name(value, &o->fit) == 0;
	else if (!strncmp(text, "preset=", 7))
		return encode_preset_from_name(value, &o->preset) == 0;
	else
		return false;
	return true;
}

static int cut(int fd, int dir_fd, enum cut_mode mode, char **argv, int argc, struct error *e)
{
	static struct clip_range ranges[REQUEST_MAX_CLIPS];
	struct encode_options encode = ENCODE_OPTIONS_DEFAULT;
	struct media_split split = {.clip_duration_us = (int64_t)(atof(argv[4]) * 1e6 + 0.5),
				    .max_clips = (unsigned int)strtoul(argv[5], NULL, 10),
				    .ranges = ranges};
	const struct media_listener listener = {
		.context = (void *)(uintptr_t) "", .log = say, .warning = say_warning,
		.worked = count_read};
	const char *layout = NULL;
	auto_of(media_source) struct media_source *source = NULL;
	struct media_plan plan = {0};
	bool is_strict = false;
	int r;

	for (int i = 6; i < argc; i++)
		if (!strcmp(argv[i], "strict"))
			is_strict = true;
		else if (!strncmp(argv[i], "layout=", 7))
			layout = argv[i] + 7;
		else if (!strchr(argv[i], '='))
			split.n_ranges = parse_ranges(argv[i], ranges, REQUEST_MAX_CLIPS);
		else if (!set_field(argv[i], &split, &encode))
			return error_set(e, SC_INVALID_REQUEST, "%s", argv[i]);
	r = media_open(fd, &listener, e, &source);
	if (r < 0)
		return r;
	printf("{\"duration\":%.6f}\n", (double)media_duration_us(source) / 1e6);
	if (layout)
		mislead(&source->index->layout, layout);
	r = media_plan(source, mode, &split, e, &plan);
	if (r == 0)
		r = media_cut(source, mode, &encode, is_strict, &plan, dir_fd, print_clip, NULL,
			      e);
	media_plan_finish(&plan);
	if (layout)
		fprintf(stderr, "{\"read\":%llu}\n", (unsigned long long)n_read);
	return r;
}

int main(int argc, char **argv)
{
	auto_fd int fd = -1, dir_fd = -1;
	struct error e = {0};
	enum cut_mode mode;

	if (argc < 6 || cut_mode_from_name(argv[3], &mode) < 0) {
		fprintf(stderr,
			"usage: cut_tool SOURCE OUTDIR exact|smart|keyframe|encode SECONDS "
			"MAXCLIPS [START-END,…] [strict] [FIELD=VALUE…]\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	dir_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || dir_fd < 0) {
		perror(fd < 0 ? argv[1] : argv[2]);
		return 2;
	}
	if (cut(fd, dir_fd, mode, argv, argc, &e) < 0) {
		fprintf(stderr, "%s: %s\n", sc_code_name(e.code), e.message);
		return 1;
	}
	return 0;
}
