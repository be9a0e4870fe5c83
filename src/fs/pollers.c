/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits by poll(2): see pollers.h. Handler threads; the notify thread wakes. */
#include "pollers.h"

#include "fs_state.h"

static void add_locked(struct poll_list *list, struct poller *poller)
{
	poller->next = list->first;
	poller->back = &list->first;
	if (poller->next)
		poller->next->back = &poller->next;
	list->first = poller;
}

static void remove_locked(struct poller *poller)
{
	*poller->back = poller->next;
	if (poller->next)
		poller->next->back = poller->back;
	poller->next = NULL;
	poller->back = NULL;
}

void poll_keep(struct fs *fs, struct poll_list *list, struct poller *poller,
	       struct fuse_pollhandle *handle)
{
	struct fuse_pollhandle *old;

	if (!handle)
		return;
	lock_acquire(&fs->parked.lock);
	old = poller->handle;
	poller->handle = handle;
	if (poller->back)
		remove_locked(poller);
	add_locked(list, poller);
	lock_release(&fs->parked.lock);
	if (old)
		fuse_pollhandle_destroy(old);
}

void poller_init(struct fs *fs, struct poller *poller,
		 void (*destroy)(struct fs *fs, struct poller *poller))
{
	*poller = (struct poller){.destroy = destroy};
	lock_acquire(&fs->parked.lock);
	poller->open_next = fs->open_files;
	poller->open_back = &fs->open_files;
	if (poller->open_next)
		poller->open_next->open_back = &poller->open_next;
	fs->open_files = poller;
	lock_release(&fs->parked.lock);
}

void poller_finish(struct fs *fs, struct poller *poller)
{
	struct fuse_pollhandle *handle;

	lock_acquire(&fs->parked.lock);
	handle = poller->handle;
	poller->handle = NULL;
	if (poller->back)
		remove_locked(poller);
	*poller->open_back = poller->open_next;
	if (poller->open_next)
		poller->open_next->open_back = poller->open_back;
	lock_release(&fs->parked.lock);
	if (handle)
		fuse_pollhandle_destroy(handle);
}

void pollers_destroy_all(struct fs *fs)
{
	while (fs->open_files)
		fs->open_files->destroy(fs, fs->open_files);
}

/* The next handle of those that are woken, in no order; the open file may go away then. */
static struct fuse_pollhandle *next_handle(struct fs *fs, struct poll_list *due)
{
	struct fuse_pollhandle *handle = NULL;
	struct poller *poller;

	lock_acquire(&fs->parked.lock);
	poller = due->first;
	if (poller) {
		remove_locked(poller);
		handle = poller->handle;
		poller->handle = NULL;
	}
	lock_release(&fs->parked.lock);
	return handle;
}

void poll_wake(struct fs *fs, struct poll_list *list,
	       bool (*is_due)(const struct poller *poller, const void *context),
	       const void *context)
{
	struct poll_list due = {0};
	struct fuse_pollhandle *handle;
	struct poller *poller, *next;

	/* First all are taken off: one that is woken asks again at once and is listed anew. */
	lock_acquire(&fs->parked.lock);
	for (poller = list->first; poller; poller = next) {
		next = poller->next;
		if (is_due && !is_due(poller, context))
			continue;
		remove_locked(poller);
		add_locked(&due, poller);
	}
	lock_release(&fs->parked.lock);
	while ((handle = next_handle(fs, &due))) {
		notify_poll(fs, handle);
		fuse_pollhandle_destroy(handle);
	}
}
