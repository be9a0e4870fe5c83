/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program storyclip-publish as a library, so that tests link what ships. */
#pragma once

/**
 * Publish the clips of one job, then exit: read the order from standard input, sync the clips in
 * PROTO_WORK_FD, give them owner and modes, move them below PROTO_OUTPUT_FD by one rename, report
 * on PROTO_REPORT_FD.
 * @return the exit status: 0 when the end was reported, be it a success or a failure
 */
int publish_main(void);
