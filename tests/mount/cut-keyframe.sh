#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# cut=keyframe: lossless, at keyframes only; nothing hidden, no packet lost or doubled.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
for name in main.mp4 main.mov main.mkv noaudio.mp4; do
	upload "$name"
	id=key.$name
	echo "{\"uploadId\":\"$name\",\"clipDuration\":5,\"cut\":\"keyframe\",\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done "$id"
	eq "$(status_of "$id" '.cut')" keyframe
	eq "$(status_of "$id" '[.result.artifacts[]|(.hiddenHeadMs,.hiddenTailMs)+0]|unique|tostring')" "[0]" "$name: hidden"
	compare_clips "$(media "$name")" "$MNT/jobs/$id/clips" --mode keyframe \
		--status "$MNT/jobs/$id/status" || fail "$name: the clips are not the source"
done
check_invariants
sc_umount
