/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two processes for the time of the start; see background.h. Main thread, before all others. */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"

static void parent_wait(int fd)
{
	unsigned char code = 1;

	if (file_read_full(fd, &code, 1) != 1)
		code = 1; /* it has ended; what it had to say it has written to the terminal */
	_exit(code);
}

static void streams_to_null(bool with_stderr)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (with_stderr)
		dup2(null, STDERR_FILENO);
}

int background_begin(int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (pid > 0) {
		close(fds[1]);
		parent_wait(fds[0]);
	}
	close(fds[0]);
	streams_to_null(false);
	*ret_fd = fds[1];
	return 0;
}

static void parent_tell(int *fd, unsigned char code)
{
	if (*fd < 0)
		return;
	(void)file_write_all(*fd, &code, 1); /* a parent that was killed needs no answer */
	close(take_fd(fd));
}

void background_ready(int *fd)
{
	if (*fd < 0)
		return;
	/* Not before it is mounted: systemd's automounts know who may pass by the process group. */
	setsid();
	streams_to_null(true);
	parent_tell(fd, 0);
}

void background_failed(int *fd, int code)
{
	parent_tell(fd, (unsigned char)code);
}
