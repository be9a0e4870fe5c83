/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uploadId → one file, or why not. Nothing is remembered: the directory itself is asked each time,
 * so that a file put there behind the mount is found too. Any thread; no locks.
 */
#include "resolve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "parse.h"
#include "storyclip/common/creds.h"
#include "storyclip/common/file.h"
#include "storyclip/intake.h"

#define SHOWN 128

void resolved_finish(struct resolved *resolved)
{
	free(take_ptr(resolved->path));
	if (resolved->fd >= 0)
		close(take_fd(&resolved->fd));
}

/* Components that are empty, "." or "..", and absolute paths, can only be mistakes or tricks. */
static int id_check(const char *id, struct error *e)
{
	char shown[SHOWN];
	const char *p = id;

	if (!*id)
		return error_set(e, SC_INVALID_REQUEST,
				 "uploadId is empty; give a file's path below incoming/");
	while (p) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return error_set(e, SC_INVALID_REQUEST,
					 "uploadId '%s' is not usable; give a path below incoming/ "
					 "without leading '/', empty parts, '.' or '..'",
					 text_shorten(id, shown, sizeof(shown)));
		p = p[len] ? p + len + 1 : NULL;
	}
	return 0;
}

static bool is_in_hold_dir(const char *path)
{
	size_t len = strlen(INTAKE_HOLD_DIR);

	return !strncmp(path, INTAKE_HOLD_DIR, len) && (path[len] == '/' || !path[len]);
}

/* Whether a failed open only says that there is no such file (a symlink is none, too). */
static bool means_missing(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -EXDEV ||
	       err == -ENAMETOOLONG || err == -ENXIO;
}

/* Open one path as the caller. @return 0 (anything but a symlink), -ENOENT (and its like), … */
static int open_as(int root_fd, const char *path, const struct caller *caller, int *ret_fd,
		   struct stat *ret_st)
{
	auto_creds struct creds creds = {0};
	auto_fd int fd = -1;
	int r;

	r = caller->uid ? creds_become(caller, &creds) : 0; /* root needs no group to read */
	if (r < 0)
		return r;
	/* O_NONBLOCK: whoever put a FIFO there must not stop us. */
	r = file_open_beneath(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd);
	if (r < 0)
		return r;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int not_found(const char *id, const char *why, struct error *e)
{
	char shown[SHOWN];

	return error_set(e, SC_UPLOAD_NOT_FOUND, "upload '%s' not found in incoming/%s",
			 text_shorten(id, shown, sizeof(shown)), why);
}

/* A name that exists but is no upload: say so instead of "not found" alone. */
static const char *why_no_upload(const char *path)
{
	if (name_is_sidecar(path_base(path)))
		return ": that name is a request's or an answer's, not an upload's";
	if (name_is_unfinished(path_base(path)))
		return ": that name is one of an unfinished file; rename it once it is whole";
	return NULL;
}

/* The same of something that is there but no file. */
static const char *why_not_regular(int root_fd, const char *path)
{
	auto_fd int fd = -1;
	struct stat st;

	if (is_in_hold_dir(path) || file_open_beneath(root_fd, path, O_PATH, 0, &fd) < 0 ||
	    fstat(fd, &st) < 0)
		return "";
	return S_ISDIR(st.st_mode) ? ": it is a directory" : ": it is not an ordinary file";
}

/* What became of a try to open a path: found (1), nothing there (0), or an error. */
static int try_path(int root_fd, const char *id, const char *path, const struct caller *caller,
		    struct error *e, struct resolved *ret)
{
	auto_fd int fd = -1;
	char shown[SHOWN];
	struct stat st;
	int r;

	if (is_in_hold_dir(path))
		return 0;
	r = open_as(root_fd, path, caller, &fd, &st);
	if (r < 0 && means_missing(r))
		return 0;
	if (r == -EACCES || r == -EPERM)
		return error_set(e, SC_UPLOAD_FORBIDDEN,
				 "upload '%s' cannot be read by uid %u; it needs read permission",
				 text_shorten(id, shown, sizeof(shown)), caller->uid);
	if (r < 0)
		return error_from_errno(e, r, "opening upload '%s'",
					text_shorten(id, shown, sizeof(shown)));
	if (!S_ISREG(st.st_mode))
		return 0;
	ret->path = strdup(path);
	if (!ret->path)
		return error_from_errno(e, -ENOMEM, "opening upload '%s'",
					text_shorten(id, shown, sizeof(shown)));
	ret->fd = take_fd(&fd);
	ret->st = st;
	return 1;
}

/* Whether a directory's entry is an upload with this stem. */
static bool entry_matches(DIR *dir, const struct dirent *entry, const char *stem)
{
	const char *name = entry->d_name;
	size_t len = strlen(stem);
	struct stat st;

	if (name_stem_length(name) != len || strncmp(name, stem, len) || !name[len])
		return false;
	if (name_is_unfinished(name) || name_is_sidecar(name))
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* The directory's entries with this stem: how many, and the first two names. */
static int scan_stem(DIR *dir, const char *stem, char *names[2])
{
	struct dirent *entry;
	int n = 0;

	while ((errno = 0, entry = readdir(dir))) {
		if (!entry_matches(dir, entry, stem))
			continue;
		if (n < 2) {
			names[n] = strdup(entry->d_name);
			if (!names[n])
				return -ENOMEM;
		}
		n++;
	}
	return errno ? -errno : n;
}

static int open_dir_of(int root_fd, const char *path, DIR **ret)
{
	auto_free char *parent = strndup(path, (size_t)(path_base(path) - path));
	auto_fd int fd = -1;
	DIR *dir;
	int r;

	if (!parent)
		return -ENOMEM;
	r = file_open_beneath(root_fd, *parent ? parent : ".", O_RDONLY | O_DIRECTORY, 0, &fd);
	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	take_fd(&fd);
	*ret = dir;
	return 0;
}

/* @return 1 (*ret_path to free: the only match), 0 (none), or a negative errno */
static int find_stem(int root_fd, const char *id, struct error *e, char **ret_path)
{
	auto_free char *first = NULL, *second = NULL;
	const char *stem = path_base(id);
	char *names[2] = {NULL, NULL};
	DIR *dir = NULL;
	int n, dir_len = (int)(stem - id);

	if (is_in_hold_dir(id) || !*stem)
		return 0;
	n = open_dir_of(root_fd, id, &dir);
	if (n == 0) {
		n = scan_stem(dir, stem, names);
		closedir(dir);
		first = names[0];
		second = names[1];
	}
	if (n < 0 && means_missing(n))
		return 0;
	if (n < 0)
		return error_from_errno(e, n, "looking for upload '%.100s'", id);
	if (n == 0)
		return 0;
	if (n > 1)
		return error_set(
			e, SC_UPLOAD_AMBIGUOUS,
			"uploadId '%.100s' fits %d files, '%.150s' and '%.150s'%s; give the "
			"name with its extension",
			id, n, first, second, n > 2 ? " among them" : "");
	if (asprintf(ret_path, "%.*s%s", dir_len, id, first) < 0)
		return error_from_errno(e, -ENOMEM, "looking for upload '%.100s'", id);
	return 1;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF", *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* %XX of bytes that are not ASCII, as JSON shows names that are not UTF-8. NULL when there is none.
 */
static char *id_unescape(const char *id)
{
	char *out = strdup(id), *to = out;
	bool is_changed = false;

	if (!out)
		return NULL;
	for (const char *p = id; *p; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1;
		int low = high >= 8 ? hex_digit(p[2]) : -1;

		if (low >= 0) {
			*to++ = (char)(unsigned char)(high * 16 + low);
			p += 2;
			is_changed = true;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	if (!is_changed)
		free(take_ptr(out));
	return out;
}

/* One spelling of the id: exact path, then stem. @return 1 found, 0 not there, or an error */
static int try_spelling(int root_fd, const char *id, const struct caller *caller, struct error *e,
			struct resolved *ret)
{
	auto_resolved struct resolved found = RESOLVED_NONE;
	auto_free char *path = NULL;
	int r;

	r = try_path(root_fd, id, id, caller, e, &found);
	if (r == 1 && why_no_upload(id))
		return not_found(id, why_no_upload(id), e);
	if (r == 0)
		r = find_stem(root_fd, id, e, &path);
	if (r == 1 && path)
		r = try_path(root_fd, id, path, caller, e, &found);
	if (r == 1) {
		*ret = found;
		found = RESOLVED_NONE;
	}
	return r;
}

int resolve_upload(int root_fd, const char *upload_id, const struct caller *caller, struct error *e,
		   struct resolved *ret)
{
	auto_free char *raw = NULL;
	const char *why;
	int r;

	r = id_check(upload_id, e);
	if (r < 0)
		return r;
	r = try_spelling(root_fd, upload_id, caller, e, ret);
	if (r == 0 && (raw = id_unescape(upload_id)) && id_check(raw, e) == 0)
		r = try_spelling(root_fd, raw, caller, e, ret);
	if (r != 0)
		return r < 0 ? r : 0;
	why = why_no_upload(upload_id);
	if (!why)
		why = why_not_regular(root_fd, upload_id);
	return not_found(upload_id, why, e);
}

int resolve_exact(int root_fd, const char *path, const struct caller *caller, struct error *e,
		  struct resolved *ret)
{
	auto_resolved struct resolved found = RESOLVED_NONE;
	const char *why = why_no_upload(path);
	int r;

	r = id_check(path, e);
	if (r < 0)
		return r;
	if (why)
		return not_found(path, why, e);
	r = try_path(root_fd, path, path, caller, e, &found);
	if (r < 0)
		return r;
	if (r == 0) {
		why = why_not_regular(root_fd, path);
		return *why ? not_found(path, why, e) : -ENOENT;
	}
	*ret = found;
	found = RESOLVED_NONE;
	return 0;
}
