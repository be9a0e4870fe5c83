/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* by-status/<state>/<id>: the jobs of each state, as symlinks to them. */
#pragma once

#include "node.h"

extern const struct node_kind by_status_kind;
