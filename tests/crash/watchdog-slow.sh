#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job that is slow but moves is left alone, and so is one whose daemon stood still for long.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare stall_timeout=2,watchdog_interval=1
upload long.mp4
hook_set cut-clip once-wait
echo '{"uploadId":"long","cut":"encode","clipDuration":60,"jobId":"slow"}' >"$MNT/control"
hook_wait_reached cut-clip
worker=$(hook_pid cut-clip)
hook_go cut-clip
# It works for a moment and stands still for one, again and again, over several stall_timeouts.
started=$(now_ms)
for i in 1 2 3 4 5 6; do
	kill -STOP "$worker"
	sleep 1
	kill -CONT "$worker"
	sleep 0.2
	[[ -e /proc/$worker ]] || break
done
le 4000 "$(($(now_ms) - started))" "milliseconds of slowness"
[[ $i -ge 4 ]] || fail "the job was too fast to be slow ($i rounds)"
sc_done slow

# the daemon itself stopped for longer than stall_timeout: no failure when it wakes
hook_set cut-clip once-wait
echo '{"uploadId":"long","cut":"encode","clipDuration":60,"jobId":"asleep"}' >"$MNT/control"
hook_wait_reached cut-clip
hook_go cut-clip
kill -STOP "$daemon_pid"
sleep 5
kill -CONT "$daemon_pid"
sc_done asleep
crash_check
