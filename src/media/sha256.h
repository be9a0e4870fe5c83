/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "storyclip/error.h"
#include "storyclip/request.h"

/** media_sha256(), in the module. */
int sha256_of_file(int fd, void (*worked)(void *context, uint64_t bytes), void *context,
		   struct error *e, char ret[SHA256_SIZE]);
