/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ages despite a wall clock that jumps: see aging.h. */
#include "aging.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void note_jump(struct aging *aging, int64_t until_ms, int64_t by_ms)
{
	if (aging->n_jumps == AGING_JUMPS) {
		/* The two oldest become one, which takes off more: younger, never older. */
		aging->jumps[1].by_ms += aging->jumps[0].by_ms;
		if (aging->jumps[0].until_ms > aging->jumps[1].until_ms)
			aging->jumps[1].until_ms = aging->jumps[0].until_ms;
		memmove(aging->jumps, aging->jumps + 1, sizeof(aging->jumps) - sizeof(aging->jumps[0]));
		aging->n_jumps--;
	}
	aging->jumps[aging->n_jumps].until_ms = until_ms;
	aging->jumps[aging->n_jumps++].by_ms = by_ms;
}

bool aging_tick(struct aging *aging, int64_t wall_ms, int64_t mono_ms)
{
	int64_t expected = aging->wall_ms + (mono_ms - aging->mono_ms);
	bool is_jump = aging->is_begun && wall_ms - expected > AGING_SLACK_MS;

	if (is_jump)
		note_jump(aging, expected, wall_ms - expected);
	aging->is_begun = true;
	aging->wall_ms = wall_ms;
	aging->mono_ms = mono_ms;
	return is_jump;
}

int64_t aging_age_ms(const struct aging *aging, int64_t at_ms)
{
	int64_t age = aging->wall_ms - at_ms;

	for (unsigned int i = 0; i < aging->n_jumps; i++)
		if (at_ms <= aging->jumps[i].until_ms)
			age -= aging->jumps[i].by_ms;
	return age > 0 ? age : 0;
}

void aging_print(const struct aging *aging, const char *boot_id, struct buf *out)
{
	buf_printf(out, "%s %" PRId64 " %" PRId64, boot_id[0] ? boot_id : "-", aging->wall_ms,
		   aging->mono_ms);
	for (unsigned int i = 0; i < aging->n_jumps; i++)
		buf_printf(out, " %" PRId64 " %" PRId64, aging->jumps[i].until_ms,
			   aging->jumps[i].by_ms);
}

void aging_parse(struct aging *aging, const char *text, const char *boot_id)
{
	int64_t wall_ms, mono_ms, until_ms, by_ms;
	char boot[64];
	int n;

	*aging = (struct aging){0};
	if (sscanf(text, "%63s %" SCNd64 " %" SCNd64 "%n", boot, &wall_ms, &mono_ms, &n) != 3)
		return;
	for (text += n; sscanf(text, " %" SCNd64 " %" SCNd64 "%n", &until_ms, &by_ms, &n) == 2;
	     text += n)
		if (by_ms > 0)
			note_jump(aging, until_ms, by_ms);
	if (!boot_id[0] || strcmp(boot, boot_id) != 0)
		return;
	aging->is_begun = true;
	aging->wall_ms = wall_ms;
	aging->mono_ms = mono_ms;
}
