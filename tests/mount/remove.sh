#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Removing jobs with rm and rmdir: ended ones go with all their clips, others not even in part.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
upload tiny.mp4
submit() { # ID
	echo "{\"uploadId\":\"tiny\",\"clipDuration\":1,\"jobId\":\"$1\"}" >"$MNT/control"
}

for id in a b c d; do
	submit $id
	sc_done $id
done
rm -r "$MNT/jobs/a"
rmdir "$MNT/jobs/b"
rm -rf "$MNT/jobs/c"
for id in a b c; do
	missing "$MNT/jobs/$id" "$ROOT/outputs/$id"
	eq "$(sql "SELECT COUNT(*) FROM jobs WHERE job_id='$id'")" 0 "rows of $id"
	errno ENOENT stat "$MNT/jobs/$id/status"
done
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 -printf %f)" d
eq "$(readlink "$MNT/by-upload/tiny")" ../jobs/d
errno ENOENT rmdir "$MNT/jobs/none"

# a single clip
rm "$MNT/jobs/d/clips/clip_001.mp4"
missing "$MNT/jobs/d/clips/clip_001.mp4" "$ROOT/outputs/d/clip_001.mp4"
eq "$(status_of d '[.result.artifacts[]|.deleted]|tostring')" "[true,null]"
eq "$(status_of d '.outputs|tostring')" '["jobs/d/clips/clip_002.mp4"]'
# moving a clip out
mv "$MNT/jobs/d/clips/clip_002.mp4" "$SC_TEST/mine.mp4"
ffmpeg -nostdin -v error -xerror -i "$SC_TEST/mine.mp4" -f null -
eq "$(status_of d '.outputs|tostring')" '[]'
# virtual files: unlink says yes and does nothing, until the directory goes
rm -f "$MNT/jobs/d/status"
exists "$MNT/jobs/d/status"
rm -r "$MNT/jobs/d"
missing "$MNT/jobs/d"

# a job that has not ended
hook_set cut-clip once-wait
submit e
submit f
hook_wait_reached cut-clip
for id in e f; do
	errno EBUSY rmdir "$MNT/jobs/$id"
	if rm -r "$MNT/jobs/$id" 2>/dev/null; then fail "$id was removed"; fi
	errno EBUSY rm "$MNT/jobs/$id/status"
	errno EBUSY rmdir "$MNT/jobs/$id/clips"
	exists "$MNT/jobs/$id/status" "$MNT/jobs/$id/clips"
done
hook_go cut-clip
sc_done e
sc_done f
rm -r "$MNT/jobs/e" "$MNT/jobs/f"

# an id is free again, and nothing of the old job shows
submit a
sc_done a
# a control that is open while its job goes
exec 7<>"$MNT/jobs/a/control"
rm -r "$MNT/jobs/a"
sh_errno ENOENT 'echo cancel >&7'
contains "$(cat <&7)" JOB_NOT_FOUND "reply of a removed job"
exec 7<&-
submit a
sc_done a
# a clip that is open while its job is removed can still be read
exec 8<"$MNT/jobs/a/clips/clip_001.mp4"
sum=$(sha256sum <"$MNT/jobs/a/clips/clip_001.mp4")
rm -r "$MNT/jobs/a"
eq "$(sha256sum <&8)" "$sum" "a removed clip, still open"
exec 8<&-
cmp "$MNT/incoming/tiny.mp4" "$(media tiny.mp4)"
check_invariants
eq "$(find "$ROOT/outputs" "$ROOT/work" -mindepth 1 -name '*.*')" "" "leftovers"
sc_umount
