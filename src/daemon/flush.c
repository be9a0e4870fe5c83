/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mapped pages before the end: see flush.h. The main thread, and `flush`. */
#include "flush.h"

#include <fcntl.h>
#include <unistd.h>

#include "storyclip/common/file.h"
#include "storyclip/common/log.h"

/* A disk that takes longer keeps the stop no longer: the service manager's patience is 90 s. */
#define FLUSH_WAIT_MS 20000

static void *flush_run(void *arg)
{
	struct flush *flush = arg;
	auto_fd int fd = open(flush->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		syncfs(fd);
	lock_acquire(&flush->lock);
	flush->is_done = true;
	cond_signal(&flush->cond);
	lock_release(&flush->lock);
	return NULL;
}

void flush_begin(struct flush *flush, const char *mountpoint)
{
	int r;

	lock_init(&flush->lock);
	cond_init(&flush->cond);
	flush->mountpoint = mountpoint;
	r = thread_start(&flush->thread, "flush", flush_run, flush);
	flush->has_thread = r == 0;
	if (r < 0) {
		log_error_with(r, "writing what clients have stored through mappings");
		return;
	}
	lock_acquire(&flush->lock);
	while (!flush->is_done && cond_wait_for(&flush->cond, &flush->lock, FLUSH_WAIT_MS))
		;
	if (!flush->is_done)
		log_warning("stopping: what clients have stored through mappings is not written after %d s",
			    FLUSH_WAIT_MS / 1000);
	lock_release(&flush->lock);
}

void flush_end(struct flush *flush)
{
	if (!flush->mountpoint)
		return;
	if (flush->has_thread)
		pthread_join(flush->thread, NULL);
	cond_finish(&flush->cond);
	lock_finish(&flush->lock);
}
