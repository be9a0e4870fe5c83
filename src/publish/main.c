/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip-publish: started by the engine when all clips of a job are made; see publish.c. */
#include "publish.h"

int main(void)
{
	return publish_main();
}
