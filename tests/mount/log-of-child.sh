#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a child writes to its standard error stands in the job's log, up to 1 MiB: what comes behind is left
# out, which the log says, and neither the child nor the engine stands still for it.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use standin
check_log() { # ID LAST-LINE
	local log=$ROOT/database/logs/$1.log
	le "$(stat -c %s "$log")" $((1024 * 1024 + 4096)) "bytes of the log of $1"
	le $((1024 * 1024)) "$(stat -c %s "$log")" "1 MiB"
	eq "$(grep -c '^the log is full: ' "$log")" 1 "lines of $1 that say where it was cut"
	contains "$(tail -n 3 "$log")" "$2" "end of the log of $1"
}

STORYCLIP_TEST_MODE=chatty sc_mount workers=1
upload short.mp4
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"chatty"}' >/dev/null
sc_done chatty
check_log chatty "done: 1 clips"
sc_umount

# For ever, without working: the watchdog ends it.
STORYCLIP_TEST_MODE=chatter sc_mount workers=1,stall_timeout=1,watchdog_interval=1
sc_submit '{"uploadId":"short","clipDuration":2,"maxAttempts":1,"jobId":"chatter"}' >/dev/null
sc_failed chatter STALLED
check_log chatter STALLED
sc_umount
