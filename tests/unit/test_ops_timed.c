/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each operation that the mount has is timed, and nothing that it has not is made up. */
#define FUSE_USE_VERSION 314
#include "../../src/fs/ops.h"
#include "../../src/fs/ops_timed.h"

#include "check.h"

/* The struct is nothing but pointers to functions. */
typedef void (*op)(void);

int main(void)
{
	struct fuse_lowlevel_ops timed;
	size_t n = sizeof(timed) / sizeof(op);
	const op *plain = (const op *)(const void *)&ops_table, *got = (const op *)(const void *)&timed;
	unsigned int untimed = 0;

	ops_timed(&timed);
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(!plain[i], !got[i]);
		untimed += plain[i] && plain[i] == got[i];
	}
	/* init and destroy are no requests */
	CHECK_INT(untimed, !!ops_table.init + !!ops_table.destroy);
	CHECK(timed.lookup != ops_table.lookup);
	CHECK_STR(ops_timed_name(TIMED_lookup), "lookup");
	CHECK_STR(ops_timed_name((enum timed_op)(TIMED_OPS - 1)), "removexattr");
	return check_result();
}
