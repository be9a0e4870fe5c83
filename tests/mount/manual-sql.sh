#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a person writes into the database by hand is honoured within 2 s, and at the next start.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
upload short.mp4
honoured() { # ID STATE: ended, work gone, time and reason filled in
	sc_wait_for "[[ \$(status_of $1 .status) == $2 ]]" 2
	eq "$(jq -r .status <<<"$(sc_wait_job "$1")")" "$2"
	eq "$(sql "SELECT status FROM jobs WHERE job_id='$1'")" "$2"
	eq "$(sql "SELECT finished_at > 0 FROM jobs WHERE job_id='$1'")" 1 "finished_at of $1"
	if [[ $2 == failed ]]; then
		eq "$(status_of "$1" .error.code)" MANUAL
		eq "$(sql "SELECT error_code FROM jobs WHERE job_id='$1'")" MANUAL
	fi
	missing "$ROOT/outputs/$1"
}
start_one() {
	hook_set cut-clip once-wait
	echo "{\"uploadId\":\"short\",\"jobId\":\"$1\"}" >"$MNT/control"
	hook_wait_reached cut-clip
}

for word in failed error cancelled; do
	start_one "run-$word"
	worker=$(hook_pid cut-clip)
	echo "{\"uploadId\":\"short\",\"jobId\":\"queue-$word\"}" >"$MNT/control"
	sql "UPDATE jobs SET status='$word' WHERE job_id IN ('run-$word','queue-$word')"
	state=$word
	[[ $word == error ]] && state=failed
	honoured "queue-$word" "$state"
	honoured "run-$word" "$state"
	sc_wait_gone "$worker" 5
done

# by hand while nobody runs
start_one later
sc_stop TERM
sql "UPDATE jobs SET status='error' WHERE job_id='later'"
sc_mount workers=1
honoured later failed

# by hand while the daemon is gone the hard way
start_one crash
sc_kill9
sql "UPDATE jobs SET status='cancelled' WHERE job_id='crash'"
sc_mount workers=1
honoured crash cancelled

# a job that is deleted by hand: whoever waits for it is told that it is gone
start_one deleted
cat "$MNT/jobs/deleted/wait" >"$LOG/waited" 2>&1 &
waiter=$!
sc_wait_for '[[ $(readlink "/proc/$waiter/fd/3") == */wait ]]'
sql "DELETE FROM jobs WHERE job_id='deleted'"
wait "$waiter" && fail "wait of a deleted job gave: $(<"$LOG/waited")"
contains "$(<"$LOG/waited")" "${errno_text[ENOENT]}" "what the waiting reader got"
sc_wait_for '[[ ! -e $MNT/jobs/deleted ]]'

# a person with the database open does not stop the mount from answering, and its own jobs go on
echo '{"uploadId":"short","jobId":"after"}' >"$MNT/control"
sc_done after
check_invariants
sc_umount
