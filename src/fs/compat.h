/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between libfuse 3.14 and 3.17. */
#pragma once

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>

/** Ask for a capability if the kernel has it. Only in the init handler. */
static inline bool compat_want(struct fuse_conn_info *conn, unsigned int cap)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
	return fuse_set_feature_flag(conn, cap);
#else
	if (!(conn->capable & cap))
		return false;
	conn->want |= cap;
	return true;
#endif
}

/** Have the kernel ask for a name anew; one that cannot do only that forgets it. */
static inline int compat_expire_entry(struct fuse_session *session, fuse_ino_t dir, const char *name,
				      size_t len)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
	int r = fuse_lowlevel_notify_expire_entry(session, dir, name, len);

	return r == -ENOSYS ? fuse_lowlevel_notify_inval_entry(session, dir, name, len) : r;
#else
	return fuse_lowlevel_notify_expire_entry(session, dir, name, len, FUSE_LL_EXPIRE_ONLY);
#endif
}

/** Do without one that libfuse asks for by itself. */
static inline void compat_do_without(struct fuse_conn_info *conn, unsigned int cap)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
	fuse_unset_feature_flag(conn, cap);
#else
	conn->want &= ~cap;
#endif
}
