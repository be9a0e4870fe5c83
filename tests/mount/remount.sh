#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Unmount and mount again: everything is still there, jobs under way go on.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
for name in short.mp4 tiny.mp4; do upload $name; done
mkdir "$MNT/incoming/dir" && upload tiny.mp4 dir/deep.mp4
echo '{"uploadId":"short","jobId":"done"}' >"$MNT/control" && sc_done 'done'
: >"$MNT/incoming/empty.mp4"
echo '{"uploadId":"empty.mp4","jobId":"failed"}' >"$MNT/control" && sc_failed failed UPLOAD_INCOMPLETE
hook_set cut-clip once-wait
echo '{"uploadId":"short","jobId":"running"}' >"$MNT/control"
hook_wait_reached cut-clip
worker=$(hook_pid cut-clip)
echo '{"uploadId":"dir/deep","clipDuration":1,"jobId":"queued"}' >"$MNT/control"
echo '{"uploadId":"tiny","clipDuration":1,"jobId":"cancelled"}' >"$MNT/control"
echo cancel >"$MNT/jobs/cancelled/control"
for id in 'done' failed cancelled; do
	cat "$MNT/jobs/$id/status" >"$SC_TEST/$id.status"
	cat "$MNT/jobs/$id/log" >"$SC_TEST/$id.log"
done

started=$(now_ms)
sc_umount
le "$(($(now_ms) - started))" $((8000 * SC_SLOW)) "milliseconds to stop with a running job"
[[ ! -e /proc/$worker ]] || fail "the worker outlives the mount"
eq "$(sql "SELECT status FROM jobs WHERE job_id='running'")" queued "a running job after the stop"

sc_mount workers=1
for id in 'done' failed cancelled; do
	cmp "$SC_TEST/$id.status" "$MNT/jobs/$id/status"
	cmp "$SC_TEST/$id.log" "$MNT/jobs/$id/log"
done
sc_done running
sc_done queued
eq "$(sql "SELECT failures FROM jobs WHERE job_id='running'")" 0 "failures: the end of the daemon is none"
(($(sql "SELECT attempt FROM jobs WHERE job_id='running'") >= 2)) || fail "the attempt has not risen"
cmp "$MNT/incoming/short.mp4" "$(media short.mp4)"
check_invariants
sc_umount
