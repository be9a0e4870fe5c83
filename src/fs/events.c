/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stream of changes: see events.h. Handler threads read; the notify thread writes. */
#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "fs_state.h"
#include "reply.h"
#include "storyclip/common/buf.h"
#include "storyclip/view.h"

/** One open `events`. */
struct events_file {
	struct poller poller;
	/* protected by fs.parked */
	uint64_t at;      /* its place in the ring */
	uint64_t seq;     /* the last change that it has, or that came before its open */
	struct buf begun; /* what is left of a line that did not fit into a read */
};

/** Before each line in the ring. */
struct line_head {
	uint64_t seq;
	size_t len;
};

static struct events_file *events_file_of(const struct fuse_file_info *fi)
{
	return (struct events_file *)(uintptr_t)fi->fh;
}

/* ---- the ring ---- */

static void ring_copy_in(struct events *events, uint64_t at, const void *data, size_t len)
{
	size_t from = at % EVENTS_RING_BYTES;
	size_t first = EVENTS_RING_BYTES - from < len ? EVENTS_RING_BYTES - from : len;

	memcpy(events->ring + from, data, first);
	memcpy(events->ring, (const char *)data + first, len - first);
}

static void ring_copy_out(const struct events *events, uint64_t at, void *data, size_t len)
{
	size_t from = at % EVENTS_RING_BYTES;
	size_t first = EVENTS_RING_BYTES - from < len ? EVENTS_RING_BYTES - from : len;

	memcpy(data, events->ring + from, first);
	memcpy((char *)data + first, events->ring, len - first);
}

static void ring_add_to(const struct events *events, uint64_t at, size_t len, struct buf *out)
{
	size_t from = at % EVENTS_RING_BYTES;
	size_t first = EVENTS_RING_BYTES - from < len ? EVENTS_RING_BYTES - from : len;

	buf_add(out, events->ring + from, first);
	buf_add(out, events->ring, len - first);
}

/* A new line, in the place of the oldest ones. */
static void ring_push_locked(struct events *events, uint64_t seq, const char *text, size_t len)
{
	struct line_head head = {.seq = seq, .len = len};
	struct line_head old;

	if (!events->ring || sizeof(head) + len > EVENTS_RING_BYTES)
		return; /* its number is missing */
	while (events->end + sizeof(head) + len - events->begin > EVENTS_RING_BYTES) {
		ring_copy_out(events, events->begin, &old, sizeof(old));
		events->begin += sizeof(old) + old.len;
	}
	ring_copy_in(events, events->end, &head, sizeof(head));
	ring_copy_in(events, events->end + sizeof(head), text, len);
	events->end += sizeof(head) + len;
}

/* ---- what a reader gets ---- */

/* Add what is next for this file: one line, or two when something is missing before it.
 * @return false when there is nothing */
static bool next_line_locked(struct events *events, struct events_file *file, struct buf *out)
{
	struct line_head head;

	if (file->at < events->begin)
		file->at = events->begin;
	while (file->at < events->end) {
		uint64_t text = file->at + sizeof(head);

		ring_copy_out(events, file->at, &head, sizeof(head));
		file->at = text + head.len;
		if (head.seq <= file->seq)
			continue; /* from before its open */
		if (head.seq > file->seq + 1)
			view_event_lost(head.seq - 1, head.seq - 1 - file->seq, out);
		file->seq = head.seq;
		ring_add_to(events, text, head.len, out);
		return true;
	}
	return false;
}

/*
 * Whole lines, as many as fit into size bytes; of one that is longer, its beginning.
 * @return 1 (*out has it), 0 (nothing yet), -ENOMEM
 */
static int collect_locked(struct events *events, struct events_file *file, size_t size,
			  struct buf *out)
{
	*out = file->begun;
	file->begun = BUF_EMPTY;
	while (out->len < size) {
		size_t whole = out->len;

		if (!next_line_locked(events, file, out))
			break;
		if (buf_error(out) < 0)
			return -ENOMEM; /* as good as lost: the numbers show it */
		if (whole && out->len > size) {
			/* This line begins the next read. */
			buf_add(&file->begun, out->data + whole, out->len - whole);
			out->len = whole;
			break;
		}
	}
	if (out->len > size) {
		buf_add(&file->begun, out->data + size, out->len - size);
		out->len = size;
	}
	if (buf_error(&file->begun) < 0) {
		buf_finish(&file->begun);
		return -ENOMEM;
	}
	return out->len > 0;
}

/* Whether a read would find something. */
static bool has_line_locked(const struct events *events, const struct events_file *file)
{
	uint64_t at = file->at < events->begin ? events->begin : file->at;
	struct line_head head;

	if (file->begun.len)
		return true;
	for (; at < events->end; at += sizeof(head) + head.len) {
		ring_copy_out(events, at, &head, sizeof(head));
		if (head.seq > file->seq)
			return true;
	}
	return false;
}

/* The reader has gone before it got it: it is still to be read by who shares the open file. */
static void give_back(struct fs *fs, struct events_file *file, struct buf *text)
{
	lock_acquire(&fs->parked.lock);
	buf_add(text, file->begun.data ? file->begun.data : "", file->begun.len);
	if (buf_error(text) == 0) {
		buf_finish(&file->begun);
		file->begun = *text;
		*text = BUF_EMPTY;
	}
	lock_release(&fs->parked.lock);
}

static void reply_text(struct fs *fs, fuse_req_t req, struct events_file *file, struct buf *text)
{
	if (fuse_reply_buf(req, text->data, text->len) == -ENOENT)
		give_back(fs, file, text);
}

/* ---- writing: the notify thread ---- */

static void wake_one(struct fs *fs, struct parked_read *read, int r, struct buf *text)
{
	struct events_file *file = read->file;
	fuse_req_t req = parked_take_back(read);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_text(fs, req, file, text);
}

/* Answer each parked read; one that comes back meanwhile has what is there already. */
static void wake_readers(struct fs *fs)
{
	struct parked_list taken = {0};

	lock_acquire(&fs->parked.lock);
	taken = fs->parked.events;
	if (taken.first)
		taken.first->back = &taken.first;
	fs->parked.events.first = NULL;
	lock_release(&fs->parked.lock);
	for (;;) {
		auto_buf struct buf text = BUF_EMPTY;
		struct parked_read *read;
		int r = 0;

		lock_acquire(&fs->parked.lock);
		read = taken.first;
		if (read) {
			parked_remove_locked(read);
			r = collect_locked(&fs->events, read->file, read->size, &text);
			if (r == 0 && fs->parked.is_stopping)
				r = -ENOTCONN;
			else if (r == 0) /* nothing that came after its open */
				parked_add_locked(&fs->parked.events, read);
		}
		lock_release(&fs->parked.lock);
		if (!read)
			return;
		if (r != 0)
			wake_one(fs, read, r, &text);
	}
}

static void publish(struct fs *fs, struct job_change *changes)
{
	auto_buf struct buf line = BUF_EMPTY;

	for (const struct job_change *change = changes; change; change = change->next) {
		buf_reset(&line);
		view_event(change, &line);
		if (buf_error(&line) < 0)
			continue; /* its number is missing */
		lock_acquire(&fs->parked.lock);
		ring_push_locked(&fs->events, change->seq, line.data, line.len);
		lock_release(&fs->parked.lock);
	}
}

static void enqueue(struct fs *fs);

static void run(struct fs *fs, struct notify_item *item)
{
	struct job_change *changes;
	uint64_t upto;

	lock_acquire(&fs->notify.lock);
	fs->events.is_queued = false;
	upto = fs->events.upto;
	lock_release(&fs->notify.lock);
	changes = engine_feed_take(fs->engine, upto);
	if (changes) {
		publish(fs, changes);
		job_changes_free(changes);
		wake_readers(fs);
		events_wake_pollers(fs);
	}
	/* What has come meanwhile was queued in front of this, so the kernel will know of it. */
	enqueue(fs);
}

static void enqueue(struct fs *fs)
{
	uint64_t upto = engine_feed_ready(fs->engine);
	bool is_queued;

	if (!upto)
		return;
	lock_acquire(&fs->notify.lock);
	is_queued = fs->events.is_queued;
	if (!is_queued) {
		fs->events.is_queued = true;
		fs->events.upto = upto;
		fs->events.item.run = run;
		notify_then_locked(&fs->notify, &fs->events.item);
	}
	lock_release(&fs->notify.lock);
}

void events_grew(void *context)
{
	/* Each change up to here is in the queue as a job's item (jobs_changed), or the kernel
	   knows nothing of the job: so the line comes behind the notification. */
	enqueue(context);
}

void events_wake_pollers(struct fs *fs)
{
	poll_wake(fs, &fs->events.pollers, NULL, NULL);
}

/* ---- handlers ---- */

static int events_getattr(struct fs *fs, struct node *node, struct stat *st, double *timeout)
{
	attr_fill(st, node->ino, row_of(node)->mode, fs->uid, fs->gid, fs->since);
	*timeout = TIMEOUT_STABLE;
	return 0;
}

static void file_destroy(struct fs *fs, struct poller *poller)
{
	struct events_file *file = (struct events_file *)(void *)poller;
	auto_free char *ring = NULL;

	poller_finish(fs, poller);
	engine_feed_close(fs->engine);
	lock_acquire(&fs->parked.lock);
	if (!--fs->events.n_open) {
		ring = take_ptr(fs->events.ring);
		fs->events.begin = fs->events.end;
	}
	lock_release(&fs->parked.lock);
	buf_finish(&file->begun);
	free(file);
}

static int file_create(struct fs *fs, struct events_file **ret)
{
	struct events_file *file = calloc(1, sizeof(*file));
	auto_free char *ring = malloc(EVENTS_RING_BYTES);

	if (!file || !ring) {
		free(file);
		return -ENOMEM;
	}
	poller_init(fs, &file->poller, file_destroy);
	lock_acquire(&fs->parked.lock);
	if (!fs->events.n_open++)
		fs->events.ring = take_ptr(ring);
	/* First the place, then the number: what lies between is told by the number. */
	file->at = fs->events.end;
	file->seq = engine_feed_open(fs->engine);
	lock_release(&fs->parked.lock);
	*ret = file;
	return 0;
}

static void events_open(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct events_file *file;
	int r;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EACCES);
		return;
	}
	r = file_create(fs, &file);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fi->fh = (uintptr_t)file;
	fi->direct_io = 1;
	fi->nonseekable = 1;
	fi->noflush = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		file_destroy(fs, &file->poller);
}

static void events_read(struct fs *fs, fuse_req_t req, struct node *node, size_t size, off_t off,
			struct fuse_file_info *fi)
{
	struct events_file *file = events_file_of(fi);
	struct parked_read *read = parked_create(req, file, size, off);
	auto_buf struct buf text = BUF_EMPTY;
	int r;

	if (!read) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	lock_acquire(&fs->parked.lock);
	r = size ? collect_locked(&fs->events, file, size, &text) : 1;
	if (r == 0 && fs->parked.is_stopping)
		r = -ENOTCONN;
	if (r == 0 && fi->flags & O_NONBLOCK)
		r = -EAGAIN;
	if (r == 0)
		r = parked_add_locked(&fs->parked.events, read);
	lock_release(&fs->parked.lock);
	if (r != 0)
		wake_one(fs, read, r, &text);
}

static void events_poll(struct fs *fs, fuse_req_t req, struct node *node, struct fuse_file_info *fi,
			struct fuse_pollhandle *handle)
{
	struct events_file *file = events_file_of(fi);
	unsigned int events = 0;

	poll_keep(fs, &fs->events.pollers, &file->poller, handle);
	lock_acquire(&fs->parked.lock);
	if (has_line_locked(&fs->events, file))
		events |= POLL_READABLE;
	if (fs->parked.is_stopping)
		events |= POLL_READABLE | POLLHUP;
	lock_release(&fs->parked.lock);
	fuse_reply_poll(req, events);
}

static void events_release(struct fs *fs, fuse_req_t req, struct node *node,
			   struct fuse_file_info *fi)
{
	file_destroy(fs, &events_file_of(fi)->poller);
	fuse_reply_err(req, 0);
}

const struct node_kind events_kind = {
	.getattr = events_getattr,
	.open = events_open,
	.read = events_read,
	.poll = events_poll,
	.release = events_release,
	.detach = row_node_detach,
	.destroy = row_node_destroy,
};
