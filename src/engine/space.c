/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The setting min_free, in bytes or per cent of a volume. Any thread, no lock held. */
#include "space.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

int64_t space_look(struct engine *engine, int dir_fd, int64_t *ret_min)
{
	const struct settings *settings = engine->deps.settings;
	struct statvfs vfs;
	struct stat st;
	int64_t block;

	*ret_min = settings->min_free.bytes;
	/* Removed: another of the same name is not ours. */
	if (fstat(dir_fd, &st) == 0 && st.st_nlink == 0)
		return -ESTALE;
	if (fstatvfs(dir_fd, &vfs) < 0)
		return -errno;
	block = (int64_t)vfs.f_frsize;
	if (settings->min_free.percent)
		*ret_min = (int64_t)vfs.f_blocks / 100 * block * settings->min_free.percent;
	return (int64_t)vfs.f_bavail * block;
}

/* Copied clips are about as large as what they are cut from. */
static int64_t bytes_of_clips(enum cut_mode cut, int64_t upload_bytes)
{
	return cut == CUT_ENCODE ? 0 : upload_bytes;
}

int space_check(struct engine *engine, enum cut_mode cut, int64_t upload_bytes, struct error *e)
{
	const struct {
		int fd;
		const char *path;
	} volumes[] = {
		{engine->work_fd, engine->deps.settings->process_work_dir},
		{engine->output_fd, engine->deps.settings->output_root},
	};
	int64_t clips = bytes_of_clips(cut, upload_bytes);

	for (size_t i = 0; i < SC_ARRAY_SIZE(volumes); i++) {
		int64_t min, free_bytes = space_look(engine, volumes[i].fd, &min);

		/* A volume that cannot be asked is one that the job will tell of. */
		if (free_bytes >= 0 && (free_bytes < min || free_bytes - min < clips))
			return error_set(e, SC_NO_SPACE,
					 "'%.200s' has %lld bytes free; %lld for the clips and "
					 "min_free, %lld, are needed",
					 volumes[i].path, (long long)free_bytes, (long long)clips,
					 (long long)min);
	}
	return 0;
}
