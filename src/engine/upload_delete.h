/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The request's field deleteUpload: the upload's name goes once its job is done. Any thread. */
#pragma once

#include "state.h"

/**
 * Remove the upload of a done job, if its name is still the file that was cut, and note that this
 * was seen to. No lock held; blocks on the disk.
 */
void upload_delete(struct engine *engine, const struct job_snapshot *job);
/** The same of every done job for which that is still due: an end came between. At the start. */
int upload_delete_left(struct engine *engine);
