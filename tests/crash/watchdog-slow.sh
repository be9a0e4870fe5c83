#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job that is slow but moves is left alone, and so is one whose daemon stood still for long.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare stall_timeout=4,watchdog_interval=1
upload main.mp4
slow_job() { # ID: one that has begun to encode
	hook_set cut-clip once-wait
	echo "{\"uploadId\":\"main\",\"cut\":\"encode\",\"clipDuration\":30,\"jobId\":\"$1\"}" >"$MNT/control"
	hook_wait_reached cut-clip
	worker=$(hook_pid cut-clip)
	hook_go cut-clip
}

# It works for a moment and stands still for one, again and again, for longer than stall_timeout.
slow_job slow
started=$(now_ms)
for rounds in $(seq 8); do
	kill -STOP "$worker"
	sleep 1
	kill -CONT "$worker" || break
	sleep 0.1
done
le 6000 "$(($(now_ms) - started))" "milliseconds of slowness"
[[ $rounds -eq 8 ]] || fail "the job was too fast to be slow ($rounds rounds)"
sc_done slow

# the daemon itself stopped for longer than stall_timeout: no failure when it wakes
slow_job asleep
kill -STOP "$daemon_pid"
sleep 6
kill -CONT "$daemon_pid"
sc_done asleep
eq "$(jq .watchdog.stalled "$MNT/health")" 0 "stalled jobs in health"
crash_check
