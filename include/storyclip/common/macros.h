/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership by sight: cleanup attributes, visible moves, and the few macros everybody needs.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define SC_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define SC_MUST_CHECK __attribute__((warn_unused_result))

/**
 * Give a type a cleanup function for auto_of(). The destroy function must accept NULL.
 *
 *     SC_DEFINE_AUTO(upload, upload_destroy)
 *     auto_of(upload) struct upload *u = NULL;
 */
#define SC_DEFINE_AUTO(name, destroy)                                                              \
	static inline void sc_auto_##name(struct name **p)                                         \
	{                                                                                          \
		destroy(*p);                                                                       \
	}
#define auto_of(name) __attribute__((cleanup(sc_auto_##name)))

static inline void sc_auto_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void sc_auto_free(void *p)
{
	free(*(void **)p);
}

/** A descriptor closed at the end of the scope; start it at -1, leave it by take_fd(). */
#define auto_fd __attribute__((cleanup(sc_auto_fd)))
/** Memory freed at the end of the scope; start it at NULL, leave it by take_ptr(). */
#define auto_free __attribute__((cleanup(sc_auto_free)))

/** Move a pointer out: the value is handed over, the variable becomes NULL. */
#define take_ptr(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) sc_taken_ = (p);                                                     \
		(p) = NULL;                                                                        \
		sc_taken_;                                                                         \
	})

/** Move a descriptor out: the value is handed over, the variable becomes -1. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
