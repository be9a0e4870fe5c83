/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program storyclip-worker as a library, so that tests link what ships. */
#pragma once

/**
 * One job, then exit: read the order from standard input, cut the video on PROTO_SOURCE_FD into
 * the directory PROTO_CLIPS_FD, report on PROTO_REPORT_FD. No path is ever opened.
 * @return the exit status: 0 when the end was reported, be it a success or a failure
 */
int worker_main(void);
