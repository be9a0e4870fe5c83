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
# a range between two keyframes, which are 47 frames apart, is its neighbour's
echo '{"uploadId":"main.mp4","cut":"keyframe","jobId":"between","clips":[{"start":0,"end":1.7},{"start":1.7,"end":1.9},{"start":1.9,"end":5}]}' >"$MNT/control"
sc_done between
eq "$(status_of between .totalClips)" 2
contains "$(status_of between '.warnings|join("\n")')" \
	"range 2, 1.700 to 1.900 s, gives no clip, as both its ends go to the keyframe at 1.568 s"
# sound that is over before a clip begins
upload matrix-h264-short-sound.mp4
for mode in exact encode; do
	id=short.$mode
	echo "{\"uploadId\":\"matrix-h264-short-sound.mp4\",\"parts\":3,\"cut\":\"$mode\",\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done $id
	matches "$(status_of $id '.warnings|join("\n")')" \
		"the sound .stream 1. lasts from 0.000 to 1.200 s: 1 of 3 clips lie outside of it and have none" "$id"
	eq "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 "$MNT/jobs/$id/clips/clip_003.mp4")" "" "$id"
done
check_invariants
sc_umount
