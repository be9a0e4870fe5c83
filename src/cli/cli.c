/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program storyclip: set up, find the mount, run one command. */
#include "cli.h"

#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mounts.h"
#include "signals.h"
#include "text.h"

static int (*const commands[VERB_COUNT])(struct cli *cli) = {
	[VERB_CUT] = cut_run,     [VERB_STATUS] = status_run, [VERB_CANCEL] = cancel_run,
	[VERB_RETRY] = retry_run, [VERB_RM] = rm_run,         [VERB_WAIT] = wait_run,
	[VERB_LS] = ls_run,       [VERB_TOP] = top_run,
};

int cli_worse(int a, int b)
{
	static const int order[] = {
		CLI_DONE, CLI_CANCELLED, CLI_FAILED, CLI_REFUSED, CLI_USAGE, CLI_NO_MOUNT,
	};

	/* What is not in the table is a signal, and says most. */
	for (size_t i = 0; i < SC_ARRAY_SIZE(order); i++) {
		if (a == order[i])
			return b;
		if (b == order[i])
			return a;
	}
	return a;
}

SC_PRINTF(3, 0)
static void say(FILE *out, const char *prefix, const char *fmt, va_list args)
{
	auto_buf struct buf safe = BUF_EMPTY;
	auto_free char *line = NULL;

	if (vasprintf(&line, fmt, args) < 0)
		return;
	text_add_safe(&safe, line);
	fprintf(out, "%s%s\n", prefix, safe.data ? safe.data : "");
}

/* The way is free for ordinary lines. */
static void leave_drawing(struct cli *cli)
{
	term_full_end(&cli->term);
	term_live_clear(&cli->term);
	fflush(stdout);
}

void cli_error(struct cli *cli, const char *fmt, ...)
{
	va_list args;

	leave_drawing(cli);
	va_start(args, fmt);
	say(stderr, "storyclip: ", fmt, args);
	va_end(args);
}

void cli_print(struct cli *cli, const char *fmt, ...)
{
	va_list args;

	leave_drawing(cli);
	va_start(args, fmt);
	say(stdout, "", fmt, args);
	va_end(args);
	fflush(stdout);
}

void cli_print_raw(struct cli *cli, const char *text)
{
	leave_drawing(cli);
	fputs(text, stdout);
	fflush(stdout);
}

int cli_no_job(struct cli *cli, const char *id)
{
	cli_error(cli, "no job '%s' in %s/jobs/: storyclip ls shows them", id, cli->mount);
	return CLI_REFUSED;
}

int cli_interrupted(void)
{
	int number = signals_caught();

	return number ? 128 + number : 0;
}

bool cli_errno_is_gone(int r)
{
	return r == -ENOTCONN || r == -ECONNABORTED;
}

int cli_fail(struct cli *cli, int r, const char *fmt, ...)
{
	const char *why = strerrordesc_np(-r);
	auto_free char *what = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = NULL;
	va_end(args);
	if (cli_errno_is_gone(r))
		why = "the mount went away (its daemon has ended); once mounted again it goes on "
		      "with its jobs";
	else if (r == -EINTR && cli_interrupted())
		why = "interrupted";
	cli_error(cli, "%s: %s", what ? what : "storyclip", why ? why : "unknown error");
	if (cli_errno_is_gone(r))
		return CLI_NO_MOUNT;
	return r == -EINTR && cli_interrupted() ? cli_interrupted() : CLI_FAILED;
}

int cli_open_mount(struct cli *cli, int *ret_fd)
{
	auto_fd int fd = open(cli->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstatat(fd, "control", &st, 0) == 0) {
		*ret_fd = take_fd(&fd);
		return CLI_DONE;
	}
	/* An empty mount point is left when it was unmounted between two looks. */
	cli_fail(cli, errno == ENOENT ? -ENOTCONN : -errno, "%s", cli->mount);
	return CLI_NO_MOUNT;
}

/* Where the person is, and what they name: hints which of several mounts is meant. */
static int find_mount(struct cli *cli)
{
	const struct options *o = cli->options;
	size_t n = 0, max = (o->verb == VERB_CUT ? o->n_args : 0) + 1;
	auto_free char **places = calloc(max, sizeof(*places));
	struct error e;
	char *cwd;
	int r;

	if (!places)
		return cli_fail(cli, -ENOMEM, "storyclip");
	for (size_t i = 0; i + 1 < max; i++) {
		char *resolved = realpath(o->args[i], NULL);

		if (resolved)
			places[n++] = resolved;
	}
	cwd = getcwd(NULL, 0);
	if (cwd)
		places[n++] = cwd;
	r = mounts_find(o->mount, (const char *const *)places, n, &e, &cli->mount);
	for (size_t i = 0; i < n; i++)
		free(places[i]);
	if (r == 0)
		return CLI_DONE;
	cli_error(cli, "%s", e.message);
	return CLI_NO_MOUNT;
}

static int run(struct cli *cli, int argc, char **argv, struct options *o)
{
	struct error e;
	int r;

	r = options_parse(o, argc, argv, &e);
	if (r < 0) {
		cli_error(cli, "%s", e.message);
		if (argc < 2)
			options_print_help(stderr);
		return CLI_USAGE;
	}
	if (o->wants_help) {
		options_print_help(stdout);
		return CLI_DONE;
	}
	if (o->wants_version) {
		printf("storyclip %s\n", SC_VERSION);
		return CLI_DONE;
	}
	term_init(&cli->term, !o->is_json);
	signals_catch();
	r = find_mount(cli);
	return r ? r : commands[o->verb](cli);
}

int cli_main(int argc, char **argv)
{
	auto_options struct options options = {0};
	struct cli cli = {.options = &options};
	int exit_code;

	setlocale(LC_CTYPE, "");
	/* Lines in a pipe keep their names also where cron has no locale: INTERFACE.md's texts are
	 * UTF-8. */
	if (!text_is_utf8() && !isatty(STDOUT_FILENO) && !isatty(STDERR_FILENO))
		setlocale(LC_CTYPE, "C.UTF-8");
	exit_code = run(&cli, argc, argv, &options);
	free(cli.mount);
	/* What was printed must have arrived: a list cut short by a full disk is no success. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_error(&cli, "standard output cannot be written");
		exit_code = cli_worse(exit_code, CLI_FAILED);
	}
	return exit_code;
}
