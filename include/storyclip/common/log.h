/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program's log: stderr in the foreground, else syslog (which is the journal on systemd
 * machines) or a file. One line per call, also when several threads or processes write.
 *
 * The sink is one of the few globals (STYLE: "No globals but the log sink …").
 */
#pragma once

#include "storyclip/common/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_FILE };

/**
 * Choose where lines go. Call before threads exist.
 * @param path  only for LOG_TARGET_FILE: opened for appending, created 0640 when missing
 * @return 0 or a negative errno of opening the file (the old sink then stays)
 */
int log_open(enum log_target target, const char *path, enum log_level max_level);
/**
 * Open a log file anew, which was renamed or removed; the old one stays when that fails. Does nothing
 * with another target. Any thread: each line goes whole to the old or to the new file.
 */
int log_reopen(const char *path);
/** Close the sink; later lines go to stderr. */
void log_close(void);

/** Write one line. Any thread; may block on the file. Lines over 2 KiB are cut. */
void log_write(enum log_level level, const char *fmt, ...) SC_PRINTF(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/** Log at error level and hand the (negative errno) r back: return log_errno(r, "opening %s", p); */
#define log_errno(r, ...)                                                                          \
	__extension__({                                                                            \
		int sc_r_ = (r);                                                                   \
		log_error_with(sc_r_, __VA_ARGS__);                                                \
		sc_r_;                                                                             \
	})
void log_error_with(int r, const char *fmt, ...) SC_PRINTF(2, 3);
