/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only test builds have: attempts to get out of the sandbox. Private to src/common. */
#pragma once

/** Try each attempt once; see hook_escape.c. Main thread of a program that has locked itself in. */
void hook_escape(const char *dir);
