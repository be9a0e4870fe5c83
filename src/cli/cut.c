/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip cut: videos → uploads → jobs → clips. */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "control.h"
#include "copy.h"
#include "storyclip/common/file.h"
#include "text.h"
#include "upload.h"
#include "watch.h"

#define DIR_MODE 0755

/* Positions have at most 15 digits (times.h), so that many print each of them exactly. */
#define REQUEST_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

struct cut {
	struct watched *jobs; /* owned; n of the command's videos have become jobs */
	char **dirs; /* owned: per job, where its clips go below --out; "." with one video */
	size_t n;
	int out_fd; /* -1 without --out */
};

static void cut_finish(struct cut *cut)
{
	for (size_t i = 0; i < cut->n; i++)
		free(cut->dirs[i]);
	free(cut->dirs);
	free(cut->jobs);
	sc_auto_fd(&cut->out_fd);
}
#define auto_cut __attribute__((cleanup(cut_finish)))

static json_t *seconds(int64_t us)
{
	if (us % 1000000 == 0)
		return json_integer(us / 1000000);
	return json_real((double)us / 1e6);
}

/* One JSON object and a newline. @return 0 or -ENOMEM */
static int render_request(const struct options *o, const char *path, struct buf *out)
{
	json_t *request = json_object(), *clips;
	auto_buf struct buf id = BUF_EMPTY;
	auto_free char *text = NULL;
	int r = 0;

	text_add_json_name(&id, path);
	if (buf_error(&id) < 0) {
		json_decref(request);
		return -ENOMEM;
	}
	r |= json_object_set_new(request, "uploadId", json_string(id.data));
	if (o->every_us)
		r |= json_object_set_new(request, "clipDuration", seconds(o->every_us));
	if (o->max_clips)
		r |= json_object_set_new(request, "maxClips", json_integer(o->max_clips));
	if (o->has_mode)
		r |= json_object_set_new(request, "cut", json_string(cut_mode_name(o->mode)));
	if (o->n_ranges) {
		clips = json_array();
		for (size_t i = 0; i < o->n_ranges; i++)
			r |= json_array_append_new(clips,
						   json_pack("{s:o,s:o}", "start",
							     seconds(o->ranges[i].start_us), "end",
							     seconds(o->ranges[i].end_us)));
		r |= json_object_set_new(request, "clips", clips);
	}
	text = json_dumps(request, REQUEST_FLAGS);
	json_decref(request);
	if (r || !text)
		return -ENOMEM;
	buf_printf(out, "%s\n", text);
	return buf_error(out);
}

/* Ask for the job. */
static int start(struct cli *cli, int dir_fd, const char *path, char id[JOB_ID_SIZE])
{
	auto_buf struct buf request = BUF_EMPTY;
	auto_reply struct reply reply = {0};
	int r = render_request(cli->options, path, &request);

	if (r == 0)
		r = control_exchange(dir_fd, "control", &request, &reply);
	if (r == -EBADMSG)
		return cli_fail(cli, r, "%s: the reply of %s/control makes no sense", path,
				cli->mount);
	if (r < 0)
		return cli_fail(cli, r, "%s: writing to %s/control", path, cli->mount);
	if (cli->options->is_json && (!reply.is_success || !cli->options->wants_wait))
		cli_print_raw(cli, reply.text);
	if (!reply.is_success || !reply.id[0]) {
		cli_error(cli, "%s: %s: %s", path, reply.code ? reply.code : "refused",
			  reply.error ? reply.error : "no reason was given");
		return CLI_REFUSED;
	}
	memcpy(id, reply.id, JOB_ID_SIZE);
	if (!cli->options->is_json && !(cli->options->wants_wait && cli->term.is_live))
		cli_print(cli, "%s  %s  %s", id, reply.status ? reply.status : "queued", path);
	return CLI_DONE;
}

/* The directory for a job's clips: the upload's name without extension, numbered until it is new.
 */
static char *choose_dir(const struct cut *cut, size_t n_videos, const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const char *dot = strrchr(base, '.');
	char stem[256], name[256];

	if (n_videos == 1)
		return strdup(".");
	snprintf(stem, sizeof(stem), "%.*s", dot && dot != base ? (int)(dot - base) : 255, base);
	for (unsigned int number = 1;; number++) {
		size_t i = 0;

		upload_numbered_name(stem, number, name);
		while (i < cut->n && strcmp(cut->dirs[i], name) != 0)
			i++;
		if (i == cut->n)
			return strdup(name);
	}
}

static int copy_clip(int clips_fd, int out_fd, const char *name)
{
	auto_fd int fd = openat(clips_fd, name, O_RDONLY | O_CLOEXEC);
	auto_copy struct copy copy = {0};
	int r;

	if (fd < 0)
		return -errno;
	r = copy_begin(fd, out_fd, NULL, &copy);
	return r < 0 ? r : copy_name(&copy, name, true);
}

static int open_clips(struct cli *cli, const char *id, int *ret)
{
	char path[JOB_ID_SIZE + 16];
	auto_fd int dir_fd = -1;
	int exit_code = cli_open_mount(cli, &dir_fd);

	if (exit_code)
		return exit_code;
	snprintf(path, sizeof(path), "jobs/%s/clips", id);
	*ret = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? cli_fail(cli, -errno, "%s/%s", cli->mount, path) : CLI_DONE;
}

/* watch_ended_fn of --out. */
static int fetch(struct cli *cli, const struct watched *job, const char *text, void *context)
{
	const struct cut *cut = context;
	const char *dir = cut->dirs[job - cut->jobs], *out = cli->options->out;
	auto_fd int clips_fd = -1, out_fd = -1;
	struct clip_names clips;
	auto_free void *names = NULL;
	int exit_code, r;

	if (job->status.state != JOB_DONE)
		return CLI_DONE;
	r = clip_names_parse(text, &clips);
	if (r < 0)
		return cli_fail(cli, r, "%s", job->id);
	names = clips.names;
	exit_code = open_clips(cli, job->id, &clips_fd);
	if (exit_code)
		return exit_code;
	if (mkdirat(cut->out_fd, dir, DIR_MODE) < 0 && errno != EEXIST)
		return cli_fail(cli, -errno, "%s/%s", out, dir);
	out_fd = openat(cut->out_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out_fd < 0)
		return cli_fail(cli, -errno, "%s/%s", out, dir);
	for (size_t i = 0; i < clips.n; i++) {
		r = copy_clip(clips_fd, out_fd, clips.names[i]);
		if (r < 0)
			return cli_fail(cli, r, "copying %s of %s to %s", clips.names[i], job->id,
					out);
	}
	if (!cli->options->is_json)
		cli_print(cli, "%s  copied %zu clip%s to %s%s%s", job->id, clips.n,
			  clips.n == 1 ? "" : "s", out, strcmp(dir, ".") ? "/" : "",
			  strcmp(dir, ".") ? dir : "");
	return CLI_DONE;
}

/* One video; a job more in *cut when it was accepted. */
static int cut_one(struct cli *cli, int dir_fd, const char *video, struct cut *cut)
{
	auto_free char *path = NULL, *dir = NULL;
	int exit_code;

	exit_code = upload_place(cli, dir_fd, video, &path);
	if (exit_code)
		return exit_code;
	dir = choose_dir(cut, cli->options->n_args, path);
	if (!dir)
		return cli_fail(cli, -ENOMEM, "%s", video);
	exit_code = start(cli, dir_fd, path, cut->jobs[cut->n].id);
	if (exit_code)
		return exit_code;
	cut->dirs[cut->n++] = take_ptr(dir);
	return CLI_DONE;
}

/* Before anything is copied or started: a directory that cannot be written is better known now. */
static int open_out(struct cli *cli, struct cut *cut)
{
	const char *out = cli->options->out;
	int r;

	if (!out)
		return CLI_DONE;
	r = file_make_dirs(out, DIR_MODE);
	if (r < 0)
		return cli_fail(cli, r, "--out %s", out);
	cut->out_fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cut->out_fd < 0 || faccessat(cut->out_fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return cli_fail(cli, -errno, "--out %s", out);
	return CLI_DONE;
}

int cut_run(struct cli *cli)
{
	const struct options *o = cli->options;
	auto_cut struct cut cut = {.out_fd = -1};
	int worst, exit_code, dir_fd;

	cut.jobs = calloc(o->n_args, sizeof(*cut.jobs));
	cut.dirs = calloc(o->n_args, sizeof(*cut.dirs));
	if (!cut.jobs || !cut.dirs)
		return cli_fail(cli, -ENOMEM, "cut");
	worst = open_out(cli, &cut);
	if (worst)
		return worst;
	worst = cli_open_mount(cli, &dir_fd);
	if (worst)
		return worst;
	for (size_t i = 0; i < o->n_args; i++) {
		exit_code = cut_one(cli, dir_fd, o->args[i], &cut);
		worst = cli_worse(worst, exit_code);
		if (exit_code == CLI_NO_MOUNT || cli_interrupted())
			break;
	}
	close(dir_fd);
	if (worst == CLI_NO_MOUNT || !cut.n || (!o->wants_wait && !cli_interrupted()))
		return worst;
	/* After Ctrl-C too: it ends at once there, and says how to cancel what was started. */
	return cli_worse(worst, watch_run(cli, cut.jobs, cut.n, o->out ? fetch : NULL, &cut));
}
