/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a file's bytes to clips, by copying, without libav; each clip is read again by the reader. The
 * last byte chooses how it is cut.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/media/mp4/reader.h"
#include "fuzz.h"
#include "storyclip/common/file.h"
#include "storyclip/media.h"

struct made {
	int dir_fd;
	size_t n;
};

static void on_made(void *context, const struct artifact *artifact)
{
	struct made *made = context;
	auto_fd int fd = openat(made->dir_fd, artifact->filename, O_RDONLY | O_CLOEXEC);
	auto_of(mp4_file) struct mp4_file *file = NULL;
	struct error e = {0};
	struct stat st;

	FUZZ_REQUIRE(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == artifact->size_bytes);
	const struct mp4_input input = mp4_input_from_fd(&fd, st.st_size);

	FUZZ_REQUIRE(mp4_file_read(&input, &e, &file) == 0);
	FUZZ_REQUIRE(file->n_tracks > 0 && file->tracks[0].n_samples > 0);
	FUZZ_REQUIRE(unlinkat(made->dir_fd, artifact->filename, 0) == 0);
	made->n++;
}

static void cut(int fd, uint8_t choice, int dir_fd)
{
	static const struct media_listener deaf;
	const struct media_split split = {.parts = choice & 4 ? 0 : 1 + choice % 3,
					  .clip_duration_us = choice & 4 ? 500000 : 0,
					  .max_clips = 4};
	const enum cut_mode mode = choice & 8 ? CUT_KEYFRAME : CUT_EXACT;
	const struct encode_options encode = ENCODE_OPTIONS_DEFAULT;
	auto_of(media_source) struct media_source *source = NULL;
	struct made made = {.dir_fd = dir_fd};
	struct media_plan plan = {0};
	struct error e = {0};

	if (media_open(fd, &deaf, &e, &source) < 0 || media_plan(source, mode, &split, &e, &plan) < 0) {
		FUZZ_REQUIRE(e.code != SC_OK && e.message[0]);
		return;
	}
	if (media_cut(source, mode, &encode, (choice & 16) != 0, &plan, dir_fd, on_made, &made, &e) < 0)
		/* INTERNAL would be a plan that the writer refuses. */
		FUZZ_REQUIRE(e.code != SC_OK && e.code != SC_INTERNAL);
	else
		FUZZ_REQUIRE(made.n == plan.n_ranges);
	media_plan_finish(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/storyclip-fuzz-XXXXXX";
	auto_fd int shm_fd = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = memfd_create("source", MFD_CLOEXEC);
	auto_fd int dir_fd = -1;

	if (size < 2 || fd < 0 || !mkdtemp(path))
		return 0;
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd >= 0 && file_pwrite_all(fd, data, size - 1, 0) == 0)
		cut(fd, data[size - 1], dir_fd);
	FUZZ_REQUIRE(dir_fd < 0 || file_remove_tree(shm_fd, strrchr(path, '/') + 1) == 0);
	return 0;
}
