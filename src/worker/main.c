/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip-worker: started by the engine for one attempt of one job; see worker.c. */
#include "worker.h"

int main(void)
{
	return worker_main();
}
