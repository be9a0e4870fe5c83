#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sources with edit lists of their own: one that begins between two frames, one behind nothing, several.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
cut() { # MODE UPLOAD [OPTIONS-OF-THE-COMPARISON…]
	local id=$1.$2
	echo "{\"uploadId\":\"$2\",\"clipDuration\":1.1,\"cut\":\"$1\",\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done "$id" 120
	compare_clips "$(media "$2")" "$MNT/jobs/$id/clips" --mode "$1" --status "$MNT/jobs/$id/status" "${@:3}" ||
		fail "$id: the clips are not the source"
}

for name in edit-between.mp4 edit-empty.mp4 edit-two.mp4; do
	upload "$name"
done
# The edit begins 300/12800 s behind the first frame, so the second is shown 212/12800 s after the sound begins.
for mode in exact smart encode; do
	cut $mode edit-between.mp4 --late 212/12800
	cut $mode edit-empty.mp4
done
eq "$(jq '.result.artifacts[0].start' "$MNT/jobs/exact.edit-between.mp4/status")" 0.016563
eq "$(jq '.result.artifacts[0].start' "$MNT/jobs/exact.edit-empty.mp4/status")" 0.5
# Several parts are one behind the other only once they are decoded.
for mode in exact smart keyframe; do
	echo "{\"uploadId\":\"edit-two.mp4\",\"cut\":\"$mode\",\"jobId\":\"$mode.two\"}" >"$MNT/control"
	sc_failed $mode.two UNSUPPORTED_CODEC
	contains "$(status_of $mode.two .error.message)" "edited in several parts"
	contains "$(status_of $mode.two .error.message)" '"cut":"encode"'
done
cut encode edit-two.mp4
check_invariants
sc_umount
