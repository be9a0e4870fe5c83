/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A clock around each operation: see ops_timed.h. Handler threads. */
#include "ops_timed.h"

#include "fs_state.h"
#include "ops.h"
#include "storyclip/common/clock.h"

/* The handler may answer, and then the request is gone: so whose it is is asked before. */
#define X(op, params, args)                                                                    \
	static void timed_##op params                                                          \
	{                                                                                      \
		struct fs *fs = fuse_req_userdata(req);                                        \
		int64_t begun_us = clock_precise_us();                                         \
                                                                                               \
		ops_table.op args;                                                             \
		histogram_observe(&fs->metrics.requests[TIMED_##op], histogram_request_us,     \
				  clock_precise_us() - begun_us);                              \
	}
OPS_TIMED(X)
#undef X

void ops_timed(struct fuse_lowlevel_ops *ret)
{
	*ret = ops_table;
	/* libfuse answers for what we do not have; those stay so. */
#define X(op, params, args)       \
	if (ops_table.op)         \
		ret->op = timed_##op;
	OPS_TIMED(X)
#undef X
}

const char *ops_timed_name(enum timed_op op)
{
	static const char *const names[] = {
#define X(op, params, args) #op,
		OPS_TIMED(X)
#undef X
	};

	return names[op];
}
