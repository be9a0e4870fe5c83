/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip-worker: started by the engine for one attempt of one job; see worker.c. */
#include "worker.h"

#include <stdio.h>
#include <string.h>

#include "storyclip/media.h"

int main(int argc, char **argv)
{
	/* The daemon asks: it shows which libav cuts, and links none itself. */
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("storyclip-worker %s\nFFmpeg %s\n", SC_VERSION, media_ffmpeg_version());
		return 0;
	}
	return worker_main();
}
