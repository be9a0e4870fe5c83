#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon when a request has come in and nothing of it is kept yet.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
hook_set intake-before-accept once-kill
if crash_submit victim 2>/dev/null; then fail "success was answered by a daemon that is dead"; fi
hook_wait_reached intake-before-accept
sc_wait_dead
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE job_id='victim'")" 0 "rows of a request that was not answered"
crash_recover
