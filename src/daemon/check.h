/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclipfs --check ROOT and --repair ROOT. Main thread, no other. */
#pragma once

#include "storyclip/config.h"

enum { CHECK_WELL = 0, CHECK_CANNOT = 1, CHECK_DISAGREES = 3 };

/**
 * Compare the database with the directories, also while they are in use, and print each
 * disagreement. Changes nothing.
 * @return one of the codes above, which is the program's
 */
int check_root(const struct settings *settings);

/**
 * Mend what can be mended without losing a byte, print what was done and what remains. Refused
 * while a daemon has ROOT.
 */
int repair_root(const struct settings *settings);
