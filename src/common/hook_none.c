/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hooks of shipped programs: none. See storyclip/common/hook.h. */
#include "storyclip/common/hook.h"

#include <stddef.h>

void hook_reach(const char *step)
{
	(void)step;
}

const char *hook_directory(void)
{
	return NULL;
}

bool hook_is_set(const char *name)
{
	(void)name;
	return false;
}
