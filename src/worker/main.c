/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storyclip-worker: started by the engine for one attempt of one job; see worker.c. */
#include "worker.h"

#include <stdio.h>
#include <string.h>

#include "lock_in.h"
#include "storyclip/media.h"

static int print_version(void)
{
	struct error e = {0};
	const char *ffmpeg = media_ffmpeg_version(&e);

	printf("storyclip-worker %s\n", SC_VERSION);
	if (!ffmpeg) {
		fprintf(stderr, "storyclip-worker: %s\n", e.message);
		return 1;
	}
	printf("FFmpeg %s\n", ffmpeg);
	return 0;
}

int main(int argc, char **argv)
{
	/* The daemon asks: it shows which libav cuts, and links none itself. */
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return print_version();
	/* It asks, too, what of the sandbox this kernel has. */
	if (argc == 2 && !strcmp(argv[1], "--sandbox"))
		return lock_in_print();
	return worker_main();
}
