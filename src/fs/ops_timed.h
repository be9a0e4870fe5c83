/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of operations with a clock before and after each: how many requests of each kind there
 * were, and how long its handler kept its thread. A request that is answered later (a parked read,
 * a write to `control`) counts with what its handler took, not with what it waited.
 */
#pragma once

#include <fuse_lowlevel.h>

#include "storyclip/common/histogram.h"

/** Every operation that can be timed: all of libfuse's that we have or may get. */
#define OPS_TIMED(X)                                                                               \
	X(lookup, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))      \
	X(forget, (fuse_req_t req, fuse_ino_t ino, uint64_t n), (req, ino, n))                     \
	X(forget_multi, (fuse_req_t req, size_t n, struct fuse_forget_data *all), (req, n, all))   \
	X(getattr, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))    \
	X(setattr,                                                                                 \
	  (fuse_req_t req, fuse_ino_t ino, struct stat *st, int set, struct fuse_file_info *fi),   \
	  (req, ino, st, set, fi))                                                                 \
	X(readlink, (fuse_req_t req, fuse_ino_t ino), (req, ino))                                  \
	X(mknod, (fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t dev),       \
	  (req, dir, name, mode, dev))                                                             \
	X(mkdir, (fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode),                  \
	  (req, dir, name, mode))                                                                  \
	X(unlink, (fuse_req_t req, fuse_ino_t dir, const char *name), (req, dir, name))            \
	X(rmdir, (fuse_req_t req, fuse_ino_t dir, const char *name), (req, dir, name))             \
	X(symlink, (fuse_req_t req, const char *to, fuse_ino_t dir, const char *name),             \
	  (req, to, dir, name))                                                                    \
	X(rename,                                                                                  \
	  (fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to, const char *to_name,   \
	   unsigned int flags),                                                                    \
	  (req, dir, name, to, to_name, flags))                                                    \
	X(link, (fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name),                \
	  (req, ino, dir, name))                                                                   \
	X(open, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))       \
	X(read,                                                                                    \
	  (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),     \
	  (req, ino, size, off, fi))                                                               \
	X(write_buf,                                                                               \
	  (fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t off,                      \
	   struct fuse_file_info *fi),                                                             \
	  (req, ino, in, off, fi))                                                                 \
	X(flush, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))      \
	X(release, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))    \
	X(fsync, (fuse_req_t req, fuse_ino_t ino, int data, struct fuse_file_info *fi),            \
	  (req, ino, data, fi))                                                                    \
	X(opendir, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))    \
	X(readdir,                                                                                 \
	  (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),     \
	  (req, ino, size, off, fi))                                                               \
	X(readdirplus,                                                                             \
	  (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),     \
	  (req, ino, size, off, fi))                                                               \
	X(releasedir, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi)) \
	X(fsyncdir, (fuse_req_t req, fuse_ino_t ino, int data, struct fuse_file_info *fi),         \
	  (req, ino, data, fi))                                                                    \
	X(statfs, (fuse_req_t req, fuse_ino_t ino), (req, ino))                                    \
	X(create,                                                                                  \
	  (fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,                          \
	   struct fuse_file_info *fi),                                                             \
	  (req, dir, name, mode, fi))                                                              \
	X(poll,                                                                                    \
	  (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph), \
	  (req, ino, fi, ph))                                                                      \
	X(fallocate,                                                                               \
	  (fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,                         \
	   struct fuse_file_info *fi),                                                             \
	  (req, ino, mode, off, len, fi))                                                          \
	X(lseek,                                                                                   \
	  (fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi),      \
	  (req, ino, off, whence, fi))                                                             \
	X(copy_file_range,                                                                         \
	  (fuse_req_t req, fuse_ino_t in, off_t off_in, struct fuse_file_info *fi_in,              \
	   fuse_ino_t out, off_t off_out, struct fuse_file_info *fi_out, size_t len, int flags),   \
	  (req, in, off_in, fi_in, out, off_out, fi_out, len, flags))                              \
	X(setxattr,                                                                                \
	  (fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,       \
	   int flags),                                                                             \
	  (req, ino, name, value, size, flags))                                                    \
	X(getxattr, (fuse_req_t req, fuse_ino_t ino, const char *name, size_t size),               \
	  (req, ino, name, size))                                                                  \
	X(listxattr, (fuse_req_t req, fuse_ino_t ino, size_t size), (req, ino, size))              \
	X(removexattr, (fuse_req_t req, fuse_ino_t ino, const char *name), (req, ino, name))

enum timed_op {
#define X(op, params, args) TIMED_##op,
	OPS_TIMED(X)
#undef X
	TIMED_OPS
};

struct fs_metrics {
	struct histogram requests[TIMED_OPS]; /* histogram_request_us */
};

/** ops_table, each operation that it has timed. */
void ops_timed(struct fuse_lowlevel_ops *ret);
/** "lookup", … Static. */
const char *ops_timed_name(enum timed_op op);
