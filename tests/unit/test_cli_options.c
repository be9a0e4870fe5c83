/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: what it gives, and what is said when it is wrong. */
#include "../../src/cli/cli.h"
#include "../../src/cli/options.h"
#include "check.h"

#define MAX_WORDS 12

/* Split at blanks; "''" is an empty word. The words must live as long as the options. */
static int parse(const char *line, char *words, size_t size, struct options *o, struct error *e)
{
	char *argv[MAX_WORDS + 2] = {(char *)"storyclip"};
	int argc = 1;

	snprintf(words, size, "%s", line);
	for (char *w = strtok(words, " "); w && argc <= MAX_WORDS; w = strtok(NULL, " "))
		argv[argc++] = strcmp(w, "''") ? w : (char *)"";
	return options_parse(o, argc, argv, e);
}

static void test_right(void)
{
	auto_options struct options o = {0};
	char words[256], *argv[] = {(char *)"storyclip",
				    (char *)"--json",
				    (char *)"cut",
				    (char *)"a.mp4",
				    (char *)"--every=2.5",
				    (char *)"b.mp4",
				    (char *)"--max",
				    (char *)"7",
				    (char *)"--mode",
				    (char *)"keyframe",
				    (char *)"--",
				    (char *)"--odd.mp4",
				    NULL};
	struct error e;

	REQUIRE(options_parse(&o, 12, argv, &e) == 0);
	CHECK_INT(o.verb, VERB_CUT);
	CHECK(o.is_json);
	CHECK_INT(o.every_us, 2500000);
	CHECK_INT(o.max_clips, 7);
	CHECK(o.has_mode);
	CHECK_INT(o.mode, CUT_KEYFRAME);
	CHECK(!o.wants_wait);
	REQUIRE(o.n_args == 3);
	CHECK_STR(o.args[0], "a.mp4");
	CHECK_STR(o.args[1], "b.mp4");
	CHECK_STR(o.args[2], "--odd.mp4");

	REQUIRE(parse("cut --clips 0-5,7-12 --out d v", words, sizeof(words), &o, &e) == 0);
	CHECK_INT(o.n_ranges, 2);
	CHECK(o.wants_wait); /* --out waits */
	CHECK_STR(o.out, "d");
	options_finish(&o);
	REQUIRE(parse("ls --state error", words, sizeof(words), &o, &e) == 0);
	CHECK(o.has_state);
	CHECK_INT(o.state, JOB_FAILED);
	REQUIRE(parse("status", words, sizeof(words), &o, &e) == 0);
	CHECK_INT(o.n_args, 0);
	REQUIRE(parse("cut --help", words, sizeof(words), &o, &e) == 0);
	CHECK(o.wants_help);
	REQUIRE(parse("-h", words, sizeof(words), &o, &e) == 0);
	CHECK(o.wants_help);
	REQUIRE(parse("--version", words, sizeof(words), &o, &e) == 0);
	CHECK(o.wants_version);
	/* the last of the same option counts; the first one's ranges are freed */
	REQUIRE(parse("cut v --clips 0-1 --clips 0-2,3-4", words, sizeof(words), &o, &e) == 0);
	CHECK_INT(o.n_ranges, 2);
}

static void test_wrong(void)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"", "a command is missing"},
		{"''", "no command ''"},
		{"cutt v", "no command 'cutt'"},
		{"cut", "cut needs a video"},
		{"wait", "wait needs the id of a job"},
		{"ls x", "ls takes no 'x'"},
		{"wait ../x", "'../x' is no id of a job"},
		{"rm .hidden", "'.hidden' is no id"},
		{"status ''", "'' is no id"},
		{"cut v --every", "--every needs SECONDS"},
		{"cut v --every 0.05", "--every '0.05'"},
		{"cut v --every 3601", "0.1 to 3600"},
		{"cut v --every five", "--every 'five'"},
		{"cut v --max 0", "--max '0'"},
		{"cut v --max -1", "--max '-1'"},
		{"cut v --max 10001", "1 to 10000"},
		{"cut v --max 99999999999999999999", "1 to 10000"},
		{"cut v --max 5x", "--max '5x'"},
		{"cut v --clips 0-5,9-8", "--clips '9-8': the end"},
		{"cut v --clips 0-5,x", "--clips 'x': takes"},
		{"cut v --every 5 --clips 0-5", "exclude each other"},
		{"cut v --mode fast", "--mode 'fast': takes exact, keyframe or encode"},
		{"cut v --out ''", "--out ''"},
		{"cut v --mount ''", "--mount ''"},
		{"cut v --state done", "--state has no use in cut"},
		{"ls --every 5", "--every has no use in ls"},
		{"top --json", "--json has no use in top"},
		{"ls --state gone", "--state 'gone': takes queued"},
		{"cut v --wait=3", "'--wait=3'"},
		{"--foo ls", "'--foo' is no option"},
		{"ls -x", "'-x' is no option"},
		{"ls --m", "'--m' is no option"}, /* --max or --mode or --mount */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct options o = {.max_clips = 77};
		char words[256];
		struct error e = {0};
		int r = parse(rows[i].line, words, sizeof(words), &o, &e);

		CHECK_AT_(r < 0, "'%s' was taken", rows[i].line);
		CHECK_CONTAINS(e.message, rows[i].says);
		CHECK_INT(o.max_clips, 77); /* untouched on failure */
	}
}

static void test_worse(void)
{
	/* each says more than all before it */
	static const int order[] = {CLI_DONE,  CLI_CANCELLED, CLI_FAILED, CLI_REFUSED,
				    CLI_USAGE, CLI_NO_MOUNT,  130};

	for (size_t a = 0; a < 7; a++)
		for (size_t b = 0; b < 7; b++)
			CHECK_INT(cli_worse(order[a], order[b]), order[a > b ? a : b]);
}

static void test_help(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	REQUIRE(out);
	options_print_help(out);
	fclose(out);
	for (int v = 0; v < VERB_COUNT; v++)
		CHECK_CONTAINS(text, options_verb_name((enum verb)v));
	CHECK_CONTAINS(text, "--clips 0-5,7-12");
	CHECK_CONTAINS(text, "Exit codes");
	CHECK_CONTAINS(text, "\n  130  ");
	free(text);
}

int main(void)
{
	test_right();
	test_wrong();
	test_worse();
	test_help();
	return check_result();
}
