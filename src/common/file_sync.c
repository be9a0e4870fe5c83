/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many files to the disk. One thread calls; helpers live no longer than the call. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "storyclip/common/file.h"
#include "storyclip/common/sync.h"

/* So many wait for the disk at a time: journals and disks answer many at once with one write. */
#define SYNCERS_MAX 8
#define PIECE_BYTES (8 * 1024 * 1024)

struct syncing {
	const int *fds;
	size_t n;
	atomic_size_t next;
	atomic_size_t n_done;
	atomic_int err; /* the first one's, negative */
};

/* @return whether there was another one */
static bool sync_next(struct syncing *s)
{
	size_t i = atomic_fetch_add(&s->next, 1);
	int none = 0;

	if (i >= s->n || atomic_load(&s->err))
		return false;
	if (fsync(s->fds[i]) < 0)
		atomic_compare_exchange_strong(&s->err, &none, -errno);
	atomic_fetch_add(&s->n_done, 1);
	return true;
}

static void *sync_all(void *arg)
{
	while (sync_next(arg))
		;
	return NULL;
}

int file_write_back(int fd, int64_t size, void (*worked)(void *context, uint64_t bytes),
		    void *context)
{
	for (int64_t at = 0; at < size; at += PIECE_BYTES) {
		int64_t len = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;

		if (sync_file_range(fd, at, len,
				    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					    SYNC_FILE_RANGE_WAIT_AFTER) < 0 &&
		    (errno == EIO || errno == ENOSPC || errno == EDQUOT))
			return -errno;
		if (worked)
			worked(context, (uint64_t)len);
	}
	return 0;
}

int file_sync_many(const int *fds, size_t n, void (*worked)(void *context, uint64_t files),
		   void *context)
{
	struct syncing s = {.fds = fds, .n = n};
	pthread_t syncers[SYNCERS_MAX - 1];
	size_t n_syncers = 0, n_told = 0;

	while (n_syncers < SYNCERS_MAX - 1 && n_syncers + 1 < n &&
	       thread_start(&syncers[n_syncers], "syncer", sync_all, &s) == 0)
		n_syncers++;
	while (sync_next(&s)) {
		size_t n_done = atomic_load(&s.n_done);

		if (worked && n_done > n_told)
			worked(context, n_done - n_told);
		n_told = n_done;
	}
	while (n_syncers)
		pthread_join(syncers[--n_syncers], NULL);
	if (worked && s.n_done > n_told)
		worked(context, s.n_done - n_told);
	return s.err;
}
