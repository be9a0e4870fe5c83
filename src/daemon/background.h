/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going to the background only once the mount answers: the process that was started waits for the
 * one that stays, which keeps the terminal's standard error until then. Main thread.
 */
#pragma once

/**
 * Fork. Returns in the child with the descriptor to say so by; the parent waits and exits with the
 * code that it is told, 1 when the child ends without a word.
 * @return 0, or a negative errno (still one process)
 */
int background_begin(int *ret_fd);

/** In the child: it works. Standard streams become /dev/null and the parent exits with 0. */
void background_ready(int *fd);
/** In the child: it does not; the parent exits with this code. */
void background_failed(int *fd, int code);
