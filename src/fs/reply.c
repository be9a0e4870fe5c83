/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries, attributes and listings, as the kernel wants them. Handler threads. */
#include "reply.h"

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
