#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Cancelling a job in each of its states: it ends within 5 s, and nothing of it is left.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
upload short.mp4

cancelled_within_5s() { # ID
	local started
	started=$(now_ms)
	echo cancel >"$MNT/jobs/$1/control"
	eq "$(sc_wait_job "$1" | jq -r .status)" cancelled "job $1"
	le "$(($(now_ms) - started))" $((5000 * SC_SLOW)) "milliseconds until $1 had ended"
	# The clips are nobody's at once; the directory goes when the publisher has ended, which is after that.
	sc_wait_for "[[ ! -e $ROOT/outputs/$1 ]]" 5
	eq "$(find "$MNT/jobs/$1/clips" -mindepth 1)" "" "clips of $1"
}

# while it works, and one that waits behind it
hook_set cut-clip once-wait
running=$(sc_submit '{"uploadId":"short"}')
hook_wait_reached cut-clip
queued=$(sc_submit '{"uploadId":"short"}')
worker=$(hook_pid cut-clip)
eq "$(status_of "$queued" .status)" queued
cancelled_within_5s "$queued"
cancelled_within_5s "$running"
[[ ! -e /proc/$worker ]] || fail "the worker $worker still lives"

# one that does not listen
hook_set cut-clip once-stop
id=$(sc_submit '{"uploadId":"short"}')
hook_wait_reached cut-clip
cancelled_within_5s "$id"

# while it is published: before the commit cancelling wins, and the output goes again
hook_set publish-after-rename once-wait
id=$(sc_submit '{"uploadId":"short"}')
hook_wait_reached publish-after-rename
exists "$ROOT/outputs/$id"
cancelled_within_5s "$id"

# an ended one stays what it is, the next one runs
id=$(sc_submit '{"uploadId":"short"}')
sc_done "$id"
sc_refused EALREADY JOB_ENDED cancel "$MNT/jobs/$id/control" >/dev/null
sc_done "$id"
sc_refused EALREADY JOB_ENDED cancel "$MNT/jobs/$running/control" >/dev/null
check_invariants
sc_umount
