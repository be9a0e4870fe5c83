/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of names: what INTERFACE.md's tree shows, once each, with its type and mode. */
#define FUSE_USE_VERSION 314
#include "../../src/fs/fs_state.h"
#include "../../src/fs/jobs.h"

#include "check.h"
#include "storyclip/common/macros.h"

struct expected {
	const char *name;
	mode_t mode;
};

static const struct expected root_names[] = {
	{"README", S_IFREG | 0444},  {"control", S_IFREG | 0666}, {"health", S_IFREG | 0444},
	{"incoming", S_IFDIR | 0777}, {"jobs", S_IFDIR | 0777},   {"by-upload", S_IFDIR | 0755},
	{"by-status", S_IFDIR | 0755}, {"events", S_IFREG | 0444},
	{"metrics", S_IFREG | 0444}, {"jobs.json", S_IFREG | 0444},
	{"uploads.json", S_IFREG | 0444},
};
static const struct expected job_names[] = {
	{"status", S_IFREG | 0444},  {"progress", S_IFREG | 0444}, {"wait", S_IFREG | 0444},
	{"request", S_IFREG | 0444}, {"log", S_IFREG | 0444},      {"control", S_IFREG | 0644},
	{"source", S_IFLNK | 0777},  {"clips", S_IFDIR | 0755},
};

static void check_rows(struct fs *fs, const struct tree_row *rows, size_t n,
		       const struct expected *names, size_t n_names)
{
	struct row_dir dir;

	row_dir_init(fs, &dir, &tree_root_kind, 1, NULL, rows, n);
	CHECK_INT(n, n_names);
	for (size_t i = 0; i < n_names; i++) {
		const struct tree_row *row = row_find(&dir, names[i].name);

		CHECK(row != NULL);
		if (!row)
			continue;
		CHECK_INT(row->mode, names[i].mode);
		CHECK(row->get != NULL && row->kind != NULL);
		/* a text has a renderer, and only a text */
		CHECK_INT(row->kind == &textfile_kind, row->render_job || row->render_root);
	}
	CHECK(row_find(&dir, "") == NULL);
	CHECK(row_find(&dir, "statu") == NULL);
	CHECK(row_find(&dir, ".") == NULL);
	fs->tree.all = NULL;
}

static void test_numbers(struct fs *fs)
{
	static struct job_dir a, b;
	uint64_t inos[2 * TREE_ROWS_MAX];
	size_t n = 0;

	row_dir_init(fs, &a.dir, &job_dir_kind, 1, NULL, tree_job_rows, tree_job_rows_count);
	row_dir_init(fs, &b.dir, &job_dir_kind, 1, NULL, tree_job_rows, tree_job_rows_count);
	a.dir.job = &a;
	b.dir.job = &b;
	strcpy(a.id, "a");
	strcpy(b.id, "b");
	for (size_t i = 0; i < tree_job_rows_count; i++) {
		inos[n++] = row_ino(&a.dir, &tree_job_rows[i]);
		inos[n++] = row_ino(&b.dir, &tree_job_rows[i]);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			CHECK(inos[i] != inos[k]);
	fs->tree.all = NULL;
}

int main(void)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	REQUIRE(fs != NULL && tree_init(&fs->tree) == 0);
	check_rows(fs, tree_root_rows, tree_root_rows_count, root_names, SC_ARRAY_SIZE(root_names));
	check_rows(fs, tree_job_rows, tree_job_rows_count, job_names, SC_ARRAY_SIZE(job_names));
	test_numbers(fs);
	CHECK_STR(tree_status_row->name, "status");
	CHECK_STR(tree_clips_row->name, "clips");
	tree_finish(&fs->tree);
	free(fs);
	return check_result();
}
