/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip cancel, retry, rm: one word to each job. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "control.h"

/* Why a command was refused when there is an errno only. */
static const struct {
	int err;
	const char *why;
} reasons[] = {
	{EACCES, "FORBIDDEN: only its owner and root may do that"},
	{EPERM, "FORBIDDEN: only its owner and root may do that"},
	{EALREADY, "JOB_ENDED: it has ended already"},
	{EBUSY, "JOB_ACTIVE: it has not ended; storyclip cancel ends it"},
	{EINVAL, "INVALID_REQUEST: that cannot be done in its state"},
	{ESHUTDOWN, "STOPPING: the mount is being stopped"},
};

static int refused(struct cli *cli, int r, const char *word, const char *id)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(reasons); i++) {
		if (reasons[i].err != -r)
			continue;
		cli_error(cli, "%s %s: %s", word, id, reasons[i].why);
		return CLI_REFUSED;
	}
	return cli_fail(cli, r, "%s %s", word, id);
}

static int command_one(struct cli *cli, int dir_fd, const char *id, const char *word)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_reply struct reply reply = {0};
	char path[JOB_ID_SIZE + 16];
	int r;

	snprintf(path, sizeof(path), "jobs/%s", id);
	if (faccessat(dir_fd, path, F_OK, 0) < 0 && errno == ENOENT)
		return cli_no_job(cli, id);
	snprintf(path, sizeof(path), "jobs/%s/control", id);
	buf_printf(&text, "%s\n", word);
	r = buf_error(&text);
	if (r == 0)
		r = control_exchange(dir_fd, path, &text, &reply);
	if (r < 0)
		return refused(cli, r, word, id);
	if (cli->options->is_json)
		cli_print_raw(cli, reply.text);
	if (!reply.is_success) {
		cli_error(cli, "%s %s: %s: %s", word, id, reply.code ? reply.code : "refused",
			  reply.error ? reply.error : "no reason was given");
		return CLI_REFUSED;
	}
	if (!cli->options->is_json)
		cli_print(cli, "%s  %s", id,
			  reply.message  ? reply.message
			  : reply.status ? reply.status
					 : word);
	return CLI_DONE;
}

/* rmdir takes the job with all its clips, or refuses and leaves it whole. */
static int rm_one(struct cli *cli, int dir_fd, const char *id, const char *word)
{
	char path[JOB_ID_SIZE + 16];

	snprintf(path, sizeof(path), "jobs/%s", id);
	if (unlinkat(dir_fd, path, AT_REMOVEDIR) < 0)
		return errno == ENOENT ? cli_no_job(cli, id) : refused(cli, -errno, word, id);
	if (cli->options->is_json)
		cli_print(cli, "{\"success\":true,\"jobId\":\"%s\",\"status\":\"removed\"}", id);
	else
		cli_print(cli, "%s  removed", id);
	return CLI_DONE;
}

static int each(struct cli *cli,
		int (*one)(struct cli *cli, int dir_fd, const char *id, const char *word))
{
	const struct options *o = cli->options;
	auto_fd int dir_fd = -1;
	int worst = cli_open_mount(cli, &dir_fd);

	if (worst)
		return worst;
	for (size_t i = 0; i < o->n_args && worst != CLI_NO_MOUNT && !cli_interrupted(); i++)
		worst = cli_worse(worst, one(cli, dir_fd, o->args[i], options_verb_name(o->verb)));
	return cli_interrupted() ? cli_interrupted() : worst;
}

int cancel_run(struct cli *cli)
{
	return each(cli, command_one);
}

int retry_run(struct cli *cli)
{
	return each(cli, command_one);
}

int rm_run(struct cli *cli)
{
	return each(cli, rm_one);
}
