#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon while the kernel is being told of a change in a directory which a request
# that nobody will answer keeps locked: the daemon's last thread cannot end, so neither can the
# request. The next start lets go of both.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

# The state of the thread that tells the kernel; D: it waits, and cannot be killed.
teller() {
	local task
	for task in "/proc/$daemon_pid/task"/*; do
		[[ $(<"$task/comm") == fuse-notify ]] && sed 's/.*) \(.\) .*/\1/' "$task/stat"
	done
}

crash_prepare
crash_submit victim
sc_done victim
# A process of its own has it open: whoever closes it after the kill waits for an answer as well.
sleep infinity >"$MNT/incoming/open.mp4" &
writer=$!
sc_wait_for '[[ -e $MNT/incoming/open.mp4 ]]'
sc_submit '{"uploadId":"open.mp4","jobId":"waiting"}'
exists "$MNT/jobs/waiting"
hook_set remove-midway once-wait
rmdir "$MNT/jobs/victim" 2>"$LOG/rmdir" &
removing=$!
hook_wait_reached remove-midway
sql "DELETE FROM jobs WHERE job_id='waiting'"
sc_wait_for '[[ $(teller) == D ]]' 10
kill -KILL "$daemon_pid"
sc_wait_for '[[ $(sed "s/.*) \(.\) .*/\1/" "/proc/$daemon_pid/stat") == Z && $(teller) == D ]]' 10
: >"$HOOKS/remove-midway.go"
started=$(now_ms)
sc_mount "$crash_options"
le "$(($(now_ms) - started))" $((8000 * SC_SLOW)) "milliseconds until the next start was up"
wait "$removing" && fail "the rmdir that nobody answered has succeeded"
kill "$writer"
sc_wait_for '[[ ! -e $MNT/jobs/victim && ! -e $ROOT/outputs/victim ]]' 10
rm "$MNT/incoming/open.mp4"
crash_check
