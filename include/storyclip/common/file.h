/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that appear whole, directories that stay confined, and loops around short writes.
 * Everything returns 0 or a negative errno. Any thread; all of it may block on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/**
 * Open one path beneath a directory: no "..", absolute path, symlink or magic link leads out
 * (openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS).
 * @param flags  as of open(2); O_CLOEXEC is added
 */
int file_open_beneath(int dir_fd, const char *path, int flags, mode_t mode, int *ret_fd);

/** Write all bytes; short writes and EINTR are continued. */
int file_write_all(int fd, const void *data, size_t len);
/** The same at a position, the file offset stays. */
int file_pwrite_all(int fd, const void *data, size_t len, int64_t offset);
/**
 * Take the blocks of a new file that is about to be filled, all of it, where writing is quicker with
 * them taken: on ext4, which otherwise reserves them page by page (0.21 ms for each MB instead of 0.28). Elsewhere nothing is done.
 * The file then has that size.
 * @return 0, or a negative errno of fallocate(2), -ENOSPC as a rule
 */
int file_take_blocks(int fd, int64_t size);
/** Whether a file lies on ext4, where copying by large reads and writes is quicker than the kernel's own. */
bool file_is_on_ext4(int fd);
/** Read until len bytes or the end. @return bytes read or a negative errno */
ssize_t file_read_full(int fd, void *data, size_t len);
ssize_t file_pread_full(int fd, void *data, size_t len, int64_t offset);
/** Read a whole small file. @param max  -EFBIG beyond; *ret is NUL-terminated and freed by free() */
int file_read_text(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len);

/**
 * Make the text appear under a name at once: temporary name in the same directory, write, fsync,
 * rename, fsync of the directory. An existing file is replaced.
 */
int file_write_atomic(int dir_fd, const char *name, const void *data, size_t len, mode_t mode);

/** fsync a directory, so that its names survive a power cut. */
int file_sync_dir(int dir_fd);
/**
 * Have a file's pages written to the disk, piece by piece, so that the fsync that counts finds
 * little left to do and somebody sees the work move. File systems that cannot do all in fsync.
 * @param worked  told of each piece; may be NULL
 * @return 0 or an error of the disk: -EIO, -ENOSPC, -EDQUOT
 */
int file_write_back(int fd, int64_t size, void (*worked)(void *context, uint64_t bytes),
		    void *context);
/**
 * fsync many files, several at a time, by helper threads that are gone when it returns.
 * @param worked  called on this thread with how many more are done; may be NULL
 * @return 0 or the negative errno of one that failed; then others may not have been tried
 */
int file_sync_many(const int *fds, size_t n, void (*worked)(void *context, uint64_t files),
		   void *context);
/**
 * mkdir and its missing parents; an existing directory is well and keeps its mode. The names of those
 * that were made are on disk when it returns.
 */
int file_make_dirs(const char *path, mode_t mode);

/**
 * Remove a name and, when it is a directory, all beneath it, never following a symlink and never
 * leaving the file system of dir_fd. A missing name is well.
 */
int file_remove_tree(int dir_fd, const char *name);

/** Bytes free for an unprivileged writer, or a negative errno. */
int64_t file_free_bytes(int fd);

/**
 * Whether anybody has the file open for writing, as far as that can be known (not of another user's
 * file without privilege: false).
 * @param fd  opened O_RDONLY
 * A process that uses it ignores SIGIO: an open of the file in between would send one.
 */
bool file_has_writer(int fd);
