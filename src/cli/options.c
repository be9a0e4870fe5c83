/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line. */
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "storyclip/common/macros.h"
#include "times.h"

#define BIT(verb) (1u << (verb))
#define ALL       (BIT(VERB_COUNT) - 1)

#define EVERY_MIN_US 100000LL /* INTERFACE.md, "clipDuration" */
#define EVERY_MAX_US 3600000000LL

static const struct {
	const char *name;
	const char *args;
	bool needs_args;
	bool takes_ids;
	bool takes_none;
	const char *help;
} verbs[VERB_COUNT] = {
	[VERB_CUT] = {"cut", "VIDEO...", .needs_args = true,
		      .help = "copy videos into the mount, unless they lie there, and cut them "
			      "into clips"},
	[VERB_STATUS] =
		{"status", "[ID...]", .takes_ids = true,
		 .help = "jobs in detail; without ID the mount and what is queued or running"},
	[VERB_CANCEL] = {"cancel", "ID...", .needs_args = true, .takes_ids = true,
			 .help = "stop jobs; they leave nothing behind"},
	[VERB_RETRY] = {"retry", "ID...", .needs_args = true, .takes_ids = true,
			.help = "run failed or cancelled jobs once more"},
	[VERB_RM] = {"rm", "ID...", .needs_args = true, .takes_ids = true,
		     .help = "remove ended jobs with all their clips"},
	[VERB_WAIT] = {"wait", "ID...", .needs_args = true, .takes_ids = true,
		       .help = "wait until jobs have ended"},
	[VERB_LS] = {"ls", "", .takes_none = true, .help = "all jobs, newest first"},
	[VERB_TOP] = {"top", "", .takes_none = true,
		      .help = "watch all jobs, running ones first; q ends it"},
};

static int set_every(struct options *o, const char *value, struct error *e)
{
	int64_t us;

	if (times_parse_duration(value, &us) < 0 || us < EVERY_MIN_US || us > EVERY_MAX_US)
		return error_set(
			e, SC_INVALID_REQUEST,
			"--every '%s': takes 0.1 to 3600 seconds, as 5, 2.5, 500ms or 1:30", value);
	o->every_us = us;
	return 0;
}

static int set_max(struct options *o, const char *value, struct error *e)
{
	size_t digits = strspn(value, "0123456789");
	unsigned long number = digits && !value[digits] ? strtoul(value, NULL, 10) : 0;

	if (number < 1 || number > REQUEST_MAX_CLIPS)
		return error_set(e, SC_INVALID_REQUEST, "--max '%s': takes a number from 1 to %d",
				 value, REQUEST_MAX_CLIPS);
	o->max_clips = (unsigned int)number;
	return 0;
}

static int set_clips(struct options *o, const char *value, struct error *e)
{
	struct clip_range *ranges;
	const char *bad, *why;
	size_t n;
	int r = times_parse_ranges(value, &ranges, &n, &bad);

	if (r == 0) {
		free(o->ranges);
		o->ranges = ranges;
		o->n_ranges = n;
		return 0;
	}
	if (r == -ENOMEM)
		return error_from_errno(e, r, "--clips");
	if (r == -E2BIG)
		return error_set(e, SC_INVALID_REQUEST, "--clips: takes at most %d ranges",
				 REQUEST_MAX_CLIPS);
	why = r == -ERANGE ? "the end must lie behind the start"
			   : "takes START-END,... in seconds, as 0-5,7-12.5 or 1:00-1:30";
	return error_set(e, SC_INVALID_REQUEST, "--clips '%.*s': %s", (int)strcspn(bad, ","), bad,
			 why);
}

static int set_mode(struct options *o, const char *value, struct error *e)
{
	if (cut_mode_from_name(value, &o->mode) < 0)
		return error_set(e, SC_INVALID_REQUEST,
				 "--mode '%s': takes exact, keyframe or encode", value);
	o->has_mode = true;
	return 0;
}

static int set_wait(struct options *o, const char *value, struct error *e)
{
	o->wants_wait = true;
	return 0;
}

static int set_out(struct options *o, const char *value, struct error *e)
{
	if (!value[0])
		return error_set(e, SC_INVALID_REQUEST, "--out '': takes a directory");
	o->out = value;
	o->wants_wait = true;
	return 0;
}

static int set_state(struct options *o, const char *value, struct error *e)
{
	if (job_state_from_name(value, &o->state) < 0)
		return error_set(e, SC_INVALID_REQUEST,
				 "--state '%s': takes queued, running, done, failed or cancelled",
				 value);
	o->has_state = true;
	return 0;
}

static int set_mount(struct options *o, const char *value, struct error *e)
{
	if (!value[0])
		return error_set(e, SC_INVALID_REQUEST, "--mount '': takes a directory");
	o->mount = value;
	return 0;
}

static int set_json(struct options *o, const char *value, struct error *e)
{
	o->is_json = true;
	return 0;
}

static int set_help(struct options *o, const char *value, struct error *e)
{
	o->wants_help = true;
	return 0;
}

static int set_version(struct options *o, const char *value, struct error *e)
{
	o->wants_version = true;
	return 0;
}

static const struct option_row {
	const char *name;
	const char *arg; /* NULL: takes none */
	unsigned int verbs;
	int (*set)(struct options *o, const char *value, struct error *e);
	const char *help;
} rows[] = {
	{"every", "SECONDS", BIT(VERB_CUT), set_every, "length of each clip (5)"},
	{"max", "N", BIT(VERB_CUT), set_max, "at most so many clips, the first ones (50)"},
	{"clips", "0-5,7-12", BIT(VERB_CUT), set_clips, "these ranges instead of an even split"},
	{"mode", "MODE", BIT(VERB_CUT), set_mode,
	 "exact (default: frame-exact, lossless), smart, keyframe, encode"},
	{"wait", NULL, BIT(VERB_CUT), set_wait, "wait until the jobs have ended"},
	{"out", "DIR", BIT(VERB_CUT), set_out,
	 "wait, then copy the clips there; of several videos each has its own directory in it"},
	{"state", "STATE", BIT(VERB_LS), set_state,
	 "only queued, running, done, failed or cancelled jobs"},
	{"json", NULL, ALL & ~BIT(VERB_TOP), set_json, "one JSON object per line"},
	{"mount", "DIR", ALL, set_mount,
	 "the mount; else $STORYCLIP_MOUNT, else the one that is mounted"},
	{"help", NULL, ALL, set_help, "this text"},
	{"version", NULL, ALL, set_version, "the version"},
};

static const struct {
	const char *code, *meaning;
} exits[] = {
	{"0", "done: all jobs that were waited for, or what was asked for"},
	{"1",
	 "a job failed (its code and message are printed), or a file could not be read or written"},
	{"2", "the command line is wrong"},
	{"3", "there is no mount, or it went away"},
	{"4", "a job was cancelled"},
	{"5", "the mount refused (its code and message are printed)"},
	{"130", "Ctrl-C; jobs that were started go on (143: SIGTERM, 129: SIGHUP)"},
};

const char *options_verb_name(enum verb verb)
{
	return verbs[verb].name;
}

void options_finish(struct options *options)
{
	free(options->ranges);
	*options = (struct options){0};
}

static int verb_from_name(const char *name, enum verb *ret, struct error *e)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (!strcmp(verbs[i].name, name)) {
			*ret = (enum verb)i;
			return 0;
		}
	}
	return error_set(
		e, SC_INVALID_REQUEST,
		"no command '%s': there are cut, status, cancel, retry, rm, wait, ls and top",
		name);
}

/* What can be said only when all is read. */
static int check(const struct options *o, unsigned int given, struct error *e)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++)
		if ((given & 1u << i) && !(rows[i].verbs & BIT(o->verb)))
			return error_set(e, SC_INVALID_REQUEST, "--%s has no use in %s",
					 rows[i].name, verbs[o->verb].name);
	if (o->every_us && o->n_ranges)
		return error_set(e, SC_INVALID_REQUEST,
				 "--every and --clips exclude each other: give one");
	if (verbs[o->verb].needs_args && !o->n_args)
		return error_set(e, SC_INVALID_REQUEST, "%s needs %s", verbs[o->verb].name,
				 verbs[o->verb].takes_ids ? "the id of a job" : "a video");
	if (verbs[o->verb].takes_none && o->n_args)
		return error_set(e, SC_INVALID_REQUEST, "%s takes no '%s'", verbs[o->verb].name,
				 o->args[0]);
	for (size_t i = 0; verbs[o->verb].takes_ids && i < o->n_args; i++)
		if (!job_id_is_valid(o->args[i]))
			return error_set(e, SC_INVALID_REQUEST,
					 "'%s' is no id of a job: ls shows them", o->args[i]);
	return 0;
}

static int bad_option(int c, char **argv, const struct option *longs, struct error *e)
{
	if (c == ':' && optopt && (size_t)optopt <= SC_ARRAY_SIZE(rows))
		return error_set(e, SC_INVALID_REQUEST, "--%s needs %s", longs[optopt - 1].name,
				 rows[optopt - 1].arg);
	if (optopt > ' ')
		return error_set(e, SC_INVALID_REQUEST, "'-%c' is no option: --help shows them",
				 optopt);
	return error_set(e, SC_INVALID_REQUEST, "'%s' is no option: --help shows them",
			 argv[optind - 1]);
}

int options_parse(struct options *options, int argc, char **argv, struct error *e)
{
	struct option longs[SC_ARRAY_SIZE(rows) + 1] = {0};
	auto_options struct options o = {0};
	unsigned int given = 0;
	int c, r;

	/* The value is the row's number from 1, below all letters. */
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++)
		longs[i] =
			(struct option){rows[i].name, rows[i].arg ? required_argument : no_argument,
					NULL, (int)i + 1};
	optind = 0; /* start afresh, also when called a second time */
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c == 'h') {
			o.wants_help = true;
			continue;
		}
		if (c < 1 || (size_t)c > SC_ARRAY_SIZE(rows))
			return bad_option(c, argv, longs, e);
		given |= 1u << (c - 1);
		r = rows[c - 1].set(&o, optarg, e);
		if (r < 0)
			return r;
	}
	if (!o.wants_help && !o.wants_version) {
		if (optind >= argc)
			return error_set(e, SC_INVALID_REQUEST, "a command is missing");
		r = verb_from_name(argv[optind], &o.verb, e);
		if (r < 0)
			return r;
		o.args = argv + optind + 1;
		o.n_args = (size_t)(argc - optind - 1);
		r = check(&o, given, e);
		if (r < 0)
			return r;
	}
	*options = o;
	o.ranges = NULL; /* handed over */
	return 0;
}

void options_print_help(FILE *out)
{
	fputs("Usage: storyclip COMMAND [option...]\n\n"
	      "Cuts videos into clips through a mount of storyclipfs, and shows its jobs.\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < VERB_COUNT; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].args);
		fprintf(out, "  %-18s%s\n", left, verbs[i].help);
	}
	fputs("\nOptions:\n", out);
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].arg ? " " : "",
			 rows[i].arg ? rows[i].arg : "");
		fprintf(out, "  %-18s%s", left, rows[i].help);
		if (rows[i].verbs == BIT(VERB_CUT) || rows[i].verbs == BIT(VERB_LS))
			fprintf(out, " [%s]", rows[i].verbs == BIT(VERB_CUT) ? "cut" : "ls");
		fputc('\n', out);
	}
	fputs("\nTimes are seconds or 1:30, 0:01:30.5, 500ms, 2m. Options may stand anywhere; -- "
	      "ends them.\n"
	      "NO_COLOR in the environment turns colours off.\n\n"
	      "Exit codes (of several jobs the one that says most: 3, 5, 1, 4, 0):\n",
	      out);
	for (size_t i = 0; i < SC_ARRAY_SIZE(exits); i++)
		fprintf(out, "  %-5s%s\n", exits[i].code, exits[i].meaning);
}
