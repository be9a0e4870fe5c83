/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Look-up counts, references and the table of nodes. Any thread. */
#include "node.h"

#include <stdlib.h>
#include <string.h>

#include "fs_state.h"

int tree_init(struct tree *tree)
{
	tree->buckets = calloc(NODE_BUCKETS_MIN, sizeof(struct node *));
	if (!tree->buckets)
		return -ENOMEM;
	tree->n_buckets = NODE_BUCKETS_MIN;
	tree->n_nodes = 0;
	lock_init(&tree->lock);
	return 0;
}

void tree_finish(struct tree *tree)
{
	if (!tree->buckets)
		return;
	free(tree->buckets);
	tree->buckets = NULL;
	lock_finish(&tree->lock);
}

static uint64_t mix(uint64_t h, uint64_t value)
{
	h ^= value;
	h *= 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 29);
}

static uint64_t hash_string(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	return h;
}

static uint64_t hash_key(const struct node_key *key)
{
	uint64_t h = mix(mix(mix(1, (uintptr_t)key->owner), key->a), key->b);

	return key->name ? mix(hash_string(h, key->name), 1) : h;
}

static bool key_is_equal(const struct node_key *x, const struct node_key *y)
{
	if (x->owner != y->owner || x->a != y->a || x->b != y->b || !x->name != !y->name)
		return false;
	return !x->name || !strcmp(x->name, y->name);
}

static struct node **bucket_of(struct tree *tree, const struct node_key *key)
{
	return &tree->buckets[hash_key(key) & (tree->n_buckets - 1)];
}

/* More nodes than buckets: twice as many buckets. Without memory the chains just grow. */
static void tree_grow_locked(struct tree *tree)
{
	struct node **old = tree->buckets;
	size_t n_old = tree->n_buckets;
	struct node **buckets = calloc(n_old * 2, sizeof(struct node *));

	if (!buckets)
		return;
	tree->buckets = buckets;
	tree->n_buckets = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		while (old[i]) {
			struct node *node = old[i];
			struct node **bucket = bucket_of(tree, &node->key);

			old[i] = node->next;
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(old);
}

struct node *node_find_locked(struct tree *tree, const struct node_key *key)
{
	for (struct node *node = *bucket_of(tree, key); node; node = node->next)
		if (key_is_equal(&node->key, key))
			return node;
	return NULL;
}

void node_insert_locked(struct tree *tree, struct node *node, const struct node_key *key)
{
	struct node **bucket;

	if (tree->n_nodes >= tree->n_buckets)
		tree_grow_locked(tree);
	bucket = bucket_of(tree, key);
	node->key = *key;
	node->next = *bucket;
	node->is_hashed = true;
	*bucket = node;
	tree->n_nodes++;
}

void node_unhash_locked(struct tree *tree, struct node *node)
{
	if (!node->is_hashed)
		return;
	for (struct node **p = bucket_of(tree, &node->key); *p; p = &(*p)->next) {
		if (*p == node) {
			*p = node->next;
			break;
		}
	}
	node->next = NULL;
	node->is_hashed = false;
	tree->n_nodes--;
}

void node_init(struct fs *fs, struct node *node, const struct node_kind *kind, uint64_t ino,
	       struct node *parent)
{
	node->kind = kind;
	node->ino = ino;
	node->lookups = 0;
	node->refs = 1;
	node->is_hashed = false;
	node->next = NULL;
	node->parent = parent;
	lock_acquire(&fs->tree.lock);
	if (parent)
		parent->refs++;
	node->all_next = fs->tree.all;
	node->all_back = &fs->tree.all;
	if (node->all_next)
		node->all_next->all_back = &node->all_next;
	fs->tree.all = node;
	lock_release(&fs->tree.lock);
}

void node_ref(struct fs *fs, struct node *node)
{
	lock_acquire(&fs->tree.lock);
	node->refs++;
	lock_release(&fs->tree.lock);
}

struct node *node_find(struct fs *fs, const struct node_key *key)
{
	struct node *node;

	lock_acquire(&fs->tree.lock);
	node = node_find_locked(&fs->tree, key);
	if (node)
		node->refs++;
	lock_release(&fs->tree.lock);
	return node;
}

/* Give back lookups and references; the node dies with the last, and so may its parents. */
static void node_put(struct fs *fs, struct node *node, uint64_t lookups, unsigned int refs)
{
	while (node) {
		struct node *parent;

		lock_acquire(&fs->tree.lock);
		node->lookups -= lookups < node->lookups ? lookups : node->lookups;
		node->refs -= refs;
		if (node->lookups || node->refs) {
			lock_release(&fs->tree.lock);
			return;
		}
		node_unhash_locked(&fs->tree, node);
		*node->all_back = node->all_next;
		if (node->all_next)
			node->all_next->all_back = node->all_back;
		if (node->kind->detach)
			node->kind->detach(fs, node);
		parent = node->parent;
		lock_release(&fs->tree.lock);
		node->kind->destroy(fs, node);
		/* the dead node's reference of its parent */
		node = parent;
		lookups = 0;
		refs = 1;
	}
}

void node_unref(struct fs *fs, struct node *node)
{
	node_put(fs, node, 0, 1);
}

struct node *node_insert(struct fs *fs, struct node *fresh, const struct node_key *key)
{
	struct node *node;

	lock_acquire(&fs->tree.lock);
	node = node_find_locked(&fs->tree, key);
	if (node) {
		node->refs++; /* somebody else was faster */
	} else {
		node = fresh;
		node_insert_locked(&fs->tree, node, key);
	}
	lock_release(&fs->tree.lock);
	if (node != fresh)
		node_unref(fs, fresh);
	return node;
}

void node_forget(struct fs *fs, struct node *node, uint64_t n)
{
	node_put(fs, node, n, 0);
}

void tree_forget_all(struct fs *fs)
{
	struct node **known;
	size_t n = 0;

	lock_acquire(&fs->tree.lock);
	for (struct node *node = fs->tree.all; node; node = node->all_next)
		n += node->lookups != 0;
	known = calloc(n + 1, sizeof(struct node *));
	n = 0;
	for (struct node *node = fs->tree.all; known && node; node = node->all_next) {
		if (!node->lookups)
			continue;
		node->lookups = 0;
		node->refs++;
		known[n++] = node;
	}
	lock_release(&fs->tree.lock);
	for (size_t i = 0; i < n; i++)
		node_unref(fs, known[i]);
	free(known);
}

void node_ref_to_lookup(struct fs *fs, struct node *node)
{
	lock_acquire(&fs->tree.lock);
	node->lookups++;
	node->refs--;
	lock_release(&fs->tree.lock);
}

/* Bit 62 keeps it apart from the numbers of real files, and the sign bit stays clear. */
static uint64_t to_ino(uint64_t h)
{
	return (mix(h, 7) & 0x3fffffffffffffffull) | 0x4000000000000000ull;
}

uint64_t node_virtual_ino(const char *path)
{
	return to_ino(hash_string(0xcbf29ce484222325ull, path));
}

uint64_t node_virtual_ino_in(uint64_t dir_ino, const char *name)
{
	return to_ino(hash_string(mix(dir_ino, 0xcbf29ce484222325ull), name));
}
