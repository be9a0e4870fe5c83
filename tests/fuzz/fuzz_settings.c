/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings: an environment file's text, and a command line with one option list a line. */
#include "../../src/daemon/config.h"

#include <getopt.h>
#include <string.h>

#include "../../src/daemon/env_file.h"
#include "fuzz.h"

#define WORDS_MAX 32

static void try_command_line(char *text)
{
	char *argv[WORDS_MAX + 1] = {(char *)"storyclipfs"};
	auto_command_line struct command_line line = {0};
	auto_settings struct settings settings = {0};
	struct fs_mount_options mount = {0};
	struct error e = {0};
	bool is_usage = false;
	char *rest = NULL;
	int argc = 1;

	for (char *word = strtok_r(text, "\n", &rest); word && argc < WORDS_MAX;
	     word = strtok_r(NULL, "\n", &rest))
		argv[argc++] = word;
	optind = 0; /* glibc: begin anew, though it was called before */
	opterr = 0;
	if (command_line_parse(argc, argv, &e, &line) < 0) {
		FUZZ_REQUIRE(e.message[0]);
		return;
	}
	if (line.config_file || !line.root || !line.mountpoint)
		return; /* no files of this machine */
	if (settings_load(&line, &e, &settings, &mount, &is_usage) < 0)
		FUZZ_REQUIRE(e.message[0]);
	else
		FUZZ_REQUIRE(settings.workers > 0 && settings.upload_tmp_dir[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_env_file struct env_file file = {0};
	char *text = malloc(size + 1);
	struct error e = {0};

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (env_file_parse("f", text, &e, &file) < 0)
		FUZZ_REQUIRE(e.message[0]);
	for (size_t i = 0; i < file.n_lines; i++)
		FUZZ_REQUIRE(file.lines[i].name[0] && env_file_get(&file, file.lines[i].name));
	if (!strstr(text, "config"))
		try_command_line(text);
	free(text);
	return 0;
}
