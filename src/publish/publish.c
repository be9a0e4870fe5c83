/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From finished clips in the work directory to OUTPUT_ROOT/<job_id>, which appears at once, whole
 * and synced, or not at all:
 *
 *     one volume:   owner, modes, fsync → rename → fsync of both parents
 *     two volumes:  copy to OUTPUT_ROOT/.<job_id>.<attempt>.tmp, then the same
 *
 * A process of its own, so that a disk that no longer answers cannot hold the daemon, and so that
 * it can be killed like a worker. Main thread only.
 */
#include "publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "clips.h"
#include "storyclip/child.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"
#include "storyclip/common/log.h"
#include "storyclip/sandbox.h"

#define WORK_CLIPS "clips"
#define PROGRESS_PUBLISHING 95

struct publisher {
	struct publish_order order;
	struct child_reporter reporter;
	char tmp_name[JOB_ID_SIZE + 32];
};

static int publisher_take_order(struct publisher *p, struct error *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r;

	r = child_read_order(&text, &len);
	if (r < 0)
		return error_from_errno(e, r, "reading the order");
	r = publish_order_parse(text, len, e, &p->order);
	if (r < 0)
		return r;
	snprintf(p->tmp_name, sizeof(p->tmp_name), ".%s.%u.tmp", p->order.job_id, p->order.attempt);
	return 0;
}

static int open_dir(int dir_fd, const char *name, int *ret_fd)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Rename a directory to a name that must not exist yet. */
static int rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat st;

	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without the flag. Only the engine makes such names, one attempt at a time,
	 * so nothing can come between. */
	if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (errno != ENOENT)
		return -errno;
	return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

/* The one moment at which the clips appear. @return also -EXDEV, with *e not filled */
static int appear(struct publisher *p, int from_fd, const char *from, struct error *e)
{
	int r;

	child_flush(&p->reporter);
	hook_reach("publish-before-rename");
	r = rename_new(from_fd, from, PROTO_OUTPUT_FD, p->order.job_id);
	if (r == -EXDEV)
		return r;
	if (r == -EEXIST || r == -ENOTEMPTY)
		return error_set(e, SC_JOB_EXISTS, "OUTPUT_ROOT has a '%s' already", p->order.job_id);
	if (r < 0)
		return error_from_errno(e, r, "renaming the clips to '%s'", p->order.job_id);
	r = clips_sync(PROTO_OUTPUT_FD, &p->reporter);
	if (r == 0)
		r = clips_sync(PROTO_WORK_FD, &p->reporter);
	if (r < 0) {
		/* Not known to survive, so not to be seen: the next attempt begins at the upload. */
		file_remove_tree(PROTO_OUTPUT_FD, p->order.job_id);
		return error_from_errno(e, r, "syncing OUTPUT_ROOT");
	}
	hook_reach("publish-after-rename");
	return 0;
}

/* @return also -EXDEV, with *e not filled: the directories lie on two volumes after all */
static int publish_by_rename(struct publisher *p, int clips_fd, struct error *e)
{
	int r;

	r = clips_settle(clips_fd, &p->order, &p->reporter, e);
	if (r < 0)
		return r;
	return appear(p, PROTO_WORK_FD, WORK_CLIPS, e);
}

static int copy_and_appear(struct publisher *p, int clips_fd, struct error *e)
{
	auto_fd int tmp_fd = -1;
	int r;

	r = open_dir(PROTO_OUTPUT_FD, p->tmp_name, &tmp_fd);
	if (r < 0)
		return error_from_errno(e, r, "opening '%s' in OUTPUT_ROOT", p->tmp_name);
	r = clips_copy(clips_fd, tmp_fd, &p->reporter, e);
	if (r < 0)
		return r;
	r = clips_settle(tmp_fd, &p->order, &p->reporter, e);
	if (r < 0)
		return r;
	return appear(p, PROTO_OUTPUT_FD, p->tmp_name, e);
}

static int publish_by_copy(struct publisher *p, int clips_fd, struct error *e)
{
	int r;

	/* Left by a kill of this very attempt; nobody else uses the name. */
	r = file_remove_tree(PROTO_OUTPUT_FD, p->tmp_name);
	if (r == 0 && mkdirat(PROTO_OUTPUT_FD, p->tmp_name, 0700) < 0)
		r = -errno;
	if (r < 0)
		return error_from_errno(e, r, "making '%s' in OUTPUT_ROOT", p->tmp_name);
	r = copy_and_appear(p, clips_fd, e);
	if (r == -EXDEV && !e->err)
		r = error_from_errno(e, r, "renaming within OUTPUT_ROOT");
	if (r < 0)
		file_remove_tree(PROTO_OUTPUT_FD, p->tmp_name); /* the first error is the one to tell */
	return r;
}

/* It handles names and owners, no media: what libc would never need here is taken away. */
static void publisher_lock_in(const struct publisher *p)
{
	const struct sandbox_plan plan = {
		.kind = SANDBOX_PUBLISHER,
		/* With an upload to be copied, the first one is a file. */
		.dirs = {p->order.is_hold ? -1 : PROTO_WORK_FD, PROTO_OUTPUT_FD},
	};
	struct sandbox_state state;

	sandbox_enter(&plan, &state);
}

static int publisher_run(struct publisher *p, struct error *e)
{
	auto_fd int clips_fd = -1;
	struct stat clips_st, output_st;
	int r;

	r = publisher_take_order(p, e);
	if (r < 0)
		return r;
	publisher_lock_in(p);
	if (p->order.is_hold)
		return upload_copy(p->order.job_id, &p->reporter, e);
	child_phase(&p->reporter, PROGRESS_PUBLISHING, JOB_MESSAGE_PUBLISHING);
	hook_reach("publish-start");
	r = open_dir(PROTO_WORK_FD, WORK_CLIPS, &clips_fd);
	if (r < 0)
		return error_from_errno(e, r, "opening the clips");
	if (fstat(clips_fd, &clips_st) < 0 || fstat(PROTO_OUTPUT_FD, &output_st) < 0)
		return error_from_errno(e, -errno, "looking at the clips and OUTPUT_ROOT");

	/* Equal numbers are no promise (bind mounts, subvolumes): only the rename knows. */
	r = -EXDEV;
	if (clips_st.st_dev == output_st.st_dev)
		r = publish_by_rename(p, clips_fd, e);
	if (r == -EXDEV && !e->err) {
		child_say(REPORT_LOG, "OUTPUT_ROOT is on another volume: copying the clips");
		r = publish_by_copy(p, clips_fd, e);
	}
	return r;
}

int publish_main(void)
{
	struct publisher p = {.reporter = CHILD_REPORTER};
	struct error e = {0};
	int r;

	r = child_start();
	if (r < 0) {
		log_error_with(r, "storyclip-publish is started by storyclipfs, not by hand");
		return EXIT_FAILURE;
	}
	r = publisher_run(&p, &e);
	return child_end(&p.reporter, r, &e);
}
