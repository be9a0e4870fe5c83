#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Times set on an upload between the job that the request beside it has started and the sync of the
# upload's close: the same upload, and no second job. (It cannot be written anew then: the job has it.)
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount
in=$MNT/incoming

jobs_of() { # UPLOAD
	sql "SELECT COUNT(*) FROM jobs WHERE upload_id='$1'"
}

# The sync of the close waits at the hook, the request is carried out meanwhile.
start_before_sync() { # UPLOAD
	hook_set upload-before-sync once-wait
	upload short.mp4 "$1"
	hook_wait_reached upload-before-sync
	echo '{"maxClips":1}' >"$in/$1.process"
	sc_wait_for "[[ \$(jobs_of '$1') == 1 ]]"
	sc_wait_for "[[ \$(sql \"SELECT COUNT(*) FROM sidecars WHERE path='$1.process' AND is_accepted\") == 1 ]]"
}

# What comes later has been looked at: a request of another upload acts behind it, in order.
settle() { # UPLOAD
	sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='$1'\") == complete ]]"
	upload short.mp4 "$1.next"
	echo '{"maxClips":1}' >"$in/$1.next.process"
	sc_wait_for "[[ \$(jobs_of '$1.next') == 1 ]]"
}

start_before_sync times.mp4
python3 -c 'import os,sys; os.utime(sys.argv[1], (1, 1))' "$in/times.mp4"
hook_go upload-before-sync
sc_wait_for "[[ \$(sql \"SELECT mtime FROM uploads WHERE path='times.mp4'\") == 1000 ]]"
settle times.mp4
eq "$(jobs_of times.mp4)" 1 "jobs after times were set before the sync"
eq "$(sql "SELECT mtime_ns FROM sidecars WHERE path='times.mp4.process'")" 1000000000 "the time that the request's row has"

# twice, and a name moved as well
start_before_sync twice.mp4
python3 -c 'import os,sys; [os.utime(sys.argv[1], (n, n)) for n in (1, 2)]' "$in/twice.mp4"
mv "$in/twice.mp4" "$in/t" && mv "$in/t" "$in/twice.mp4"
hook_go upload-before-sync
sc_wait_for "[[ \$(sql \"SELECT mtime FROM uploads WHERE path='twice.mp4'\") == 2000 ]]"
settle twice.mp4
eq "$(jobs_of twice.mp4)" 1 "jobs after times were set twice before the sync"

# the close of the request itself is heard of only then, when its job is there since its flush
hook_set upload-before-sync once-wait
upload short.mp4 late.mp4
hook_wait_reached upload-before-sync
hook_set fs-writer-closed once-wait
echo '{"maxClips":1}' >"$in/late.mp4.process"
hook_wait_reached fs-writer-closed
sc_wait_for "[[ \$(sql \"SELECT COUNT(*) FROM sidecars WHERE path='late.mp4.process' AND is_accepted\") == 1 ]]"
python3 -c 'import os,sys; os.utime(sys.argv[1], (1, 1))' "$in/late.mp4"
hook_go fs-writer-closed
echo '{"maxClips":1}' >"$in/late.mp4.process" # the same once more: said in the log when it is looked at
sc_wait_for 'grep -q "late.mp4.process.* already" "$LOG/daemon.log"'
hook_go upload-before-sync
sc_wait_for "[[ \$(sql \"SELECT mtime FROM uploads WHERE path='late.mp4'\") == 1000 ]]"
settle late.mp4
eq "$(jobs_of late.mp4)" 1 "jobs after the request's close came behind new times"

for id in $(sql "SELECT job_id FROM jobs WHERE status<>'done'"); do
	sc_wait_job "$id"
done
check_invariants
sc_umount
