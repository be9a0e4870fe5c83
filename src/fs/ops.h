/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of operations that libfuse calls. */
#pragma once

#include <fuse_lowlevel.h>

extern const struct fuse_lowlevel_ops ops_table;
