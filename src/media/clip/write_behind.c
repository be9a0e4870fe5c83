/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded queue of writes and its thread: see write_behind.h. The worker's thread and `writer`. */
#include "write_behind.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "storyclip/common/file.h"
#include "storyclip/common/sync.h"

#define PIECES_MAX 512
#define BYTES_MAX  (4u << 20)
/* Waking a thread costs more than writing a small packet does. */
#define PIECES_WAKE 128
#define BYTES_WAKE  (512u << 10)
#define RUN_MAX     64

struct piece {
	AVBufferRef *buffer; /* owned */
	const uint8_t *data;
	size_t len;
	int64_t offset;
	int fd;
};

struct batch {
	struct piece pieces[PIECES_MAX];
	size_t n;
	size_t bytes;
};

struct write_behind {
	pthread_t thread;
	bool has_thread;
	struct lock lock;
	struct cond wanted; /* there is something to do */
	struct cond done;   /* something was done */
	/* protected by lock */
	struct batch waiting;
	bool is_hurried; /* somebody waits for the end */
	bool is_writing;
	bool is_stopping;
	int err; /* the first one's, negative */
	/* the writing thread's */
	struct batch taken;
};

/* Pieces that follow each other in one file go with one call. */
static size_t run_of(const struct batch *batch, size_t first, struct iovec iov[RUN_MAX])
{
	const struct piece *p = &batch->pieces[first];
	int64_t end = p->offset;
	size_t n = 0;

	for (; first + n < batch->n && n < RUN_MAX && p[n].fd == p->fd && p[n].offset == end; n++) {
		iov[n] = (struct iovec){(void *)(uintptr_t)p[n].data, p[n].len};
		end += (int64_t)p[n].len;
	}
	return n;
}

static int write_run(const struct piece *pieces, size_t n, const struct iovec *iov)
{
	ssize_t written = n > 1 ? pwritev(pieces->fd, iov, (int)n, pieces->offset) : 0;
	size_t passed = written > 0 ? (size_t)written : 0;

	/* What one call has left, for whatever reason, and is there to be told. */
	for (size_t i = 0; i < n; i++) {
		size_t skip = passed < pieces[i].len ? passed : pieces[i].len;
		int r = file_pwrite_all(pieces[i].fd, pieces[i].data + skip, pieces[i].len - skip,
					pieces[i].offset + (int64_t)skip);

		if (r < 0)
			return r;
		passed -= skip;
	}
	return 0;
}

/* @param err  of what was before: then nothing more is written */
static int write_batch(struct batch *batch, int err)
{
	struct iovec iov[RUN_MAX];

	for (size_t i = 0, n; i < batch->n && !err; i += n) {
		n = run_of(batch, i, iov);
		err = write_run(&batch->pieces[i], n, iov);
	}
	for (size_t i = 0; i < batch->n; i++)
		av_buffer_unref(&batch->pieces[i].buffer);
	batch->n = batch->bytes = 0;
	return err;
}

static bool is_due_locked(const struct write_behind *w)
{
	return w->waiting.n && (w->is_hurried || w->is_stopping || w->waiting.n >= PIECES_WAKE ||
				w->waiting.bytes >= BYTES_WAKE);
}

static void take_locked(struct write_behind *w)
{
	memcpy(w->taken.pieces, w->waiting.pieces, w->waiting.n * sizeof(w->taken.pieces[0]));
	w->taken.n = w->waiting.n;
	w->taken.bytes = w->waiting.bytes;
	w->waiting.n = w->waiting.bytes = 0;
}

static void *writer_run(void *arg)
{
	struct write_behind *w = arg;

	lock_acquire(&w->lock);
	for (;;) {
		int err;

		while (!is_due_locked(w) && !w->is_stopping)
			cond_wait(&w->wanted, &w->lock);
		if (!w->waiting.n)
			break;
		take_locked(w);
		err = w->err;
		w->is_writing = true;
		lock_release(&w->lock);
		err = write_batch(&w->taken, err);
		lock_acquire(&w->lock);
		w->err = err;
		w->is_writing = false;
		cond_signal(&w->done);
	}
	lock_release(&w->lock);
	return NULL;
}

int write_behind_start(struct write_behind **ret)
{
	struct write_behind *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	lock_init(&w->lock);
	cond_init(&w->wanted);
	cond_init(&w->done);
	w->has_thread = thread_start(&w->thread, "writer", writer_run, w) == 0;
	*ret = w;
	return 0;
}

int write_behind_put(struct write_behind *w, int fd, int64_t offset, const AVPacket *packet)
{
	struct piece piece = {NULL, packet->data, (size_t)packet->size, offset, fd};

	if (!w->has_thread || !packet->buf) {
		int r = write_behind_wait(w);

		if (r == 0)
			r = file_pwrite_all(fd, piece.data, piece.len, offset);
		lock_acquire(&w->lock);
		w->err = r;
		lock_release(&w->lock);
		return 0;
	}
	piece.buffer = av_buffer_ref(packet->buf);
	if (!piece.buffer)
		return -ENOMEM;
	lock_acquire(&w->lock);
	while (w->waiting.n == PIECES_MAX || w->waiting.bytes >= BYTES_MAX)
		cond_wait(&w->done, &w->lock);
	w->waiting.pieces[w->waiting.n++] = piece;
	w->waiting.bytes += piece.len;
	if (is_due_locked(w) && !w->is_writing)
		cond_signal(&w->wanted);
	lock_release(&w->lock);
	return 0;
}

int write_behind_wait(struct write_behind *w)
{
	int err;

	lock_acquire(&w->lock);
	w->is_hurried = true;
	cond_signal(&w->wanted);
	while (w->waiting.n || w->is_writing)
		cond_wait(&w->done, &w->lock);
	w->is_hurried = false;
	err = w->err;
	lock_release(&w->lock);
	return err;
}

void write_behind_stop(struct write_behind *w)
{
	if (!w)
		return;
	if (w->has_thread) {
		lock_acquire(&w->lock);
		w->is_stopping = true;
		cond_signal(&w->wanted);
		lock_release(&w->lock);
		pthread_join(w->thread, NULL);
	}
	cond_finish(&w->done);
	cond_finish(&w->wanted);
	lock_finish(&w->lock);
	free(w);
}
