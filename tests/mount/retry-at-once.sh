#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# retry and removal of a job that is not put away yet: a person has just changed its row and nobody has
# seen it, its clips are being removed, its hold is about to go. Both wait; nothing is lost by it.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
upload short.mp4
new() { # ID
	sc_submit "{\"uploadId\":\"short\",\"clipDuration\":2,\"jobId\":\"$1\"}" >/dev/null
}
set_failed() { # ID
	sql "UPDATE jobs SET status='failed' WHERE job_id='$1'"
}

# Nobody has looked at the database yet.
new unseen && new gone
sc_done unseen
sc_done gone
hook_set external-look wait
hook_wait_reached external-look
set_failed unseen
set_failed gone
echo retry >"$MNT/jobs/unseen/control"
sc_done unseen
eq "$(status_of unseen .attempt)" 2 "attempt of unseen"
rm -r "$MNT/jobs/gone" 2>/dev/null || rmdir "$MNT/jobs/gone"
sc_wait_for '[[ ! -e $ROOT/outputs/gone ]]'
hook_go external-look

# In the midst of it: the retry waits. WRONG is the state that it would come to meanwhile if it did not.
retry_meanwhile() { # ID STEP WRONG
	local pid
	hook_wait_reached "$2"
	hook_set engine-waits once-wait
	echo retry >"$MNT/jobs/$1/control" &
	pid=$!
	sc_wait_for "[[ -e $HOOKS/engine-waits.reached || \$(sql \"SELECT status FROM jobs WHERE job_id='$1'\") == $3 ]]"
	hook_go "$2"
	hook_go engine-waits
	wait "$pid"
}

# Its clips are being removed.
new midway
sc_done midway
hook_set engine-unpublishing once-wait
set_failed midway
retry_meanwhile midway engine-unpublishing "done"
sc_done midway

# It had not run: its hold is about to go, and the worker is busy with another job.
hook_set worker-probed once-wait
new busy
hook_wait_reached worker-probed
new behind
hook_set engine-letting-go once-wait
set_failed behind
retry_meanwhile behind engine-letting-go queued
sc_wait_for '[[ $(status_of behind .status) == queued ]]'
hook_go worker-probed
sc_done busy
sc_done behind

check_invariants
sc_umount
