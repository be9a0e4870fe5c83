/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A target without libFuzzer: once over each file of the directories that are named. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

#define INPUT_MAX (4u << 20)

static int run_file(const char *dir, const char *name)
{
	uint8_t *data = malloc(INPUT_MAX), *exact;
	char path[4096];
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (f && data) {
		size = fread(data, 1, INPUT_MAX, f);
		/* Of exactly this size, so that a sanitizer sees a read behind it. */
		exact = malloc(size ? size : 1);
		if (exact) {
			memcpy(exact, data, size);
			LLVMFuzzerTestOneInput(exact, size);
			free(exact);
		}
	}
	if (f)
		fclose(f);
	free(data);
	return f ? 1 : 0;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		while (dir && (entry = readdir(dir)))
			if (entry->d_name[0] != '.')
				n += run_file(argv[i], entry->d_name);
		if (dir)
			closedir(dir);
	}
	printf("%d inputs\n", n);
	return n ? EXIT_SUCCESS : EXIT_FAILURE;
}
