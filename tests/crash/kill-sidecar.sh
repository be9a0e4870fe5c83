#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 between a sidecar's close and the end of its acceptance: afterwards its job is there, once.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
in=$MNT/incoming
back=$ROOT/tmp/uploads

jobs_of() {
	sql "SELECT COUNT(*) FROM jobs WHERE user_id='$1'"
}

for step in sidecar-before-accept intake-before-accept engine-accepted sidecar-accepted; do
	cp "$(media short.mp4)" "$in/$step.mp4"
	sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='$step.mp4'\") == complete ]]"
	hook_set "$step" once-kill
	echo "{\"userId\":\"$step\"}" >"$in/$step.mp4.process" || true
	hook_wait_reached "$step"
	sc_wait_dead
	sc_mount "$crash_options"
	sc_wait_for "[[ \$(jobs_of $step) == 1 ]]"
	missing "$in/$step.mp4.process.error"
	sc_umount
	sc_mount "$crash_options"
	eq "$(jobs_of "$step")" 1 "jobs of the sidecar killed at $step"
done

# closed, but nobody has looked yet
cp "$(media short.mp4)" "$in/closed.mp4"
hook_set fs-writer-closed once-kill
printf 'userId=closed\n' >"$in/closed.mp4.process" || true
hook_wait_reached fs-writer-closed
sc_wait_dead
sc_mount "$crash_options"
case $(sql "SELECT state FROM uploads WHERE path='closed.mp4'") in
incomplete) cp "$(media short.mp4)" "$in/closed.mp4" ;; # it was the upload's close
esac
[[ -s $in/closed.mp4.process ]] || printf 'userId=closed\n' >"$in/closed.mp4.process"
sc_wait_for '[[ $(jobs_of closed) == 1 ]]'

# opened and cut off before its first byte: no job of what nobody asked for
cp "$(media short.mp4)" "$in/cut.mp4"
sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='cut.mp4'\") == complete ]]"
exec 5>"$in/cut.mp4.process"
sc_kill9
exec 5>&- || true
sc_mount "$crash_options"
sc_wait_for '[[ $(jq -r .code "$in/cut.mp4.process.error") == INVALID_REQUEST ]]'
contains "$(jq -r .error "$in/cut.mp4.process.error")" "cut off"
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE upload_id='cut.mp4'")" 0
echo userId=cut >"$in/cut.mp4.process"
sc_wait_for '[[ $(jobs_of cut) == 1 && ! -e $in/cut.mp4.process.error ]]'
for id in $(sql "SELECT job_id FROM jobs"); do
	sc_done "$id"
done
exists "$back/cut.mp4"
crash_check
