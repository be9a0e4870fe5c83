/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An upload is old when it was neither written nor used by a job for that long: both change the file's
 * ctime, a job by the hard link that holds its bytes. The row's created_at only says which to look at.
 * What is open for writing, waited for or held is left alone, and looked at again with the next pass.
 */
#include "expiry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

#define BATCH       32
#define PASS_MAX_MS 60000 /* from pass to pass; with short ages a tenth of them */
#define PASS_MIN_MS 100

void expiry_finish(struct expiry *expiry)
{
	free(expiry->after_path);
	expiry->after_path = NULL;
}

static int64_t pass_every_ms(const struct registry_deps *deps)
{
	int64_t ms = deps->intake->settings->upload_retention_ms / 10;

	return ms > PASS_MAX_MS ? PASS_MAX_MS : ms < PASS_MIN_MS ? PASS_MIN_MS : ms;
}

static int64_t ctime_ms(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
}

/* @return whether there is a file of that name */
static bool look(const struct registry_deps *deps, const char *path, struct stat *ret)
{
	auto_fd int fd = -1;

	return file_open_beneath(deps->root_fd, path, O_PATH | O_NOFOLLOW, 0, &fd) == 0 &&
	       fstat(fd, ret) == 0 && S_ISREG(ret->st_mode);
}

/* @param r  what removing an old one came to */
static void tell(struct expiry *expiry, const char *path, int r)
{
	if (r == 0)
		log_info("upload '%s' was removed, as upload_retention says", path);
	else if (r == -EOPNOTSUPP && !expiry->has_told_foreign)
		log_warning("upload '%s' is old but stays, as do others like it: it cannot be moved aside "
			    "(on a file system mounted inside incoming/, or without RENAME_NOREPLACE)",
			    path);
	else if (r != -EOPNOTSUPP && r != -EBUSY && r != -ENOENT)
		log_error_with(r, "removing upload '%s', as it is old", path);
	expiry->has_told_foreign |= r == -EOPNOTSUPP;
}

/* @return whether it was removed */
static bool expire_one(struct expiry *expiry, const struct registry_deps *deps,
		       const struct upload_age_row *row)
{
	struct engine *engine = deps->intake->engine;
	struct stat st;
	int r;

	if (!look(deps, row->path, &st))
		return false;
	if (!engine_upload_is_old(engine, row->created_at) ||
	    !engine_upload_is_old(engine, ctime_ms(&st)) ||
	    uploads_has_writer(deps->uploads, st.st_dev, st.st_ino))
		return false;
	r = engine_expire_upload(engine, row->path, &st);
	tell(expiry, row->path, r);
	if (r < 0)
		return false;
	uploads_unlinked(deps->uploads, row->path);
	/* Uploaded anew in this moment: its row comes behind the one that was just taken away. */
	if (look(deps, row->path, &st))
		uploads_found(deps->uploads, st.st_dev, st.st_ino, row->path);
	return true;
}

static void pass_end(struct expiry *expiry, const struct registry_deps *deps)
{
	expiry_finish(expiry);
	expiry->is_under_way = false;
	expiry->after_at = 0;
	expiry->next_ms = clock_monotonic_ms(deps->intake->clock) + pass_every_ms(deps);
}

bool expiry_turn(struct expiry *expiry, const struct registry_deps *deps)
{
	int64_t keep_ms = deps->intake->settings->upload_retention_ms;
	struct upload_age_row rows[BATCH];
	int n;

	if (keep_ms <= 0 || (!expiry->is_under_way &&
			     clock_monotonic_ms(deps->intake->clock) < expiry->next_ms))
		return false;
	expiry->is_under_way = true;
	n = store_uploads_older(deps->intake->store, expiry->after_at,
				expiry->after_path ? expiry->after_path : "",
				clock_wall_ms(deps->intake->clock) - keep_ms, rows, BATCH);
	for (int i = 0; i < n; i++) {
		expire_one(expiry, deps, &rows[i]);
		free(expiry->after_path);
		expiry->after_at = rows[i].created_at;
		expiry->after_path = rows[i].path;
	}
	if (n < BATCH)
		pass_end(expiry, deps);
	return expiry->is_under_way;
}
