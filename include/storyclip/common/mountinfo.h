/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names as /proc/self/mountinfo writes them (proc(5)). Pure; any thread. */
#pragma once

/** Undo the escapes of one field in place: blanks, newlines and backslashes stand there as \ooo. */
void mountinfo_unescape(char *field);
