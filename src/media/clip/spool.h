/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file for what is made anew for a clip, until it is put into it. Private to src/media. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct spool {
	int fd;
	int64_t size;
};

/** A file in the directory that has no name, so that nothing is left over however we end. */
int spool_open(struct spool *spool, int dir_fd);
/** Forget what was written; the file stays open for the next clip. */
int spool_reset(struct spool *spool);
/** Also of one whose fd is -1. */
void spool_close(struct spool *spool);
/** Zeros up to the next multiple of `block` bytes. */
int spool_fill(struct spool *spool, int64_t block);
/** Put bytes behind what is there. */
int spool_write(struct spool *spool, const void *data, size_t len);
