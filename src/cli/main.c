/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program storyclip: everything is in the library, so that tests link what ships. */
#include "cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
