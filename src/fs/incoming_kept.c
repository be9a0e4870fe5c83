/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every file of incoming/ that the kernel has looked up costs a descriptor until the kernel forgets
 * it, which it does only when it wants memory. So when there are too many, the kernel is asked to
 * drop the names that were looked up longest ago. Handler threads, and the notify thread.
 *
 * Each name dropped needs the directory's lock, for which many who make files there compete. So
 * that they cannot be faster for long, their closes are answered only when there is room: a flush,
 * unlike a look-up, holds no lock that dropping a name waits for.
 */
#include "incoming_node.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "fs_state.h"
#include "reply.h"

#define KEPT_MAX 32768 /* each also keeps an inode of the backing file system in memory */
#define KEPT_MIN 16
#define CROWDED_PAUSE_NS 1000000

/** A flush that is not answered yet. */
struct inc_close {
	struct inc_close *next;
	fuse_req_t req;
};

void inc_keep_init(struct fs *fs)
{
	struct incoming *incoming = &fs->incoming;
	struct rlimit limit = {0};

	incoming->kept_last = &incoming->kept_first;
	incoming->max_kept = KEPT_MAX;
	/* The other descriptors: directories, open files, the engine's. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < KEPT_MAX)
		incoming->max_kept = limit.rlim_cur / 4 > KEPT_MIN ? limit.rlim_cur / 4 : KEPT_MIN;
}

void inc_unkeep_locked(struct fs *fs, struct inc_node *node)
{
	struct incoming *incoming = &fs->incoming;

	if (!node->kept_back)
		return;
	*node->kept_back = node->kept_next;
	if (node->kept_next)
		node->kept_next->kept_back = node->kept_back;
	else
		incoming->kept_last = node->kept_back;
	node->kept_back = NULL;
	node->kept_next = NULL;
	incoming->n_kept--;
}

/* The next one to give up that nobody uses: its directory (a reference) and its name. */
static bool take_oldest(struct fs *fs, struct node **ret_dir, char **ret_name)
{
	struct incoming *incoming = &fs->incoming;
	bool has_more = false;

	*ret_name = NULL;
	lock_acquire(&fs->tree.lock);
	while (!*ret_name && incoming->n_kept > incoming->max_kept - incoming->max_kept / 4) {
		struct inc_node *node = incoming->kept_first;

		inc_unkeep_locked(fs, node); /* back when its user has done with it */
		if (node->node.refs || !node->name)
			continue; /* in use */
		*ret_name = strdup(node->name);
		*ret_dir = node->node.parent;
		if (*ret_name)
			node->node.parent->refs++;
	}
	has_more = *ret_name;
	if (!has_more)
		incoming->is_trimming = false;
	lock_release(&fs->tree.lock);
	return has_more;
}

/* Answer the closes that wait, when there is room again. Trimming always ends with room. */
static void answer_closes(struct fs *fs)
{
	struct incoming *incoming = &fs->incoming;
	struct inc_close *closes = NULL;

	lock_acquire(&fs->tree.lock);
	if (incoming->n_kept <= incoming->max_kept)
		closes = take_ptr(incoming->closes);
	lock_release(&fs->tree.lock);
	while (closes) {
		struct inc_close *waiting = closes;

		closes = waiting->next;
		reply_result(waiting->req, 0);
		free(waiting);
	}
}

static void run_trim(struct fs *fs, struct notify_item *item)
{
	struct node *dir;
	char *name;

	while (take_oldest(fs, &dir, &name)) {
		notify_inval(fs, dir, name);
		free(name);
		node_unref(fs, dir);
		answer_closes(fs);
	}
	answer_closes(fs); /* what was forgotten unasked made room too */
}

bool inc_keep_has_room(struct fs *fs)
{
	struct incoming *incoming = &fs->incoming;
	bool has_room;

	lock_acquire(&fs->tree.lock);
	has_room = incoming->n_kept < incoming->max_kept / 2;
	lock_release(&fs->tree.lock);
	return has_room;
}

void inc_keep_reply_flush(struct fs *fs, fuse_req_t req)
{
	struct incoming *incoming = &fs->incoming;
	struct inc_close *waiting = malloc(sizeof(*waiting));
	bool is_later;

	lock_acquire(&fs->tree.lock);
	is_later = waiting && incoming->is_trimming && incoming->n_kept > incoming->max_kept;
	if (is_later) {
		*waiting = (struct inc_close){.next = incoming->closes, .req = req};
		incoming->closes = waiting;
	}
	lock_release(&fs->tree.lock);
	if (is_later)
		return;
	free(waiting);
	reply_result(req, 0);
}

static void keep(struct fs *fs, struct inc_node *node, bool is_looked_up)
{
	struct incoming *incoming = &fs->incoming;
	bool must_trim, is_crowded;

	lock_acquire(&fs->tree.lock);
	if (!is_looked_up && (node->kept_back || !node->node.lookups)) {
		lock_release(&fs->tree.lock);
		return;
	}
	inc_unkeep_locked(fs, node);
	node->kept_next = NULL;
	node->kept_back = incoming->kept_last;
	*incoming->kept_last = node;
	incoming->kept_last = &node->kept_next;
	incoming->n_kept++;
	must_trim = incoming->n_kept > incoming->max_kept && !incoming->is_trimming;
	if (must_trim)
		incoming->is_trimming = true;
	is_crowded = is_looked_up && incoming->n_kept > 2 * incoming->max_kept;
	lock_release(&fs->tree.lock);
	/* The notify thread has not had its turn for long, on a busy machine. While this look-up holds the
	   directory it can only come to stand in line, which is enough: it is the next one then. */
	if (is_crowded)
		nanosleep(&(struct timespec){.tv_nsec = CROWDED_PAUSE_NS}, NULL);
	if (!must_trim)
		return;
	incoming->trim.run = run_trim;
	notify_then(fs, &incoming->trim);
}

void inc_keep(struct fs *fs, struct inc_node *node)
{
	keep(fs, node, true);
}

void inc_unuse(struct fs *fs, struct inc_node *node)
{
	if (node->type == S_IFREG)
		keep(fs, node, false);
	node_unref(fs, &node->node);
}
