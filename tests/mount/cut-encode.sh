#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# cut=encode: frame-exact, all re-encoded, and like the source by PSNR.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
for name in main.mp4 main.mkv noaudio.mp4; do
	upload "$name"
	id=enc.$name
	echo "{\"uploadId\":\"$name\",\"clipDuration\":5,\"cut\":\"encode\",\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done "$id" 200
	eq "$(status_of "$id" '.totalClips')" 13
	eq "$(status_of "$id" '[.result.artifacts[].method]|unique|join(" ")')" encode "$name"
	compare_clips "$(media "$name")" "$MNT/jobs/$id/clips" --mode encode \
		--status "$MNT/jobs/$id/status" || fail "$name: the clips are not the source"
done
check_invariants
sc_umount
