/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hidden hard link, or copy, of a job's upload. Any thread, no lock held; blocks on the disk.
 */
#include "hold.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

int hold_take(struct engine *engine, const char *job_id, const struct job_source *source)
{
	char by_fd[64];
	struct stat st;
	int r;

	/* Through /proc, since AT_EMPTY_PATH needs a capability. */
	snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", source->fd);
	if (linkat(AT_FDCWD, by_fd, engine->hold_fd, job_id, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	if (fstatat(engine->hold_fd, job_id, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != source->dev || st.st_ino != source->ino || !S_ISREG(st.st_mode)) {
		unlinkat(engine->hold_fd, job_id, 0);
		return -ESTALE;
	}
	r = file_sync_dir(engine->hold_fd);
	if (r < 0)
		unlinkat(engine->hold_fd, job_id, 0);
	return r;
}

bool hold_needs_copy(int err)
{
	return err == -EXDEV || err == -EPERM || err == -EMLINK || err == -EOPNOTSUPP ||
	       err == -ENOSYS;
}

void hold_copy_name(const char *job_id, char out[JOB_ID_SIZE + 8])
{
	snprintf(out, JOB_ID_SIZE + 8, ".%s.copy", job_id);
}

bool hold_is_there(struct engine *engine, const char *job_id)
{
	struct stat st;

	return fstatat(engine->hold_fd, job_id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

int hold_copied(struct engine *engine, const char *job_id, int64_t mtime_ns)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = mtime_ns / 1000000000, .tv_nsec = mtime_ns % 1000000000}};
	char name[JOB_ID_SIZE + 8];
	auto_fd int fd = -1;

	hold_copy_name(job_id, name);
	fd = openat(engine->hold_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || futimens(fd, times) < 0 || fsync(fd) < 0 ||
	    renameat(engine->hold_fd, name, engine->hold_fd, job_id) < 0)
		return -errno;
	return file_sync_dir(engine->hold_fd);
}

int hold_open(struct engine *engine, const char *job_id, int *ret_fd)
{
	int fd = openat(engine->hold_fd, job_id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

void hold_drop(struct engine *engine, const char *job_id)
{
	char name[JOB_ID_SIZE + 8];

	hold_copy_name(job_id, name);
	unlinkat(engine->hold_fd, name, 0);
	if (unlinkat(engine->hold_fd, job_id, 0) < 0 && errno != ENOENT)
		log_error_with(-errno, "job %s: giving up its upload's bytes", job_id);
}

/*
 * The last name of bytes that were held for a job which the database has never heard of, or not any
 * more (an older copy was put in its place): not ours to remove.
 */
static bool is_last_of_unknown(struct engine *engine, const char *job_id)
{
	struct job_brief brief;
	struct stat st;

	return store_job_brief(engine->deps.store, job_id, &brief) == -ENOENT &&
	       fstatat(engine->hold_fd, job_id, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 1;
}

int hold_sweep(struct engine *engine)
{
	int fd = openat(engine->hold_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		struct job *job;

		if (entry->d_name[0] == '.' && len > 5 && !strcmp(entry->d_name + len - 5, ".copy"))
			unlinkat(engine->hold_fd, entry->d_name, 0); /* cut off: made anew */
		/* Only names of our kind: a job's id has no leading dot. */
		if (!job_id_is_valid(entry->d_name))
			continue;
		job = engine_find(engine, entry->d_name);
		if (job)
			engine_unref(engine, job);
		else if (is_last_of_unknown(engine, entry->d_name))
			log_warning(
				"an upload's last name is held for job %s, which the database does "
				"not know: storyclipfs --repair gives it one in incoming/",
				entry->d_name);
		else
			hold_drop(engine, entry->d_name);
	}
	closedir(dir);
	return 0;
}
