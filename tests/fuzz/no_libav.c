/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The module that is not there: what is fuzzed is this project's own code. */
#include "../../src/media/library/library.h"

int media_library_get(struct error *e, const struct media_library **ret)
{
	(void)ret;
	return error_set(e, SC_UNSUPPORTED_CODEC, "no libav here");
}
