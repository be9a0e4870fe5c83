/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "openings.h"

#include <errno.h>
#include <stdlib.h>

#include "storyclip/common/sync.h"

struct openings {
	struct lock lock; /* intake.openings: all below */
	struct cond ended;
	struct intake_opening *first; /* at most one for each thread that handles requests */
};

int openings_create(struct openings **ret)
{
	struct openings *openings = calloc(1, sizeof(*openings));

	if (!openings)
		return -ENOMEM;
	lock_init(&openings->lock);
	cond_init(&openings->ended);
	*ret = openings;
	return 0;
}

void openings_destroy(struct openings *openings)
{
	if (!openings)
		return;
	cond_finish(&openings->ended);
	lock_finish(&openings->lock);
	free(openings);
}

void openings_begin(struct openings *openings, dev_t dev, ino_t ino, struct intake_opening *opening)
{
	*opening = (struct intake_opening){.dev = dev, .ino = ino};
	lock_acquire(&openings->lock);
	opening->next = openings->first;
	openings->first = opening;
	lock_release(&openings->lock);
}

void openings_end(struct openings *openings, struct intake_opening *opening)
{
	struct intake_opening **at;

	lock_acquire(&openings->lock);
	for (at = &openings->first; *at != opening; at = &(*at)->next)
		;
	*at = opening->next;
	cond_broadcast(&openings->ended);
	lock_release(&openings->lock);
}

void openings_wait(struct openings *openings, dev_t dev, ino_t ino)
{
	struct intake_opening *o;

	lock_acquire(&openings->lock);
	for (;;) {
		for (o = openings->first; o && (o->ino != ino || o->dev != dev); o = o->next)
			;
		if (!o)
			break;
		cond_wait(&openings->ended, &openings->lock);
	}
	lock_release(&openings->lock);
}
