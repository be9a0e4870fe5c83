/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclipfs: the mount; see daemon.c. */
#include "daemon.h"

int main(int argc, char **argv)
{
	return daemon_main(argc, argv);
}
