/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the mount. */
#include "mounts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "storyclip/common/buf.h"
#include "storyclip/common/file.h"
#include "storyclip/common/mountinfo.h"

#define MOUNTINFO_MAX (4u << 20)

void mounts_finish(struct mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++)
		free(mounts->paths[i]);
	free(mounts->paths);
	*mounts = (struct mounts){0};
}

static int mounts_add(struct mounts *mounts, char *path)
{
	char **paths;

	for (size_t i = 0; i < mounts->n; i++)
		if (!strcmp(mounts->paths[i], path)) {
			free(path);
			return 0;
		}
	paths = reallocarray(mounts->paths, mounts->n + 1, sizeof(*paths));
	if (!paths) {
		free(path);
		return -ENOMEM;
	}
	mounts->paths = paths;
	mounts->paths[mounts->n++] = path;
	return 0;
}

/* The next field of a line: *p stands behind its blank afterwards. @return its length, 0 at the end
 */
static size_t next_field(const char **p, const char *end, const char **ret)
{
	const char *start = *p;
	const char *blank = memchr(start, ' ', (size_t)(end - start));
	size_t len = (size_t)((blank ? blank : end) - start);

	*ret = start;
	*p = blank ? blank + 1 : end;
	return len;
}

static bool field_is(const char *field, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(field, word, len);
}

/* id parent dev root mountpoint options [optional...] - type source superoptions */
static int parse_line(const char *p, const char *end, struct mounts *ret)
{
	const char *field, *root = NULL, *point = NULL;
	size_t len, root_len = 0, point_len = 0;
	char *path;

	for (int i = 0; (len = next_field(&p, end, &field)); i++) {
		if (i == 3) {
			root = field;
			root_len = len;
		} else if (i == 4) {
			point = field;
			point_len = len;
		} else if (i > 5 && field_is(field, len, "-")) {
			break;
		}
	}
	if (!point || !len)
		return 0;
	len = next_field(&p, end, &field);
	if (!field_is(field, len, MOUNTS_TYPE) || !field_is(root, root_len, "/"))
		return 0;
	path = strndup(point, point_len);
	if (!path)
		return -ENOMEM;
	mountinfo_unescape(path);
	return mounts_add(ret, path);
}

int mounts_parse(const char *mountinfo, struct mounts *ret)
{
	auto_mounts struct mounts mounts = {0};
	int r;

	for (const char *p = mountinfo; *p;) {
		const char *end = strchrnul(p, '\n');

		r = parse_line(p, end, &mounts);
		if (r < 0)
			return r;
		p = *end ? end + 1 : end;
	}
	*ret = mounts;
	mounts = (struct mounts){0};
	return 0;
}

bool mounts_contains(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	if (!strcmp(dir, "/"))
		return path[0] == '/';
	return !strncmp(dir, path, len) && (path[len] == '/' || !path[len]);
}

int mounts_choose(const struct mounts *mounts, const char *const *places, size_t n_places)
{
	int best = -ENOENT;

	for (size_t p = 0; p < n_places && best < 0; p++)
		for (size_t i = 0; i < mounts->n; i++)
			if (mounts_contains(mounts->paths[i], places[p]) &&
			    (best < 0 || strlen(mounts->paths[i]) > strlen(mounts->paths[best])))
				best = (int)i;
	if (best >= 0)
		return best;
	return mounts->n == 1 ? 0 : mounts->n ? -ENOTUNIQ : -ENOENT;
}

/* 0 when a mount answers there and is ours to use. */
static int probe(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	return fstatat(fd, "control", &st, 0) < 0 ? -errno : 0;
}

/* Dead ones and other users' are no choice, as long as there is a better one. */
static void drop_unusable(struct mounts *mounts)
{
	size_t usable = 0;

	for (size_t i = 0; i < mounts->n; i++) {
		char *path = mounts->paths[i];

		if (probe(path) < 0)
			continue;
		mounts->paths[i] = mounts->paths[usable];
		mounts->paths[usable++] = path;
	}
	while (usable && mounts->n > usable)
		free(mounts->paths[--mounts->n]);
}

static int use_given(const char *source, const char *path, struct error *e, char **ret)
{
	auto_free char *resolved = realpath(path, NULL);
	int r = resolved ? probe(resolved) : -errno;

	if (r == -ENOTCONN)
		return error_set_errno(
			e, r, SC_IO_ERROR,
			"%s '%s': the mount there is dead (its daemon has ended): mount it again",
			source, path);
	if (r == -ENOENT && resolved)
		return error_set_errno(
			e, r, SC_IO_ERROR,
			"%s '%s': no mount of storyclipfs is there (it has no file 'control')",
			source, path);
	if (r < 0)
		return error_from_errno(e, r, "%s '%s'", source, path);
	*ret = take_ptr(resolved);
	return 0;
}

static int say_several(const struct mounts *mounts, struct error *e)
{
	auto_buf struct buf names = BUF_EMPTY;

	for (size_t i = 0; i < mounts->n; i++)
		buf_printf(&names, "%s--mount '%s'", i ? " or " : "", mounts->paths[i]);
	return error_set_errno(e, -ENOTUNIQ, SC_IO_ERROR,
			       "%zu mounts of storyclipfs: say which by %s", mounts->n,
			       names.data ? names.data : "--mount DIR");
}

int mounts_find(const char *given, const char *const *places, size_t n_places, struct error *e,
		char **ret)
{
	const char *env = getenv("STORYCLIP_MOUNT");
	auto_mounts struct mounts mounts = {0};
	auto_free char *text = NULL;
	int i, r;

	if (given)
		return use_given("--mount", given, e, ret);
	if (env && env[0])
		return use_given("STORYCLIP_MOUNT", env, e, ret);
	r = file_read_text(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return error_from_errno(e, r, "/proc/self/mountinfo (or give --mount DIR)");
	r = mounts_parse(text, &mounts);
	if (r < 0)
		return error_from_errno(e, r, "/proc/self/mountinfo");
	if (!mounts.n)
		return error_set_errno(e, -ENOENT, SC_IO_ERROR,
				       "no storyclipfs is mounted here: start one with "
				       "'storyclipfs ROOT MOUNTPOINT', or give --mount DIR");
	/* One is looked at by use_given below; a word about it then names it. */
	if (mounts.n > 1)
		drop_unusable(&mounts);
	i = mounts_choose(&mounts, places, n_places);
	if (i < 0)
		return say_several(&mounts, e);
	return use_given("mount", mounts.paths[i], e, ret);
}
