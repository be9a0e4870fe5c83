/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parked reads: see parked.h. libfuse calls the interrupt function with a lock of the request held,
 * and fuse_req_interrupt_func() takes that lock: so it is called without ours, and taking the
 * function back waits until a call under way has ended, after which the memory may go.
 */
#include "parked.h"

#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "fs_state.h"
#include "wait.h"

void parked_init(struct parked *parked)
{
	memset(parked, 0, sizeof(*parked));
	lock_init(&parked->lock);
}

void parked_finish(struct parked *parked)
{
	lock_finish(&parked->lock);
}

int parked_add_locked(struct parked_list *list, struct parked_read *read)
{
	if (read->is_interrupted)
		return -EINTR;
	read->next = list->first;
	read->back = &list->first;
	if (read->next)
		read->next->back = &read->next;
	list->first = read;
	return 0;
}

void parked_remove_locked(struct parked_read *read)
{
	*read->back = read->next;
	if (read->next)
		read->next->back = read->back;
	read->next = NULL;
	read->back = NULL;
}

/* Called by libfuse with a lock of the request held. */
static void interrupted(fuse_req_t req, void *data)
{
	struct parked_read *read = data;
	struct fs *fs = fuse_req_userdata(req);
	bool is_mine;

	lock_acquire(&fs->parked.lock);
	is_mine = read->back;
	if (is_mine)
		parked_remove_locked(read);
	else
		read->is_interrupted = true; /* not listed yet, or somebody else answers it */
	lock_release(&fs->parked.lock);
	if (!is_mine)
		return;
	free(read);
	fuse_reply_err(req, EINTR);
}

struct parked_read *parked_create(fuse_req_t req, void *file, size_t size, off_t off)
{
	struct parked_read *read = calloc(1, sizeof(*read));

	if (!read)
		return NULL;
	read->req = req;
	read->file = file;
	read->size = size;
	read->off = off;
	fuse_req_interrupt_func(req, interrupted, read);
	return read;
}

fuse_req_t parked_take_back(struct parked_read *read)
{
	fuse_req_t req = read->req;

	fuse_req_interrupt_func(req, NULL, NULL);
	free(read);
	return req;
}

/* Take one read off the list and refuse it. @return whether there was one */
static bool refuse_one(struct fs *fs, struct parked_list *list)
{
	struct parked_read *read;

	lock_acquire(&fs->parked.lock);
	read = list->first;
	if (read)
		parked_remove_locked(read);
	lock_release(&fs->parked.lock);
	if (!read)
		return false;
	fuse_reply_err(parked_take_back(read), ENOTCONN);
	return true;
}

/* In the notify thread: whoever polls for a read finds that it no longer blocks. */
static void tell_stop(struct fs *fs, struct notify_item *item)
{
	wait_wake_pollers(fs);
	events_wake_pollers(fs);
}

void parked_stop(struct fs *fs)
{
	bool is_told;

	lock_acquire(&fs->parked.lock);
	fs->parked.is_stopping = true;
	is_told = fs->parked.is_stop_told;
	fs->parked.is_stop_told = true;
	lock_release(&fs->parked.lock);
	while (refuse_one(fs, &fs->parked.waits) || refuse_one(fs, &fs->parked.events))
		;
	/* (Without the thread the mount is as good as gone.) */
	if (is_told || !fs->notify.is_started)
		return;
	fs->parked.stop_item.run = tell_stop;
	notify_then(fs, &fs->parked.stop_item);
}

static unsigned int count_locked(const struct parked_list *list)
{
	unsigned int n = 0;

	for (const struct parked_read *read = list->first; read; read = read->next)
		n++;
	return n;
}

unsigned int parked_count(struct fs *fs)
{
	unsigned int n;

	lock_acquire(&fs->parked.lock);
	n = count_locked(&fs->parked.waits) + count_locked(&fs->parked.events);
	lock_release(&fs->parked.lock);
	return n;
}
