#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job: clips of 5 s from 63.7 s of 30000/1001 frames a second, none lost, none twice, nothing re-encoded.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg
sc_mount
for name in main.mp4 main.mov main.mkv faststart.mp4 noaudio.mp4 noaudio.mkv; do
	upload "$name"
	id=exact.$name
	echo "{\"uploadId\":\"$name\",\"clipDuration\":5,\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done "$id"
	eq "$(status_of "$id" '.totalClips, .clipsReady' | xargs)" "13 13" "$name"
	eq "$(status_of "$id" '[.result.artifacts[].method]|unique|join(" ")')" copy "$name"
	compare_clips "$(media "$name")" "$MNT/jobs/$id/clips" --mode exact \
		--status "$MNT/jobs/$id/status" || fail "$name: the clips are not the source"
	# the index comes first, so that a browser starts at once
	for clip in "$MNT/jobs/$id/clips"/*; do
		eq "$(head -c 4096 "$clip" | grep -c moov)" 1 "moov at the front of $clip"
	done
done
check_invariants
sc_umount
