/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file with holes, filled by a scan of packets. Entered by the media thread. */
#include "prove_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "../clip/spool.h"
#include "../index/packets.h"
#include "../mp4/writer.h"
#include "storyclip/common/file.h"

struct prove_store {
	struct media_source *source;     /* borrowed */
	struct packet_reader *reader;    /* owned; NULL before the first packet is asked for */
	struct spool spool;
	int64_t offset; /* as the index counts: where the scan is */
	int64_t low;    /* what lies before it is not there */
};

int prove_store_open(struct media_source *source, int dir_fd, struct error *e,
		     struct prove_store **ret)
{
	auto_of(prove_store) struct prove_store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return error_from_errno(e, -ENOMEM, "preparing the clips");
	store->source = source;
	store->spool.fd = -1;
	r = spool_open(&store->spool, dir_fd);
	if (r < 0)
		return error_from_errno(e, r, "opening the spool");
	*ret = take_ptr(store);
	return 0;
}

void prove_store_close(struct prove_store *store)
{
	if (!store)
		return;
	packet_reader_close(store->reader);
	spool_close(&store->spool);
	free(store);
}

int prove_store_fd(const struct prove_store *store)
{
	return store->spool.fd;
}

/* Forget what is not needed any more; a file system without holes keeps it. */
static void forget_before(struct prove_store *store, int64_t low)
{
	int64_t whole = low / MP4_BLOCK * MP4_BLOCK;

	store->low = low;
	if (whole > 0)
		(void)fallocate(store->spool.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, whole);
}

static int begin_scan(struct prove_store *store, struct error *e)
{
	packet_reader_close(take_ptr(store->reader));
	store->offset = 0;
	return packet_reader_open(store->source->fd, store->source->listener, e, &store->reader);
}

int prove_store_fill(struct prove_store *store, size_t low, size_t end, struct error *e)
{
	const struct index_track *t = index_video(store->source->index);
	int64_t from = t->samples[low].offset, to;
	size_t number = 0;
	int r = 0;

	to = t->samples[end - 1].offset + t->samples[end - 1].size;
	if (!store->reader || from < store->low)
		r = begin_scan(store, e);
	if (r < 0)
		return r;
	forget_before(store, from);
	while (store->offset < to) {
		const AVPacket *packet;

		r = packet_reader_next(store->reader, &number, e);
		if (r < 0)
			return r;
		if (r == 0)
			return error_set(e, SC_UPLOAD_CHANGED,
					 "the upload ended earlier while it was cut than when it was "
					 "read");
		packet = store->reader->packet;
		if (store->reader->streams[number]->index == (int)t->number &&
		    store->offset >= from && packet->size > 0) {
			r = file_pwrite_all(store->spool.fd, packet->data, (size_t)packet->size,
					    store->offset);
			if (r < 0)
				return error_from_errno(e, r, "writing the spool");
		}
		store->offset += packet_step(packet);
	}
	return 0;
}
