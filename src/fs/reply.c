/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries, attributes and listings, as the kernel wants them. Handler threads. */
#include "reply.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fs_state.h"

void attr_fill(struct stat *st, uint64_t ino, mode_t mode, uid_t uid, gid_t gid, int64_t mtime_ms)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = mode;
	st->st_nlink = 1;
	st->st_uid = uid;
	st->st_gid = gid;
	st->st_blksize = 4096;
	st->st_mtim.tv_sec = (time_t)(mtime_ms / 1000);
	st->st_mtim.tv_nsec = (long)(mtime_ms % 1000) * 1000000;
	st->st_atim = st->st_ctim = st->st_mtim;
}

int entry_fill(struct fs *fs, struct node *node, double entry_timeout,
	       struct fuse_entry_param *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->ino = node == &fs->root.node ? FUSE_ROOT_ID : (uintptr_t)node;
	entry->generation = 1;
	entry->entry_timeout = entry_timeout;
	return node->kind->getattr(fs, node, &entry->attr, &entry->attr_timeout);
}

void reply_node(struct fs *fs, fuse_req_t req, struct node *node, double entry_timeout)
{
	struct fuse_entry_param entry;
	int r = entry_fill(fs, node, entry_timeout, &entry);

	if (r < 0) {
		node_unref(fs, node);
		fuse_reply_err(req, -r);
		return;
	}
	node_ref_to_lookup(fs, node);
	if (fuse_reply_entry(req, &entry) == -ENOENT)
		node_forget(fs, node, 1); /* the asker is gone, the kernel has not taken it */
}

/* A listing comes in parts anyhow; a large buffer for each would only leave holes in the heap. */
#define LISTING_MAX_BYTES (32 * 1024)

int listing_init(struct listing *l, struct fs *fs, fuse_req_t req, size_t size, bool is_plus)
{
	if (size > LISTING_MAX_BYTES)
		size = LISTING_MAX_BYTES;
	*l = (struct listing){.fs = fs, .req = req, .is_plus = is_plus, .size = size};
	l->data = malloc(size ? size : 1);
	return l->data ? 0 : -ENOMEM;
}

static bool listing_put(struct listing *l, const char *name, const struct fuse_entry_param *entry,
			off_t next)
{
	size_t room = l->size - l->len;
	size_t need;

	if (l->is_plus)
		need = fuse_add_direntry_plus(l->req, l->data + l->len, room, name, entry, next);
	else
		need = fuse_add_direntry(l->req, l->data + l->len, room, name, &entry->attr, next);
	if (need > room) {
		l->is_full = true;
		return false;
	}
	l->len += need;
	return true;
}

bool listing_add(struct listing *l, const char *name, uint64_t ino, mode_t mode, off_t next)
{
	/* Nodeid 0: the kernel takes the name and the type, and looks it up when somebody asks. */
	struct fuse_entry_param entry = {.attr = {.st_ino = ino, .st_mode = mode}};

	return listing_put(l, name, &entry, next);
}

bool listing_add_node(struct listing *l, const char *name, struct node *node, double entry_timeout,
		      off_t next)
{
	struct fuse_entry_param entry;
	int r = entry_fill(l->fs, node, entry_timeout, &entry);
	bool fits;

	if (r < 0) { /* gone meanwhile: not listed */
		node_unref(l->fs, node);
		return true;
	}
	fits = listing_put(l, name, &entry, next);
	if (fits && l->is_plus)
		node_ref_to_lookup(l->fs, node);
	else
		node_unref(l->fs, node);
	return fits;
}

bool listing_add_dots(struct listing *l, struct node *dir, off_t off)
{
	const struct node *up = dir->parent ? dir->parent : dir;

	if (off < 1 && !listing_add(l, ".", dir->ino, S_IFDIR, 1))
		return false;
	return off >= 2 || listing_add(l, "..", up->ino, S_IFDIR, 2);
}

void listing_reply(struct listing *l)
{
	fuse_reply_buf(l->req, l->data, l->len);
	free(l->data);
	l->data = NULL;
}

/* A page of rows lies on the stack. */
#define PAGE_BYTES (32 * 1024)
/* The least that an entry takes, with a name of some length, in either kind of listing. */
#define ENTRY_BYTES 48
#define PLUS_BYTES  176

/* As many rows as there may be room for: those beyond it would be read in vain. */
static size_t rows_wanted(const struct listing *l, size_t max)
{
	size_t n = (l->size - l->len) / (l->is_plus ? PLUS_BYTES : ENTRY_BYTES) + 1;

	return n < max ? n : max;
}

void listing_pages(struct fs *fs, fuse_req_t req, struct node *dir, size_t size, off_t off,
		   bool is_plus, const struct paged_listing *paged)
{
	_Alignas(max_align_t) char rows[PAGE_BYTES];
	size_t wanted, max = sizeof(rows) / paged->row_size;
	int64_t after = off < 2 ? 0 : off - 2;
	struct listing l;
	int n;
	int r = listing_init(&l, fs, req, size, is_plus);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	if (off < 2)
		listing_add_dots(&l, dir, off);
	do {
		wanted = rows_wanted(&l, max);
		n = paged->page(&l, dir, after, rows, wanted);
		if (n > 0 && paged->add(&l, dir, rows, (size_t)n) == (size_t)n)
			after = paged->cookie(rows + (size_t)(n - 1) * paged->row_size);
		for (int i = 0; i < n && paged->finish; i++)
			paged->finish(rows + (size_t)i * paged->row_size);
	} while (!l.is_full && n == (int)wanted);
	if (n < 0 && !l.len) {
		free(l.data);
		fuse_reply_err(req, -n);
		return;
	}
	listing_reply(&l);
}
