#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A worker, or publisher, that is stopped (SIGSTOP): stalled, failed, gone; the next job is done.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare stall_timeout=2,watchdog_interval=1
watchdog_case probe stop 30
watchdog_case worker-probed stop 30
watchdog_case cut-clip stop 30
watchdog_case publish-before-rename stop 95
eq "$(jq .watchdog.stalled "$MNT/health")" 4 "stalled jobs in health"
crash_check
