/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program storyclipfs: all parts built bottom-up, run, taken down in reverse. */
#pragma once

/** @return the exit code: 0 mounted and ended well, 1 a setting or the start failed, 2 usage */
int daemon_main(int argc, char **argv);
