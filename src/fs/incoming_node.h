/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the parts of incoming/: incoming.c (nodes), _names.c (changes of names), _file.c, _dir.c,
   _xattr.c. */
#pragma once

#include "incoming.h"

#include "as_caller.h"
#include "behind.h"
#include "node.h"
#include "passthrough.h"
#include "pollers.h"

struct inc_node {
	struct node node; /* node.parent: see name */
	/* constant */
	int fd; /* O_PATH */
	dev_t dev;
	ino_t ino; /* as in the backing file system */
	mode_t type;
	/* protected by fs.tree: under which name it was last seen, in node.parent; of several links
	   the last one looked up. NULL: none is known any more. */
	char *name;
	struct inc_node *kept_next, **kept_back; /* back NULL: not in the list */
	struct backing backing; /* of a regular file */
	atomic_llong read_ctime; /* in ns, when it was last opened to be read through the kernel's cache */
	struct behind_node behind;
};

struct inc_sidecar;

/** An open regular file. */
struct inc_file {
	struct poller poller;
	int fd;
	bool is_writable;
	atomic_bool is_append; /* whether each write through fd goes to the end */
	struct inc_node *node; /* a reference */
	struct inc_sidecar *sidecar; /* owned; NULL: it is none, or not writable */
	/* protected by fs.tree: incoming.writers */
	struct inc_file *next;
	struct inc_file **back;
};

static inline struct inc_node *inc_of(struct node *node)
{
	return (struct inc_node *)node;
}
static inline struct inc_file *inc_file_of(const struct fuse_file_info *fi)
{
	return (struct inc_file *)(uintptr_t)fi->fh;
}

/** A path that opens what the node is, whatever its name is by now. */
struct inc_proc_path {
	char path[32];
};
struct inc_proc_path inc_proc_path(int fd);

/** Whether its file system changes unheard, as a remote one, or is another one than that of incoming/: what
 *  is mounted below may be, and may be unmounted. The kernel keeps nothing of it; closes are asked. */
static inline bool inc_is_foreign(const struct incoming *incoming, const struct inc_node *node)
{
	return incoming->is_remote || node->dev != incoming->root->dev;
}
/** Whether this name in this directory is hidden (the hold directory). */
bool inc_is_hidden(struct fs *fs, const struct inc_node *dir, const char *name);
/** The node of a name, with a reference. @return 0, -ENOENT, … */
int inc_get(struct fs *fs, struct inc_node *dir, const char *name, struct inc_node **ret);
/** The node of an open file, found or made, with the name it was opened by. Same returns. */
int inc_get_opened(struct fs *fs, struct inc_node *dir, const char *name, int fd,
		   struct inc_node **ret);
/** Answer with the node of a name; takes over the caller's reference as the kernel's look-up. */
void inc_reply_named(struct fs *fs, fuse_req_t req, struct inc_node *dir, const char *name,
		     struct inc_node *node);
/** The path below incoming/ of a node, or of a name in a directory; to free. NULL: it has none. */
char *inc_path(struct fs *fs, struct inc_node *node);
char *inc_path_of_name(struct fs *fs, struct inc_node *dir, const char *name);
/** The inode st has a new name; or (dir NULL) lost the name it had in old_dir. */
void inc_renamed(struct fs *fs, const struct stat *st, struct inc_node *dir, const char *name);
void inc_name_gone(struct fs *fs, const struct stat *st, struct inc_node *old_dir,
		   const char *old_name);
/** Attributes as the mount shows them. */
int inc_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout);
/** Whether writing to it is refused now: 0 or -ETXTBSY. */
int inc_check_frozen(struct fs *fs, const struct inc_node *node);

/* How large a file may become (incoming_limit.c): 0 or -EFBIG. @param fd  the file's, any mode */
int inc_limit_size(const struct fs *fs, int fd, off_t size);
/** @param is_append  it goes to the end, wherever off lies */
int inc_limit_write(const struct fs *fs, int fd, off_t off, size_t len, bool is_append);
int inc_limit_fallocate(const struct fs *fs, int fd, int mode, off_t off, off_t len);
/** @param len  made smaller when the limit lies within */
int inc_limit_copy(const struct fs *fs, int fd, off_t off, size_t *len);

/** A regular file has been looked up: it is the last one to be given up (incoming_kept.c). */
void inc_keep(struct fs *fs, struct inc_node *node);
/** Give back a reference. What was passed over because of it can be given up from now on. */
void inc_unuse(struct fs *fs, struct inc_node *node);
void inc_unkeep_locked(struct fs *fs, struct inc_node *node);
/** Whether there are far fewer than may be: so many that nobody has to wait, or do without. */
bool inc_keep_has_room(struct fs *fs);
/** Answer a flush with 0, later when more files are kept than shall be. */
void inc_keep_reply_flush(struct fs *fs, fuse_req_t req);
/** How many files are kept, by what the process may open. */
void inc_keep_init(struct fs *fs);

/* Sidecars (incoming_sidecar.c). */

/** What is kept of an open writable file that is one by its path; NULL: it is none. */
struct inc_sidecar *inc_sidecar_opened(fuse_req_t req, const char *path, int fd);
/** Bytes are about to change. Accepts NULL. */
void inc_sidecar_written(struct inc_sidecar *sidecar);
/** It was opened elsewhere, by another name, for the kernel to write by itself: look whether it has. Accepts
 *  NULL. */
void inc_sidecar_look(struct inc_sidecar *sidecar, int fd);
/**
 * A descriptor of it is closed: answer the flush, now (with r) or when the request is carried out.
 * sidecar may be NULL.
 */
void inc_sidecar_flush(struct fs *fs, fuse_req_t req, struct inc_sidecar *sidecar, char *path,
		       int r);
/** It is released, the intake knows; frees. Accepts NULL. @param path  NULL: no name any more */
void inc_sidecar_closed(struct fs *fs, struct inc_sidecar *sidecar, const struct inc_node *node,
			const char *path);
/** 0, or why this caller may not give a file of this owner that name. */
int inc_sidecar_may_name(struct fs *fs, fuse_req_t req, const struct stat *st, const char *name);
/** It has that path now, if it is one's: carry it out and answer the request; else answer with 0. */
void inc_sidecar_named(struct fs *fs, fuse_req_t req, const struct stat *st, const char *path);
/** A new name that was not written through the mount: an empty file (mknod), a link. */
void inc_sidecar_made(struct fs *fs, fuse_req_t req, const char *path);

/* handlers */
void inc_create(struct fs *fs, fuse_req_t req, struct node *dir, const char *name, mode_t mode,
		struct fuse_file_info *fi);
void inc_mknod(struct fs *fs, fuse_req_t req, struct node *dir, const char *name, mode_t mode);
void inc_mkdir(struct fs *fs, fuse_req_t req, struct node *dir, const char *name, mode_t mode);
void inc_unlink(struct fs *fs, fuse_req_t req, struct node *dir, const char *name);
void inc_rmdir(struct fs *fs, fuse_req_t req, struct node *dir, const char *name);
void inc_rename(struct fs *fs, fuse_req_t req, struct node *dir, const char *name,
		struct node *new_dir, const char *new_name, unsigned int flags);
void inc_link(struct fs *fs, fuse_req_t req, struct node *node, struct node *new_dir,
	      const char *new_name);
void inc_open(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
void inc_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
	      struct fuse_file_info *fi);
void inc_write(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_bufvec *in, off_t off,
	       struct fuse_file_info *fi);
void inc_flush(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
void inc_release(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
void inc_fsync(struct fs *fs, fuse_req_t req, struct node *node, int is_datasync,
	       struct fuse_file_info *fi);
void inc_fallocate(struct fs *fs, fuse_req_t req, struct node *node, int mode, off_t off, off_t len,
		   struct fuse_file_info *fi);
void inc_lseek(struct fs *fs, fuse_req_t req, struct node *node, off_t off, int whence,
	       struct fuse_file_info *fi);
void inc_copy_range(struct fs *fs, fuse_req_t req, struct node *in, off_t off_in,
		    struct fuse_file_info *fi_in, struct node *out, off_t off_out,
		    struct fuse_file_info *fi_out, size_t len, int flags);
void inc_setxattr(struct fs *fs, fuse_req_t req, struct node *node, const char *name,
		  const char *value, size_t size, int flags);
void inc_getxattr(struct fs *fs, fuse_req_t req, struct node *node, const char *name, size_t size);
void inc_listxattr(struct fs *fs, fuse_req_t req, struct node *node, size_t size);
void inc_removexattr(struct fs *fs, fuse_req_t req, struct node *node, const char *name);
void inc_opendir(struct fs *fs, fuse_req_t req, struct node *dir, struct fuse_file_info *fi);
void inc_readdir(struct fs *fs, fuse_req_t req, struct node *dir, size_t size, off_t off,
		 struct fuse_file_info *fi, bool is_plus);
void inc_releasedir(struct fs *fs, fuse_req_t req, struct node *dir, struct fuse_file_info *fi);
void inc_fsyncdir(struct fs *fs, fuse_req_t req, struct node *dir, int is_datasync,
		  struct fuse_file_info *fi);
