#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon in the middle of removing a job: the removal goes on.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
crash_submit victim
sc_done victim
hook_set remove-midway once-kill
rmdir "$MNT/jobs/victim" 2>/dev/null || true
hook_wait_reached remove-midway
sc_wait_dead
sc_mount "$crash_options"
sc_wait_for '[[ ! -e $MNT/jobs/victim && ! -e $ROOT/outputs/victim ]]' 10
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE job_id='victim'")" 0 "rows of the removed job"
# its id can be used again
crash_submit victim
sc_done victim
crash_check
