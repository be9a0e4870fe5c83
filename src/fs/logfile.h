/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jobs/<id>/log: grows while somebody reads it, so it is never cached. */
#pragma once

#include "node.h"

extern const struct node_kind logfile_kind;
