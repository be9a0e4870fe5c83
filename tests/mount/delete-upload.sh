#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# deleteUpload: the upload goes with its job's end, if the job is done and the name is still that file.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
mkdir "$MNT/incoming/dir"
ask() { # ID UPLOAD [FIELDS]
	sc_submit "{\"uploadId\":\"$2\",\"clipDuration\":2,\"deleteUpload\":true,\"jobId\":\"$1\"${3:-}}" >/dev/null
}
row() { # PATH
	sql "SELECT count(*) FROM uploads WHERE path='$1'"
}

# gone with the job, and with it its row; a second job that holds the bytes is done all the same
upload short.mp4 dir/a.mp4
hook_set worker-probed once-wait
ask a dir/a.mp4
sc_submit '{"uploadId":"dir/a.mp4","clipDuration":2,"jobId":"second"}' >/dev/null
hook_go worker-probed
sc_done a
missing "$MNT/incoming/dir/a.mp4" "$MNT/jobs/a/source"
sc_wait_for '[[ $(row dir/a.mp4) == 0 ]]'
grep -q 'the upload was removed' "$MNT/jobs/a/log"
sc_done second
sc_refused ENOENT UPLOAD_NOT_FOUND '{"uploadId":"dir/a.mp4"}' >/dev/null
exists "$MNT/incoming/dir"

# another file under that name stays
upload short.mp4 b.mp4
hook_set worker-probed once-wait
ask b b.mp4
hook_wait_reached worker-probed
rm "$MNT/incoming/b.mp4"
upload tiny.mp4 b.mp4
hook_go worker-probed
sc_done b
cmp "$MNT/incoming/b.mp4" "$(media tiny.mp4)"
eq "$(row b.mp4)" 1
# and so does one that was renamed
upload short.mp4 c.mp4
hook_set worker-probed once-wait
ask c c.mp4
hook_wait_reached worker-probed
mv "$MNT/incoming/c.mp4" "$MNT/incoming/kept.mp4"
hook_go worker-probed
sc_done c
cmp "$MNT/incoming/kept.mp4" "$(media short.mp4)"

# neither a failed nor a cancelled job removes anything; a retry that ends done does
upload short.mp4 d.mp4
ask d d.mp4 ',"size":1'
sc_failed d UPLOAD_MISMATCH
cmp "$MNT/incoming/d.mp4" "$(media short.mp4)"
upload short.mp4 e.mp4
hook_set worker-probed once-wait
ask e e.mp4
hook_wait_reached worker-probed
echo cancel >"$MNT/jobs/e/control"
exists "$MNT/incoming/e.mp4"
echo retry >"$MNT/jobs/e/control"
sc_done e
missing "$MNT/incoming/e.mp4"

# Killed with the name moved aside, or before: the next start sees to it.
for step in upload-aside engine-done; do
	upload short.mp4 "$step.mp4"
	hook_set "$step" once-kill
	ask "$step" "$step.mp4" 2>/dev/null || true
	hook_wait_reached "$step"
	sc_wait_dead
	sc_mount workers=1
	sc_done "$step"
	missing "$MNT/incoming/$step.mp4"
	eq "$(row "$step.mp4")" 0
	eq "$(find "$ROOT/tmp/uploads/.storyclip-hold" -type f)" "" "what lies in the hold directory"
done
sc_refused EINVAL INVALID_REQUEST '{"uploadId":"kept","deleteUpload":1}' >/dev/null
check_invariants
sc_umount
