/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes: found by each part of their key, counted, and gone with the last that knows them. */
#define FUSE_USE_VERSION 314
#include "../../src/fs/fs_state.h"

#include "check.h"

#define MANY 5000

static unsigned int destroyed, detached;

static void count_detached(struct fs *fs, struct node *node)
{
	detached++;
}

static void count_destroyed(struct fs *fs, struct node *node)
{
	destroyed++;
	free(node);
}

static const struct node_kind kind = {.detach = count_detached, .destroy = count_destroyed};

static struct node *make(struct fs *fs, struct node *parent)
{
	struct node *node = calloc(1, sizeof(*node));

	REQUIRE(node != NULL);
	node_init(fs, node, &kind, 1, parent);
	return node;
}

static struct fs *make_fs(void)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	REQUIRE(fs != NULL && tree_init(&fs->tree) == 0);
	destroyed = detached = 0;
	return fs;
}

static void free_fs(struct fs *fs)
{
	CHECK(fs->tree.all == NULL);
	CHECK_INT(fs->tree.n_nodes, 0);
	tree_finish(&fs->tree);
	free(fs);
}

static void test_counts(void)
{
	struct fs *fs = make_fs();
	struct node *parent = make(fs, NULL);
	struct node *child = make(fs, parent);

	node_ref(fs, child);
	node_ref_to_lookup(fs, child); /* 1 reference, 1 look-up */
	node_unref(fs, parent);        /* its child keeps it */
	CHECK_INT(destroyed, 0);
	node_unref(fs, child);
	CHECK_INT(destroyed, 0);
	node_forget(fs, child, 1); /* both go */
	CHECK_INT(destroyed, 2);
	CHECK_INT(detached, 2);
	free_fs(fs);
}

static void test_forget_in_parts(void)
{
	struct fs *fs = make_fs();
	struct node *node = make(fs, NULL);

	for (int i = 0; i < 5; i++) {
		node_ref(fs, node);
		node_ref_to_lookup(fs, node);
	}
	node_unref(fs, node);
	node_forget(fs, node, 2);
	CHECK_INT(destroyed, 0);
	node_forget(fs, node, 3);
	CHECK_INT(destroyed, 1);
	free_fs(fs);
}

static struct node *find(struct fs *fs, const void *owner, uint64_t a, uint64_t b, const char *name)
{
	struct node_key key = {.owner = owner, .a = a, .b = b, .name = name};
	struct node *node;

	lock_acquire(&fs->tree.lock);
	node = node_find_locked(&fs->tree, &key);
	lock_release(&fs->tree.lock);
	return node;
}

static void insert(struct fs *fs, struct node *node, const void *owner, uint64_t a, uint64_t b,
		   const char *name)
{
	struct node_key key = {.owner = owner, .a = a, .b = b, .name = name};

	lock_acquire(&fs->tree.lock);
	node_insert_locked(&fs->tree, node, &key);
	lock_release(&fs->tree.lock);
}

static void test_keys(void)
{
	struct fs *fs = make_fs();
	struct node *node = make(fs, NULL);

	insert(fs, node, fs, 1, 2, "name");
	CHECK(find(fs, fs, 1, 2, "name") == node);
	CHECK(find(fs, fs, 1, 2, "other") == NULL);
	CHECK(find(fs, fs, 1, 2, NULL) == NULL);
	CHECK(find(fs, fs, 1, 3, "name") == NULL);
	CHECK(find(fs, fs, 2, 1, "name") == NULL);
	CHECK(find(fs, NULL, 1, 2, "name") == NULL);
	/* taken out of reach it lives on, and another may have its key */
	lock_acquire(&fs->tree.lock);
	node_unhash_locked(&fs->tree, node);
	lock_release(&fs->tree.lock);
	CHECK(find(fs, fs, 1, 2, "name") == NULL);
	CHECK_INT(destroyed, 0);
	node_unref(fs, node);
	CHECK_INT(destroyed, 1);
	free_fs(fs);
}

static void test_many(void)
{
	struct fs *fs = make_fs();
	static struct node *nodes[MANY];
	int found = 0;

	for (int i = 0; i < MANY; i++) {
		nodes[i] = make(fs, NULL);
		insert(fs, nodes[i], fs, (uint64_t)i / 7, (uint64_t)i % 7, NULL);
	}
	CHECK(fs->tree.n_buckets >= MANY);
	for (int i = 0; i < MANY; i++)
		found += find(fs, fs, (uint64_t)i / 7, (uint64_t)i % 7, NULL) == nodes[i];
	CHECK_INT(found, MANY);
	/* The kernel goes without a word: every second node was known to it, the rest to us. */
	for (int i = 0; i < MANY; i += 2)
		node_ref_to_lookup(fs, nodes[i]);
	tree_forget_all(fs);
	CHECK_INT(destroyed, MANY / 2);
	for (int i = 1; i < MANY; i += 2)
		node_unref(fs, nodes[i]);
	CHECK_INT(destroyed, MANY);
	free_fs(fs);
}

static void test_numbers(void)
{
	uint64_t one = node_virtual_ino("jobs/a/status"), other = node_virtual_ino("jobs/b/status");

	CHECK(one != other);
	CHECK(one == node_virtual_ino("jobs/a/status"));
	/* apart from those of real files, and no negative number for whoever reads it as signed */
	CHECK_INT(one >> 62, 1);
	CHECK_INT(other >> 62, 1);
}

int main(void)
{
	test_counts();
	test_forget_in_parts();
	test_keys();
	test_many();
	test_numbers();
	return check_result();
}
