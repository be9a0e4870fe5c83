/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* argv → struct command_line. Main thread, at start. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "storyclip/common/macros.h"

void command_line_finish(struct command_line *line)
{
	for (size_t i = 0; i < line->n_options; i++) {
		free(line->options[i].name);
		free(line->options[i].value);
	}
	free(line->options);
	memset(line, 0, sizeof(*line));
}

/* Add one option's text, "name" or "name=value"; it is taken apart in place. */
static int option_add(struct command_line *line, const char *text)
{
	struct mount_option option = {0}, *more;
	const char *equals = strchr(text, '=');

	if (!*text) /* "a,,b" and a last comma are nobody's mistake worth a refusal */
		return 0;
	more = reallocarray(line->options, line->n_options + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	line->options = more;
	option.name = equals ? strndup(text, (size_t)(equals - text)) : strdup(text);
	option.value = equals ? strdup(equals + 1) : NULL;
	if (!option.name || (equals && !option.value)) {
		free(option.name);
		free(option.value);
		return -ENOMEM;
	}
	line->options[line->n_options++] = option;
	if (option.value && !strcmp(option.name, "config"))
		line->config_file = option.value;
	return 0;
}

/* "a,b=c\,d": a backslash keeps the next byte, as mount(8) and libfuse have it. */
static int options_split(struct command_line *line, const char *text)
{
	auto_free char *part = malloc(strlen(text) + 1);
	size_t n = 0;
	int r = 0;

	if (!part)
		return -ENOMEM;
	for (const char *p = text;; p++) {
		if (*p == ',' || !*p) {
			part[n] = '\0';
			n = 0;
			r = option_add(line, part);
			if (r < 0 || !*p)
				return r;
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		part[n++] = *p;
	}
}

static int places_take(int argc, char **argv, struct error *e, struct command_line *line)
{
	bool is_mount = line->mode == MODE_MOUNT;
	int n = argc - optind, want = is_mount ? 2 : 1;
	const char *give = is_mount ? "give ROOT and MOUNTPOINT" : "give ROOT";

	if (line->wants_help || line->wants_version)
		return 0;
	if (n < want)
		return error_set(e, SC_INVALID_REQUEST, "%s is missing; %s",
				 n == 1 ? "MOUNTPOINT" : "ROOT", give);
	if (n > want)
		return error_set(e, SC_INVALID_REQUEST, "'%s' is one argument too many; %s",
				 argv[optind + want], give);
	line->root = argv[optind];
	line->mountpoint = is_mount ? argv[optind + 1] : NULL;
	if (!*line->root || (is_mount && !*line->mountpoint))
		return error_set(e, SC_INVALID_REQUEST, "%s is empty; %s",
				 *line->root ? "MOUNTPOINT" : "ROOT", give);
	return 0;
}

/* Options without a letter. */
enum { OPTION_CHECK = 256, OPTION_REPAIR };

int command_line_parse(int argc, char **argv, struct error *e, struct command_line *ret)
{
	static const struct option longs[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"repair", no_argument, NULL, OPTION_REPAIR},
		{NULL, 0, NULL, 0},
	};
	auto_command_line struct command_line line = {0};
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":fdo:c:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			line.is_foreground = true;
			break;
		case 'd':
			line.is_foreground = line.is_debug = true;
			break;
		case 'o':
			r = options_split(&line, optarg);
			break;
		case 'c':
			line.config_file = optarg;
			break;
		case 'h':
			line.wants_help = true;
			break;
		case 'V':
			line.wants_version = true;
			break;
		case OPTION_CHECK:
			line.mode = MODE_CHECK;
			break;
		case OPTION_REPAIR:
			line.mode = MODE_REPAIR;
			break;
		case ':':
			return error_set(e, SC_INVALID_REQUEST, "'%s' needs an argument",
					 argv[optind - 1]);
		default:
			return error_set(e, SC_INVALID_REQUEST,
					 "'%s' is not known; see storyclipfs --help",
					 argv[optind - 1]);
		}
	}
	if (r < 0)
		return error_from_errno(e, r, "reading the command line");
	r = places_take(argc, argv, e, &line);
	if (r < 0)
		return r;
	*ret = line;
	line = (struct command_line){0};
	return 0;
}
