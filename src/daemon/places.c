/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of a mount: resolved, kept apart, created. Main thread, at start. */
#include "places.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"

static int make_absolute(const char *path, char **ret)
{
	auto_free char *cwd = NULL;
	int n;

	if (*path == '/') {
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return -errno;
	n = asprintf(ret, "%s/%s", cwd, path);
	return n < 0 ? -ENOMEM : 0;
}

/* Drop empty components, "." and a last slash, in place: two spellings of a place are one. */
static void squeeze(char *path)
{
	char *to = path;

	for (const char *p = path; *p;) {
		size_t len = strcspn(p + 1, "/");

		if (len && !(len == 1 && p[1] == '.')) {
			memmove(to, p, len + 1);
			to += len + 1;
		}
		p += len + 1;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

/*
 * realpath() of the longest beginning that exists, and the rest as it is. The rest holds no "..",
 * or it would mean something else once the directories are there.
 */
int place_resolve(const char *path, char **ret)
{
	auto_free char *whole = NULL, *head = NULL, *real = NULL;
	const char *rest;
	size_t len;
	int r;

	r = make_absolute(path, &whole);
	if (r < 0)
		return r;
	head = strdup(whole);
	if (!head)
		return -ENOMEM;
	for (len = strlen(head); !(real = realpath(*head ? head : "/", NULL));) {
		if (errno != ENOENT)
			return -errno;
		while (len && head[len - 1] == '/')
			len--;
		while (len && head[len - 1] != '/')
			len--;
		head[len] = '\0';
	}
	rest = whole + strlen(head);
	rest += strspn(rest, "/");
	if (!strcmp(rest, "..") || !strncmp(rest, "../", 3) || strstr(rest, "/../") ||
	    (strlen(rest) > 3 && !strcmp(rest + strlen(rest) - 3, "/..")))
		return -ENOENT;
	if (asprintf(ret, "%s/%s", real, rest) < 0)
		return -ENOMEM;
	squeeze(*ret);
	return 0;
}

int place_resolve_mountpoint(const char *path, char **ret)
{
	auto_free char *whole = NULL, *real = realpath(path, NULL), *parent = NULL;
	struct stat st;
	char *slash;
	int r;

	if (real) {
		if (stat(real, &st) < 0 && errno != ENOTCONN)
			return -errno;
		if (errno != ENOTCONN && !S_ISDIR(st.st_mode))
			return -ENOTDIR;
		*ret = take_ptr(real);
		return 0;
	}
	if (errno != ENOTCONN) /* what a dead mount answers; its parent is alive */
		return -errno;
	r = make_absolute(path, &whole);
	if (r < 0)
		return r;
	squeeze(whole);
	slash = strrchr(whole, '/');
	*slash = '\0';
	parent = realpath(*whole ? whole : "/", NULL);
	if (!parent)
		return -errno;
	return asprintf(ret, "%s/%s", strcmp(parent, "/") ? parent : "", slash + 1) < 0 ? -ENOMEM
											: 0;
}

bool place_is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (!strcmp(dir, "/"))
		return true;
	return !strncmp(path, dir, len) && (path[len] == '/' || !path[len]);
}

/* The places that a mount has, each once; the database is a file. */
struct place {
	const char *name;
	const char *path;
	mode_t mode;
	bool is_private; /* no other place may lie in it, nor it in another */
};

#define PLACES 5

static void places_list(const struct settings *s, struct place out[PLACES])
{
	/* Anybody may put files into the uploads of root's mount, as in /tmp. */
	out[0] = (struct place){"ROOT", s->root, 0755, false};
	out[1] = (struct place){"upload_tmp_dir", s->upload_tmp_dir, geteuid() == 0 ? 01777 : 0700,
				true};
	out[2] = (struct place){"process_work_dir", s->process_work_dir, 0700, true};
	out[3] = (struct place){"output_root", s->output_root, 0755, true};
	out[4] = (struct place){"database", s->database, 0700, true};
}

int places_check(const struct settings *settings, struct error *e)
{
	const char *mountpoint = settings->mountpoint;
	struct place places[PLACES];

	places_list(settings, places);
	for (size_t i = 0; i < PLACES; i++) {
		const struct place *p = &places[i];

		if (place_is_within(mountpoint, p->path))
			return error_set(e, SC_INVALID_REQUEST,
					 "MOUNTPOINT %s lies inside %s %s; choose one outside",
					 mountpoint, p->name, p->path);
		if (place_is_within(p->path, mountpoint))
			return error_set(e, SC_INVALID_REQUEST,
					 "%s %s lies inside MOUNTPOINT %s; choose one outside",
					 p->name, p->path, mountpoint);
		for (size_t k = 0; k < PLACES; k++)
			if (k != i && p->is_private && places[k].is_private &&
			    place_is_within(places[k].path, p->path))
				return error_set(e, SC_INVALID_REQUEST,
						 "%s %s lies inside %s %s; they must be apart",
						 places[k].name, places[k].path, p->name, p->path);
	}
	return 0;
}

static int place_create(const struct place *place, struct error *e)
{
	int r = file_make_dirs(place->path, place->mode);

	if (r < 0)
		return error_from_errno(e, r, "%s=%s cannot be made a directory", place->name,
					place->path);
	if (access(place->path, R_OK | W_OK | X_OK) < 0)
		return error_from_errno(e, -errno, "%s=%s cannot be used", place->name,
					place->path);
	return 0;
}

int places_create(const struct settings *settings, struct error *e)
{
	auto_free char *database_dir = strdup(settings->database);
	struct place places[PLACES];
	int r = 0;

	if (!database_dir)
		return error_from_errno(e, -ENOMEM, "making directories");
	*strrchr(database_dir, '/') = '\0';
	places_list(settings, places);
	places[4].path = *database_dir ? database_dir : "/";
	for (size_t i = 0; i < PLACES && r == 0; i++)
		r = place_create(&places[i], e);
	return r;
}
