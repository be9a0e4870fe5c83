/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --check: a copy of the database, as it is at one moment, against the directories. A daemon that
 * is at work moves both, so what is found then is looked for again and counts only if it stays.
 */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "lockfile.h"
#include "storyclip/common/file.h"

#define LOOKS     4 /* at what a daemon may just be doing */
#define PAUSE_MS  500
#define BUSY_MS   5000
#define COPY_NAME "storyclip.db"

/* A directory of our own for the copy; removed with all that is in it. */
struct scratch {
	char dir[64]; /* "" until it is made */
};

static void scratch_remove(struct scratch *scratch)
{
	auto_fd int parent = -1;

	if (!scratch->dir[0])
		return;
	parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent >= 0)
		file_remove_tree(parent, strrchr(scratch->dir, '/') + 1);
}
#define auto_scratch __attribute__((cleanup(scratch_remove)))

/* It may be of an older schema, which is brought forward in the copy alone. */
static int open_copy(const struct settings *settings, struct scratch *scratch, struct error *e,
		     struct store **ret)
{
	char path[96];
	struct error why = {0};
	int r;

	snprintf(scratch->dir, sizeof(scratch->dir), "/tmp/storyclip-check-XXXXXX");
	if (!mkdtemp(scratch->dir)) {
		scratch->dir[0] = '\0';
		return error_from_errno(e, -errno, "making a directory in /tmp");
	}
	snprintf(path, sizeof(path), "%s/" COPY_NAME, scratch->dir);
	r = store_copy(settings->database, path, e);
	if (r < 0)
		return r;
	r = store_open(path, BUSY_MS, &why, ret);
	if (r < 0) {
		/* The message names the copy; the reader knows the original. */
		const char *about = strstr(why.message, path), *rest = about, *advice;

		if (rest)
			rest += strlen(path) + strspn(rest + strlen(path), "' ");
		else
			rest = why.message;
		/* So does what to do: it is for a file that has no copies beside it. */
		advice = r == -EUCLEAN ? strstr(rest, "): ") : NULL;
		return error_set_errno(e, r, why.code, "database '%.200s' %.*s", settings->database,
				       advice ? (int)(advice + 1 - rest) : 290, rest);
	}
	return 0;
}

static int look(const struct settings *settings, bool is_mounted, struct error *e,
		struct findings *findings, struct compared *counts)
{
	auto_root_dirs struct root_dirs dirs = ROOT_DIRS_NONE;
	auto_scratch struct scratch scratch = {0};
	auto_of(store) struct store *store = NULL;
	int r;

	r = root_dirs_open(settings, e, &dirs);
	if (r == 0)
		r = open_copy(settings, &scratch, e, &store);
	if (r < 0)
		return r;
	r = compare(settings, &dirs, store, is_mounted, findings, counts);
	if (r == -EUCLEAN)
		return error_set_errno(e, r, SC_INTERNAL, "database '%s' is damaged",
				       settings->database);
	return r < 0 ? error_from_errno(e, r, "comparing %s with its database", settings->root) : 0;
}

/* Several looks while a daemon works: only what stays is a finding. */
static int look_steadily(const struct settings *settings, struct error *e,
			 struct findings *findings, struct compared *counts)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	bool is_mounted = locks_are_held(settings);
	int r = look(settings, is_mounted, e, findings, counts);

	is_mounted |= locks_are_held(settings); /* it may have come meanwhile */
	for (int i = 1; i < LOOKS && r == 0 && is_mounted && findings_count(findings); i++) {
		auto_findings struct findings again = {0};

		nanosleep(&pause, NULL);
		r = look(settings, true, e, &again, counts);
		if (r == 0)
			findings_intersect(findings, &again);
	}
	return r;
}

static int report(const struct settings *settings, const struct findings *findings,
		  const struct compared *counts)
{
	size_t wrong = findings_count(findings);

	for (size_t i = 0; i < findings->n; i++)
		printf("%s%s\n", findings->list[i].kind == FINDING_NOTE ? "note: " : "",
		       findings->list[i].text);
	printf("%s: %zu jobs, %zu clips, %zu uploads: ", settings->root, counts->jobs,
	       counts->clips, counts->uploads);
	if (wrong)
		printf("%zu disagreements\n", wrong);
	else
		printf("database and directories agree\n");
	return wrong ? CHECK_DISAGREES : CHECK_WELL;
}

static int cannot(const struct error *e)
{
	fprintf(stderr, "storyclipfs: %s\n", e->message);
	return CHECK_CANNOT;
}

int check_root(const struct settings *settings)
{
	auto_findings struct findings findings = {0};
	auto_free char *copy = NULL;
	struct compared counts = {0};
	struct error e = {0};
	struct stat st;
	int r;

	if (stat(settings->database, &st) < 0) {
		error_from_errno(&e, -errno, "database %s cannot be read", settings->database);
		return cannot(&e);
	}
	r = look_steadily(settings, &e, &findings, &counts);
	if (r == -EUCLEAN) {
		printf("%s\n", e.message);
		if (store_backup_newest(settings->database, &copy) == 0)
			printf("note: %s is the newest copy; --repair puts it in the database's "
			       "place\n",
			       copy);
		else
			printf("note: there is no copy of it in backup/ beside it\n");
		return CHECK_DISAGREES;
	}
	return r < 0 ? cannot(&e) : report(settings, &findings, &counts);
}
