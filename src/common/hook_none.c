/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hooks of shipped programs: none. See storyclip/common/hook.h. */
#include "storyclip/common/hook.h"

void hook_reach(const char *step)
{
	(void)step;
}
