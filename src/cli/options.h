/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: one table of commands, one of options; help is written from both. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "storyclip/error.h"
#include "storyclip/job.h"
#include "storyclip/request.h"

enum verb {
	VERB_CUT,
	VERB_STATUS,
	VERB_CANCEL,
	VERB_RETRY,
	VERB_RM,
	VERB_WAIT,
	VERB_LS,
	VERB_TOP,
	VERB_COUNT,
};

struct options {
	enum verb verb;
	bool wants_help;
	bool wants_version;
	bool is_json;
	bool wants_wait;
	const char *mount; /* borrowed from argv, as are all texts; NULL when not given */
	const char *out;
	int64_t every_us;          /* 0: not given */
	unsigned int max_clips;    /* 0: not given */
	struct clip_range *ranges; /* owned */
	size_t n_ranges;
	bool has_mode;
	enum cut_mode mode;
	bool has_state;
	enum job_state state;
	char *const *args; /* what stands behind the command */
	size_t n_args;
};

/**
 * Read the command line. argv is put in another order, as getopt_long(3) does.
 * @return 0, or a negative errno with *e: a sentence that names the word that is wrong
 */
int options_parse(struct options *options, int argc, char **argv, struct error *e);
void options_finish(struct options *options);
#define auto_options __attribute__((cleanup(options_finish)))

/** Write --help. */
void options_print_help(FILE *out);
const char *options_verb_name(enum verb verb);
